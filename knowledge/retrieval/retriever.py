"""Retrieval over one built index: by condition without a model, or by free text with dense and lexical search fused with what the
question is read to be about.

Strictly read-only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import KnowledgeError, SettingsError
from agent.evidence import Evidence
from agent.ports import Scope
from knowledge.reading.narrative import NarrativeReader
from knowledge.retrieval import building, dense, index
from knowledge.retrieval.asking import Asked, QuestionReader
from knowledge.retrieval.embedding import Embedder
from knowledge.retrieval.jurisdictions import known
from knowledge.retrieval.shelf import Shelf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEXICAL, DENSE, CONDITION, KIND = 1.0, 3.0, 2.0, 0.3
"""Weights of a passage's BM25 score (as a share of the best one's), its cosine similarity, the square root of the chance of its likeliest
condition given the question, and the match of its kind. A convex combination after Bruch et al., ACM TOIS 2023; chosen in coarse steps on
the development half of evals/data/retrieval_questions.yaml, where it beat reciprocal rank fusion."""
LIKELY = 0.1
ABOUT = 20
"""Passages that join the candidates because the question describes their condition with more than this chance, at most so many."""
CANDIDATES = 30
WIDER = 10
"""How many times more candidates are looked at once a scope has emptied the first ones."""


def _today() -> date:
    return datetime.now(UTC).date()


class IndexRetriever:
    """The `Retriever` port over one index directory. Chroma and the embedding model are opened at the first free-text search.

    Raises `KnowledgeError` when the index is damaged or was built with another embedding model, `SettingsError` when the scope names a
    jurisdiction that no document could have.
    """

    def __init__(
        self,
        directory: Path,
        embedder: Embedder,
        scope: Scope | None = None,
        *,
        server: str | None = None,
        today: Callable[[], date] = _today,
    ) -> None:
        self.directory = directory
        self._embedder = embedder
        self._scope = scope or Scope()
        self._today = today
        self.about = index.about(directory)
        if self.about.embedding_model != embedder.name:
            raise KnowledgeError(
                f"{directory} was built with the embedding model {self.about.embedding_model}, and this process uses {embedder.name}: "
                f"run `fovea knowledge build`"
            )
        index.content(directory, building.PASSAGES)
        self._shelf = Shelf(directory / building.PASSAGES)
        self._dense: dense.DenseIndex = (
            dense.ServerDense(server, directory.name)
            if server
            else dense.DirectoryDense(directory / building.CHROMA, lambda copy: index.check_dense(directory, copy))
        )
        self._checked(self._scope)

    @property
    def identity(self) -> str:
        return f"{self.directory.name} with {self._embedder.name}"

    @property
    def size(self) -> int:
        """Passages, those out of date among them."""
        return self._shelf.count()


    def for_concepts(self, concept_ids: Sequence[str], passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        scope = self._checked(scope)
        found: dict[str, Evidence] = {}
        for concept in concept_ids:
            for rank, passage in enumerate(self._shelf.of_concept(concept, passages, scope, self._today())):
                for beside in (passage, *self._shelf.passages(passage.disputes, scope, self._today()).values()):
                    found.setdefault(beside.key, beside.model_copy(update={"score": 1 / (1 + rank)}))
        return tuple(found.values())

    def search(self, query: str, passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        if not query.strip() or passages < 1:
            return ()
        scope = self._checked(scope)
        asked = self._questions.read(query)
        lexical = dict(self._shelf.lexical(" ".join((query, *asked.names)), max(CANDIDATES, passages), scope, self._today()))
        vector = self._embedder.embed([query])
        near = self._near(vector, max(CANDIDATES, passages), scope)
        pool = {evidence.key: evidence for evidence in (*near.values(), *self._about(asked, scope))}
        pool |= self._shelf.passages([key for key in lexical if key not in pool], scope, self._today())
        similarity = self._dense.similarities(dense.STATEMENTS, vector[0], list(pool))
        top = max(lexical.values(), default=1.0)
        scores = {
            key: LEXICAL * lexical.get(key, 0.0) / top + DENSE * similarity.get(key, 0.0) + self._fit(asked, evidence)
            for key, evidence in pool.items()
        }
        best = sorted(pool, key=lambda key: (-scores[key], key))[:passages]
        return tuple(pool[key].model_copy(update={"score": scores[key]}) for key in best)

    def _checked(self, scope: Scope | None) -> Scope:
        """The scope that holds. Raises `SettingsError` for a jurisdiction that means nothing here."""
        asked = scope or self._scope
        possible = known(self._shelf.jurisdictions)
        for place in asked.jurisdictions:
            if place not in possible:
                raise SettingsError(f"jurisdiction {place!r} is unknown: one of {', '.join(possible)}")
        return asked

    def passage(self, key: str) -> Evidence | None:
        return self._shelf.passage(key, self._today())

    def dense(self, query: str, scope: Scope | None = None) -> list[str]:
        """Passage keys by cosine similarity, nearest first, within the scope.

        Candidates are filtered after the search: a filter inside Chroma makes a query of 1 ms one of 100 at 100,000 passages.
        """
        return list(self._near(self._embedder.embed([query]), CANDIDATES, self._checked(scope)))

    def _near(self, vectors: NDArray[np.float32], wanted: int, scope: Scope) -> dict[str, Evidence]:
        """The nearest passages within the scope, nearest first."""
        within: dict[str, Evidence] = {}
        for count in (wanted, wanted * WIDER):
            nearest = [key for key, _ in self._dense.nearest(dense.STATEMENTS, vectors, count)[0]]
            kept = self._shelf.passages(nearest, scope, self._today())
            within = {key: kept[key] for key in nearest if key in kept}
            if len(within) >= wanted or len(nearest) < count:
                break
        return dict(list(within.items())[:wanted])

    def _about(self, asked: Asked, scope: Scope) -> list[Evidence]:
        """Passages about what the question describes, whatever words it uses."""
        likely = sorted((c for c, chance in asked.chances.items() if chance > LIKELY), key=lambda c: -asked.chances[c])
        found = [e for concept in likely for e in self._shelf.of_concept(concept, ABOUT, scope, self._today())]
        return found[:ABOUT]

    def _fit(self, asked: Asked, evidence: Evidence) -> float:
        """How well a passage's conditions and kind fit the question."""
        chance = max((asked.chances.get(concept, 0.0) for concept in evidence.concepts), default=0.0)
        return CONDITION * math.sqrt(chance) + KIND * asked.kind_share(evidence.kind)

    @cached_property
    def _questions(self) -> QuestionReader:
        library = index.load_library(self.directory)
        return QuestionReader(library, NarrativeReader(library, index.load_patterns(self.directory)))

    def lexical(self, query: str, scope: Scope | None = None) -> list[str]:
        """Passage keys by BM25, best first, within the scope."""
        return [key for key, _ in self._shelf.lexical(query, CANDIDATES, scope or self._scope, self._today())]

    def nearest_findings(self, texts: Sequence[str], count: int = 3) -> list[list[tuple[str, str, float]]]:
        """For each text the nearest lexicon phrases as (finding id, phrase, cosine similarity): a reading beyond the exact words."""
        if not texts:
            return []
        rows = self._dense.nearest(dense.FINDINGS, self._embedder.embed(texts), count)
        phrases = self._shelf.finding_texts(sorted({int(number) for row in rows for number, _ in row}))
        return [[(*phrases[int(number)], similarity) for number, similarity in row] for row in rows]

    def nearest_profiles(self, texts: Sequence[str], count: int) -> list[dict[str, float]]:
        """For each text the `count` conditions whose profiles are nearest, by cosine similarity."""
        if not texts:
            return []
        return [dict(row) for row in self._dense.nearest(dense.PROFILES, self._embedder.embed(texts), count)]
