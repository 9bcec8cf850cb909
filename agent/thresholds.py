"""The adaptive threshold kept across cases: one moving average per reasoner profile, in SQLite so that processes share it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from agent.errors import SettingsError
from agent.settings import Dial
from agent.uncertainty import effective_threshold, updated_threshold

_SCHEMA = "CREATE TABLE IF NOT EXISTS threshold (profile TEXT PRIMARY KEY, average REAL NOT NULL, seen INTEGER NOT NULL)"

_UPSERT = """INSERT INTO threshold VALUES (?, ?, ?)
ON CONFLICT (profile) DO UPDATE SET average = excluded.average, seen = excluded.seen"""


class ThresholdStore:
    """`path` None keeps the average in memory. Safe for threads; processes are serialised by SQLite."""

    def __init__(self, dial: Dial, path: Path | None = None) -> None:
        self._dial = dial
        self._lock = threading.Lock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path or ":memory:", timeout=30, isolation_level=None, check_same_thread=False)
            self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"data_directory: cannot keep thresholds in {path}: {error}") from error

    def observe(self, profile: str, entropy: float | None, initial: float) -> float:
        """The threshold this case is held against (from the cases before it), after which the case joins the average. Nats.

        An `entropy` of None is one that could not be measured: it joins nothing.
        """
        with self._lock:
            if not self._dial.adaptive:
                return initial
            if entropy is None:
                average, seen = self._average(profile, initial)
                return effective_threshold(average, seen, initial, self._dial)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                average, seen = self._average(profile, initial)
                self._connection.execute(
                    _UPSERT,
                    (profile, updated_threshold(average, entropy, self._dial.momentum), seen + 1),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        return effective_threshold(average, seen, initial, self._dial)

    def _average(self, profile: str, initial: float) -> tuple[float, int]:
        row = self._connection.execute("SELECT average, seen FROM threshold WHERE profile = ?", (profile,)).fetchone()
        return (float(row[0]), int(row[1])) if row else (initial, 0)

    def close(self) -> None:
        self._connection.close()
