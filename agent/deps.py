"""What the nodes are given: the ports and the pure engines, assembled once per process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from agent.ports import Clock, ImageStore, Localizer, Reasoner, Retriever
from agent.settings import Settings
from agent.thresholds import ThresholdStore
from knowledge.claims import LibraryMeanings
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader
from knowledge.redflags import RedFlags


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True)
class Deps:
    """The context of a run (LangGraph's `Runtime.context`). Everything in it may be shared by concurrent cases."""

    settings: Settings
    clock: Clock
    images: ImageStore
    localizer: Localizer
    retriever: Retriever
    reasoner: Reasoner
    library: Library
    reader: NarrativeReader
    red_flags: RedFlags
    thresholds: ThresholdStore
    initial_threshold: float

    @cached_property
    def meanings(self) -> LibraryMeanings:
        """What the check of citations asks of the knowledge; built with the first report that cites."""
        return LibraryMeanings(self.library)
