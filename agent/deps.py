"""What the nodes are given: the ports and the pure engines, assembled once per process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.citations import Meanings
from agent.ports import Clock, ImageStore, Localizer, Reasoner, Retriever
from agent.settings import Settings
from agent.thresholds import ThresholdStore
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
    meanings: Meanings
    thresholds: ThresholdStore
    initial_threshold: float
