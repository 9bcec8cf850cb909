"""Follows the file `current` of an index directory: a process that runs for days serves the newest index, and never half of one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.errors import FoveaError
from agent.evidence import Evidence
from agent.ports import Scope
from knowledge.retrieval import index
from knowledge.retrieval.retriever import IndexRetriever

_LOG = logging.getLogger(__name__)


class FollowingRetriever:
    """The `Retriever` port over whichever index is current. One that cannot be opened, was built with another embedding model, or holds
    other knowledge files than this process reasons with is refused with a warning, once, and the old one keeps serving."""

    def __init__(self, opened: IndexRetriever, directory: Path, open_index: Callable[[Path], IndexRetriever]) -> None:
        """`opened`: what to begin with; `directory`: where `current` lies; `open_index`: opens another index directory."""
        self._serving = opened
        self._directory = directory
        self._open = open_index
        self._lock = threading.Lock()
        self._seen = self._stamp()

    @property
    def identity(self) -> str:
        return self._newest().identity

    def for_concepts(self, concept_ids: Sequence[str], passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        return self._newest().for_concepts(concept_ids, passages, scope)

    def search(self, query: str, passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        return self._newest().search(query, passages, scope)

    def passage(self, key: str) -> Evidence | None:
        return self._newest().passage(key)

    def nearest_findings(self, texts: Sequence[str], count: int = 3) -> list[list[tuple[str, str, float]]]:
        """As `IndexRetriever.nearest_findings`."""
        return self._newest().nearest_findings(texts, count)

    def nearest_profiles(self, texts: Sequence[str], count: int) -> list[dict[str, float]]:
        """As `IndexRetriever.nearest_profiles`."""
        return self._newest().nearest_profiles(texts, count)

    def _newest(self) -> IndexRetriever:
        if self._stamp() != self._seen:
            with self._lock:
                stamp = self._stamp()
                if stamp != self._seen:
                    self._seen = stamp
                    self._follow()
        return self._serving

    def _follow(self) -> None:
        target = index.current(self._directory)
        if target is None or target.name == self._serving.directory.name:
            return
        try:
            candidate = self._open(target)
        except FoveaError as error:
            _LOG.warning("%s; index %s keeps serving", error, self._serving.directory.name)
            return
        if candidate.about.library != self._serving.about.library:
            _LOG.warning(
                "index %s holds other knowledge files than this process started with: restart to use it; index %s keeps serving",
                target.name,
                self._serving.directory.name,
            )
            return
        self._serving = candidate

    def _stamp(self) -> tuple[int, int]:
        try:
            found = (self._directory / index.CURRENT).stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)
