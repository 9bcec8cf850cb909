"""Turns being walked: so many at once, so many waiting, no more. A case has one at a time."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from agent.conversation.values import Event, OnEvent, Reply, StageEnded
from agent.errors import FoveaError
from agent.service.events import Run, Stopped, Waiting
from agent.service.metrics import Metrics
from agent.service.problems import INTERNAL, Conflict, Draining, Overloaded, problem_of

log = logging.getLogger("fovea.service")
Work = Callable[[OnEvent], Awaitable[Reply]]
Why = Literal["cancelled", "draining"]
FIRST_GUESS = 1.0
"""Seconds a turn is thought to take before one was seen."""
LAST_STAGE = "verify"
"""After it nothing is left to stop for."""
SMOOTHING = 0.2
"""Weight of the newest turn in the average by which a refused caller is told when to come back (ours)."""


@dataclass(eq=False)
class Running:
    """One turn from being accepted to its end: `walk` is the turn itself, `end` ends when all is written down."""

    name: str
    run: Run = field(default_factory=Run)
    walk: asyncio.Task[Reply] | None = None
    end: asyncio.Task[None] | None = None
    started: bool = False
    stopping: Why | None = None

    async def reply(self) -> Reply:
        """Waits for the end. Raises what the turn raised; `Conflict` when it was stopped."""
        assert self.end is not None
        assert self.walk is not None
        await asyncio.shield(self.end)
        if self.walk.cancelled():
            raise Conflict("the turn was stopped before its reply: it can be resumed")
        return self.walk.result()

    def hear(self, event: Event) -> None:
        self.run.tell(event)
        if self.stopping == "draining" and isinstance(event, StageEnded) and event.stage != LAST_STAGE and self.walk is not None:
            self.walk.cancel()


Ended = Callable[[Running], Awaitable[None]]


class Pool:
    """`at_once` turns are walked, `waiting` may wait. All methods are called on the event loop's own thread."""

    def __init__(self, at_once: int, waiting: int, kept_seconds: float, metrics: Metrics) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._at_once, self._most_waiting, self._kept, self._metrics = at_once, waiting, kept_seconds, metrics
        self._all: dict[str, Running] = {}
        self._past: dict[str, Run] = {}
        self._seconds = FIRST_GUESS
        self.draining = False

    def running(self, name: str) -> Running | None:
        return self._all.get(name)

    def run(self, name: str) -> Run | None:
        """The events of the turn that is being walked, or of the last one while they are kept."""
        running = self._all.get(name)
        return running.run if running is not None else self._past.get(name)

    def forget(self, name: str) -> None:
        """Its events can no longer be asked for."""
        self._past.pop(name, None)

    @property
    def busy(self) -> int:
        return sum(r.started for r in self._all.values())

    @property
    def waiting(self) -> int:
        return len(self._all) - self.busy

    def check(self, name: str | None = None) -> None:
        """Raises `Draining`, `Conflict` (this case has a turn already) or `Overloaded` when no turn would be accepted now."""
        if self.draining:
            self._metrics.refused.labels("draining").inc()
            raise Draining("the service is about to stop: come back when it has started again", 5)
        if name in self._all:
            raise Conflict("this case has a turn that has not ended: wait for its reply, or cancel it", self._seconds)
        if len(self._all) >= self._at_once + self._most_waiting:
            self._metrics.refused.labels("full").inc()
            wait = self._seconds * (1 + self.waiting) / self._at_once
            raise Overloaded(f"{len(self._all)} turns are walked or waiting: come back in {max(1, math.ceil(wait))} s", wait)

    def start(self, name: str, work: Work, ended: Ended) -> Running:
        """Accepts a turn; `ended` is awaited when it has ended in any way, before its last event is told. Raises as `check` does."""
        self.check(name)
        ahead = len(self._all)
        running = self._all[name] = Running(name)
        if ahead >= self._at_once:
            running.run.tell(Waiting(ahead=ahead - self._at_once))
        running.walk = asyncio.create_task(self._walk(running, work), name="turn")
        running.end = asyncio.create_task(self._see_out(running, running.walk, ended), name="end of a turn")
        self._count()
        return running

    async def _walk(self, running: Running, work: Work) -> Reply:
        async with self._places:
            running.started = True
            self._count()
            began = time.monotonic()
            reply = await work(self._hearing(running))
        spent = time.monotonic() - began
        self._seconds += SMOOTHING * (spent - self._seconds)
        self._metrics.turn_seconds.observe(spent)
        self._metrics.turns.labels(reply.kind, reply.report.outcome).inc()
        self._metrics.used(reply.report.usage)
        return reply

    async def _see_out(self, running: Running, walk: asyncio.Task[Reply], ended: Ended) -> None:
        """A task of its own, which nobody cancels: whatever ends a walk, its end is written down and told."""
        await asyncio.wait([walk])
        error = None if walk.cancelled() else walk.exception()
        if walk.cancelled():
            running.stopping = running.stopping or "cancelled"
            self._metrics.turns.labels("none", running.stopping).inc()
        elif error is not None:
            self._metrics.turns.labels("none", "failed").inc()
            # Its words may quote a narrative.
            log.log(logging.INFO if isinstance(error, FoveaError) else logging.ERROR, "a turn failed: %s", type(error).__name__)
        try:
            await ended(running)
        finally:
            self._all.pop(running.name, None)
            self._count()
            self._past[running.name] = running.run
            asyncio.get_running_loop().call_later(self._kept, self._drop, running.name, running.run)
            if running.stopping is not None and walk.cancelled():
                running.run.tell(Stopped(why=running.stopping, resumable=running.started or running.stopping == "draining"))
            elif error is not None:
                running.run.tell(problem_of(error) if isinstance(error, FoveaError) else INTERNAL)
            else:
                running.run.tell(walk.result())

    def _drop(self, name: str, run: Run) -> None:
        if self._past.get(name) is run:
            del self._past[name]

    def _hearing(self, running: Running) -> OnEvent:
        def hear(event: Event) -> None:
            if isinstance(event, StageEnded):
                self._metrics.stage_seconds.labels(event.stage).observe(event.seconds)
            running.hear(event)

        return hear

    async def stop(self, name: str) -> bool:
        """Stops a case's turn at once and waits until it has ended; False when it has none."""
        running = self._all.get(name)
        if running is None or running.walk is None or running.end is None:
            return False
        running.stopping = "cancelled"
        running.walk.cancel()
        await asyncio.shield(running.end)
        return True

    async def drain(self, seconds: float) -> int:
        """Accepts no more, lets go who waits, and stops who is walked at the end of its stage, or after `seconds` wherever it is.

        Returns how many turns were stopped.
        """
        self.draining = True
        everyone = tuple(self._all.values())
        for running in everyone:
            running.stopping = running.stopping or "draining"
            if not running.started and running.walk is not None:
                running.walk.cancel()
        ends = [r.end for r in everyone if r.end is not None]
        if ends:
            await asyncio.wait(ends, timeout=seconds)
            for running in everyone:
                if running.walk is not None:
                    running.walk.cancel()
            await asyncio.wait(ends)
        return sum(r.walk.cancelled() for r in everyone if r.walk is not None)

    def _count(self) -> None:
        self._metrics.running.set(self.busy)
        self._metrics.waiting.set(self.waiting)
