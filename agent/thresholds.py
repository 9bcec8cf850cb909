"""The adaptive threshold kept across cases: a moving average for each reasoner profile and scale, in SQLite so that processes share it.

What is kept is relative to the initial threshold: a changed setting, or options in another number, moves the threshold with it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import SettingsError
from agent.settings import Dial
from agent.uncertainty import effective_threshold, updated_average

PATIENCE = 30.0
"""Seconds to wait while another process writes."""
_SCHEMA = "CREATE TABLE IF NOT EXISTS relative_threshold (profile TEXT PRIMARY KEY, average REAL NOT NULL, seen INTEGER NOT NULL)"

_UPSERT = """INSERT INTO relative_threshold VALUES (?, ?, ?)
ON CONFLICT (profile) DO UPDATE SET average = excluded.average, seen = excluded.seen"""


class ThresholdStore:
    """`path` None keeps the average in memory, and so does a dial that is not adaptive: it never touches the disk.

    Safe for threads; processes are serialised by SQLite, each waiting up to `patience` seconds for its turn. Raises `SettingsError`
    when the database cannot be written: already when it is opened, so that no case is walked in vain.
    """

    def __init__(self, dial: Dial, path: Path | None = None, patience: float = PATIENCE) -> None:
        self._dial = dial
        self._path = path if dial.adaptive else None
        self._lock = threading.Lock()
        with self._told():
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path or ":memory:", timeout=patience, isolation_level=None, check_same_thread=False)
            self._connection.execute(_SCHEMA)
            # Written and taken back: a table that exists, and even BEGIN IMMEDIATE, would hide that the file or its folder is read-only.
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("PRAGMA user_version = 1")
            self._connection.execute("ROLLBACK")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"the thresholds learnt across cases cannot be kept in {self._path}: {error}. Set FOVEA_DATA_DIRECTORY to a directory "
                "that can be written, or FOVEA_DIAL__ADAPTIVE=false to learn nothing"
            ) from error

    def observe(self, profile: str, entropy: float | None, initial: float) -> float:
        """The threshold this case is held against (from the cases before it), after which the case joins the average. Nats.

        `profile` names the reasoner's profile and, where that has several, the scale of its entropies. An `entropy` of None is one that
        could not be measured: it joins nothing.
        """
        if not self._dial.adaptive or initial <= 0:
            return initial
        with self._lock, self._told():
            if entropy is None:
                average, seen = self._average(profile)
                return effective_threshold(average, seen, initial, self._dial)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                average, seen = self._average(profile)
                self._connection.execute(
                    _UPSERT,
                    (profile, updated_average(average, entropy / initial, self._dial), seen + 1),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        return effective_threshold(average, seen, initial, self._dial)

    def _average(self, profile: str) -> tuple[float, int]:
        row = self._connection.execute("SELECT average, seen FROM relative_threshold WHERE profile = ?", (profile,)).fetchone()
        return (float(row[0]), int(row[1])) if row else (1.0, 0)

    def close(self) -> None:
        self._connection.close()
