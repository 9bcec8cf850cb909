"""How much one key may ask a minute: buckets that fill steadily and hold one minute's worth."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from agent.service.problems import Overloaded

SWEEP = 1024
"""Buckets kept before full ones, which hold no memory of anything, are dropped."""


class Bucket:
    """`per_minute` units a minute, in bursts of up to a minute's worth. What is taken beyond is owed."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute, self._level, self._at = per_minute, per_minute, now

    def wait(self, now: float) -> float:
        """Seconds until something may be taken again; 0 for now.

        >>> bucket = Bucket(60, now=0); bucket.take(61, now=0); bucket.wait(now=0), bucket.wait(now=1)
        (2.0, 1.0)
        """
        self._fill(now)
        return 0.0 if self._level >= 1 else (1 - self._level) * 60 / self.per_minute

    def take(self, units: float, now: float) -> None:
        self._fill(now)
        self._level -= units

    def full(self, now: float) -> bool:
        self._fill(now)
        return self._level >= self.per_minute

    def _fill(self, now: float) -> None:
        self._level = min(self.per_minute, self._level + (now - self._at) * self.per_minute / 60)
        self._at = now


class Limits:
    """Buckets by key and kind. Of one process: two services that share keys limit each on its own."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, threading.Lock()
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def ask(self, key_id: str, kind: str, per_minute: float, units: float = 0) -> None:
        """Counts `units`. Raises `Overloaded` with the seconds to wait, and counts nothing, when the key has used up what it may."""
        with self._lock:
            now = self._now()
            bucket = self._bucket(key_id, kind, per_minute, now)
            wait = bucket.wait(now)
            if wait > 0:
                raise Overloaded(f"this key may have {per_minute:,.0f} {kind} a minute: come back in {wait:.0f} s", wait)
            bucket.take(units, now)

    def count(self, key_id: str, kind: str, per_minute: float, units: float) -> None:
        """Counts what was let in before its size was known."""
        with self._lock:
            now = self._now()
            self._bucket(key_id, kind, per_minute, now).take(units, now)

    def _bucket(self, key_id: str, kind: str, per_minute: float, now: float) -> Bucket:
        bucket = self._buckets.get((key_id, kind))
        if bucket is None or bucket.per_minute != per_minute:
            if len(self._buckets) >= SWEEP:
                self._buckets = {name: kept for name, kept in self._buckets.items() if not kept.full(now)}
            bucket = self._buckets[key_id, kind] = Bucket(per_minute, now)
        return bucket
