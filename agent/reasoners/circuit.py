"""A circuit breaker for one server: after several failures in a row it is left alone for a while, and later cases are told at once.

Closed, requests pass. After `failures` in a row it opens for `pause` seconds and every request is refused. Then one request is let through
as a trial: if it succeeds the circuit closes, if not it opens again (M. Nygard, Release It!, 2007).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.errors import ReasonerUnreachable


class Circuit:
    """Used from one event loop. Time is in seconds of `clock`."""

    def __init__(self, failures: int, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._pause, self._clock = failures, pause, clock
        self._failed = 0
        self._opened: float | None = None
        self._trial = False
        self._last = ""

    @property
    def open(self) -> bool:
        """Whether requests are being refused, or only a trial is let through."""
        return self._opened is not None

    def enter(self) -> None:
        """Before a request. Raises `ReasonerUnreachable` while the circuit is open, with what failed last and how long it stays open."""
        if self._opened is None:
            return
        left = self._opened + self._pause - self._clock()
        if left > 0 or self._trial:
            when = f"tried again in {left:.0f} s" if left > 0 else "being tried again now"
            raise ReasonerUnreachable(f"not asked, because {self._failed} requests in a row failed; {when}. The last one: {self._last}")
        self._trial = True

    def succeeded(self) -> None:
        """After a request that the server answered, with whatever answer."""
        self._failed, self._opened, self._trial = 0, None, False

    def failed(self, why: str) -> None:
        """After a request that the server did not answer."""
        self._failed, self._last = self._failed + 1, why
        if self._trial or self._failed >= self._limit:
            self._opened, self._trial = self._clock(), False

    def abandoned(self) -> None:
        """After a request that the caller gave up: it says nothing of the server."""
        self._trial = False
