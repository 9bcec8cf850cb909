"""Assembles the ports from settings. Heavy parts are imported here, and only those that the settings ask for."""

from __future__ import annotations

import asyncio
import threading
from functools import cache
from pathlib import Path
from typing import Literal

from langgraph.runtime import Runtime

from agent.deps import Deps, SystemClock
from agent.ports import ImageStore, Localizer, Reasoner
from agent.settings import Settings, load_settings
from agent.thresholds import ThresholdStore
from knowledge.claims import LibraryMeanings
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader
from knowledge.redflags import RedFlags
from knowledge.retrieval import index
from knowledge.retrieval.following import FollowingRetriever
from knowledge.retrieval.opening import open_knowledge

ReasonerKind = Literal["atlas", "vllm"]
_BUILDING = threading.Lock()
ATLAS_INITIAL_THRESHOLD = 1.0
"""Nats of differential entropy at which the atlas starts to think deeper; see evals/README.md for how it was chosen."""


def build(settings: Settings | None = None, reasoner: ReasonerKind = "atlas", *, localizer: Localizer | None = None) -> Deps:
    """All ports, ready to walk cases. Builds the knowledge index when it is missing or out of date.

    Raises `SettingsError`, `KnowledgeError` or `LocalizerError` with what to do.
    """
    settings = settings or load_settings()
    knowledge = open_knowledge(settings)
    retriever = knowledge.retriever
    library = index.load_library(knowledge.directory)
    reader = NarrativeReader(library, index.load_patterns(knowledge.directory))
    images = _images(settings)
    thinker, initial = _reasoner(reasoner, settings, library, reader, retriever, images)
    return Deps(
        settings=settings,
        clock=SystemClock(),
        images=images,
        localizer=localizer or _localizer(settings),
        retriever=retriever,
        reasoner=thinker,
        library=library,
        reader=reader,
        red_flags=RedFlags(library),
        meanings=LibraryMeanings(library, reader.phrases),
        thresholds=ThresholdStore(settings.dial, settings.data_directory / "thresholds.sqlite"),
        initial_threshold=settings.dial.initial_threshold if settings.dial.initial_threshold is not None else initial,
    )


async def deps_of(runtime: Runtime[Deps]) -> Deps:
    """The run's own context; LangGraph's development server gives none, then one built from the environment, once per process."""
    return runtime.context if isinstance(runtime.context, Deps) else await asyncio.to_thread(_default)


def _default() -> Deps:
    with _BUILDING:
        return _built_once()


@cache
def _built_once() -> Deps:
    return build()


def _images(settings: Settings) -> ImageStore:
    from tools.images import DiskImageStore, MemoryImageStore

    if settings.intake.image_directory is None:
        return MemoryImageStore(settings.intake)
    return DiskImageStore(Path(settings.intake.image_directory), settings.intake)


def _localizer(settings: Settings) -> Localizer:
    from tools.localizer.opening import open_localizer

    return open_localizer(settings.localizer.implementation, settings.localizer.weights, settings.localizer.threads)


def _reasoner(
    kind: ReasonerKind, settings: Settings, library: Library, reader: NarrativeReader, retriever: FollowingRetriever, images: ImageStore
) -> tuple[Reasoner, float]:
    if kind == "atlas":
        from agent.reasoners.atlas import AtlasReasoner

        return AtlasReasoner(library, reader, retriever.nearest_findings, retriever.nearest_profiles), ATLAS_INITIAL_THRESHOLD
    from agent.reasoners.profile import load_profile
    from agent.reasoners.vllm import VllmReasoner
    from knowledge.terminology import Terminology

    profile = load_profile(settings.vllm.profile)
    return VllmReasoner(settings.vllm, images, Terminology(library), settings.dial.agreement), profile.initial_threshold
