"""What happens in a turn, kept while it may be asked for: every listener hears all of it, also one that comes late or comes back.

As server-sent events (WHATWG HTML, section 9.2). An event's id is `<run>-<number>`; a listener that comes back with `Last-Event-ID`
hears what it missed. A run is one attempt at a turn: a resumed turn is another run, whose events are all new.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel

from agent.conversation.values import Event, Reply, RouteTaken, StageEnded, StageStarted, Text
from agent.service.problems import Problem
from agent.values import Value

Name = Literal["waiting", "stage_started", "stage_ended", "route_taken", "text", "reply", "failed", "stopped"]
LAST: tuple[Name, ...] = ("reply", "failed", "stopped")
"""One of these ends a run."""
NAMES: dict[type[BaseModel], Name] = {
    StageStarted: "stage_started",
    StageEnded: "stage_ended",
    RouteTaken: "route_taken",
    Text: "text",
    Reply: "reply",
    Problem: "failed",
}


class Waiting(Value):
    """The turn was accepted and waits; `ahead` turns go before it."""

    ahead: int


class Stopped(Value):
    """The turn was stopped at the caller's wish, or because the service is about to stop.

    `resumable`: it goes on from where it was, by itself or when asked. A turn that was cancelled before it began is gone.
    """

    why: Literal["cancelled", "draining"]
    resumable: bool


NAMES |= {Waiting: "waiting", Stopped: "stopped"}
Happening = Event | Reply | Problem | Waiting | Stopped


class Moment(Value):
    """One event as it is sent. `data` is JSON in one line."""

    number: int
    name: Name
    data: str


class Run:
    """The events of one attempt at a turn. Used by one event loop; listeners cost it nothing."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(4)
        self.ended = False
        self._moments: list[Moment] = []
        self._count = 0
        self._news = asyncio.Event()

    def tell(self, happening: Happening) -> None:
        """Nothing more is heard after the event that ends the run."""
        if self.ended:
            return
        self._count += 1
        name = NAMES[type(happening)]
        # A model's text comes whole each time: only the newest is kept, or the events of a long answer would grow as its square.
        if name == "text" and self._moments and self._moments[-1].name == "text":
            self._moments.pop()
        self._moments.append(Moment(number=self._count, name=name, data=happening.model_dump_json()))
        self.ended = name in LAST
        self._news.set()
        self._news = asyncio.Event()

    async def listen(self, last_seen: str = "", heartbeat: float | None = None) -> AsyncIterator[Moment | None]:
        """The events after `last_seen` (an id of this run; anything else: from the beginning) until the run ends.

        None stands for `heartbeat` seconds without any.
        """
        run, _, number = last_seen.rpartition("-")
        seen = int(number) if run == self.name and number.isascii() and number.isdigit() else 0
        while True:
            news = self._news
            for moment in [m for m in self._moments if m.number > seen]:
                seen = moment.number
                yield moment
            if self.ended and seen >= self._count:
                return
            if news is self._news:
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), heartbeat)
                if not news.is_set():
                    yield None

    def wire(self, moment: Moment | None) -> bytes:
        """An event as it goes over the wire; a comment for None, which clients skip."""
        if moment is None:
            return b": still here\n\n"
        return f"id: {self.name}-{moment.number}\nevent: {moment.name}\ndata: {moment.data}\n\n".encode()
