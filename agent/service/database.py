"""The service's own SQLite file: keys, sessions, who owns which case and image, turns not yet settled, and the audit log.

Deleted rows are overwritten with zeros (`secure_delete`), and `scrub` empties the write-ahead log, so that what is deleted is gone
from the file too.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.errors import SettingsError

PATIENCE = 30.0
"""Seconds to wait while another process (`fovea key add`) writes."""
FILE = "service.sqlite"
VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
  key_id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, owner TEXT NOT NULL, role TEXT NOT NULL, created REAL NOT NULL,
  expires REAL, revoked REAL, requests_per_minute INTEGER, upload_bytes_per_minute INTEGER);
CREATE TABLE IF NOT EXISTS sessions (digest BLOB PRIMARY KEY, key_id TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS cases (
  case_id TEXT PRIMARY KEY, owner TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, turns INTEGER NOT NULL DEFAULT 0,
  headline TEXT NOT NULL DEFAULT '', urgency TEXT, problem TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS cases_by_owner ON cases (owner, updated);
CREATE TABLE IF NOT EXISTS images (
  sha256 TEXT NOT NULL, owner TEXT NOT NULL, uploaded REAL NOT NULL, PRIMARY KEY (sha256, owner));
CREATE TABLE IF NOT EXISTS case_images (
  case_id TEXT NOT NULL REFERENCES cases ON DELETE CASCADE, sha256 TEXT NOT NULL, PRIMARY KEY (case_id, sha256));
CREATE INDEX IF NOT EXISTS case_images_by_image ON case_images (sha256);
CREATE TABLE IF NOT EXISTS unsettled (
  case_id TEXT PRIMARY KEY REFERENCES cases ON DELETE CASCADE, turn TEXT NOT NULL, earlier INTEGER NOT NULL, accepted REAL NOT NULL);
CREATE TABLE IF NOT EXISTS audit (
  number INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, owner TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, outcome TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_keeps_words BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""


class Database:
    """One connection for all threads of the process. Raises `SettingsError` when the file cannot be opened or written."""

    def __init__(self, directory: Path, patience: float = PATIENCE) -> None:
        self.path = directory / FILE
        self._lock = threading.RLock()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Made with its mode before SQLite opens it: it is never readable by others, not even for a moment.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(self.path, timeout=patience, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            # recursive_triggers: or REPLACE would delete rows of the audit log without asking its trigger.
            for pragma in ("journal_mode = WAL", "secure_delete = ON", "foreign_keys = ON", "synchronous = FULL", "recursive_triggers = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, VERSION):
                raise SettingsError(f"{self.path} was written by another version of Fovea ({version}, this one reads {VERSION})")
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"the service's database {self.path} cannot be opened: {error}. Set FOVEA_DATA_DIRECTORY") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block, or nothing of it."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        found = self.rows(query, *values)
        return found[0] if found else None

    def writable(self) -> None:
        """Raises `sqlite3.Error` when nothing can be written, to a full disk for one."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(f"PRAGMA user_version = {VERSION}")
            self._connection.execute("ROLLBACK")

    def scrub(self) -> bool:
        """Moves the write-ahead log into the file and empties it: deleted text stands in neither.

        False when another process read the file all the while: then the log still holds it, until the next scrub.
        """
        with self._lock:
            return not any(row[0] for row in self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    def close(self) -> None:
        with self._lock:
            self._connection.close()
