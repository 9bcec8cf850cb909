"""What goes into an index: the library compiled, every passage with its words and its vector, and the passages of each condition, ranked."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import KnowledgeError
from agent.evidence import Evidence
from knowledge.differential.likeness import profile
from knowledge.library import Library
from knowledge.reading.matching import PhraseIndex, patterns
from knowledge.reading.narrative import patterns_of
from knowledge.reading.text import tokens
from knowledge.retrieval import dense, shelf
from knowledge.retrieval.embedding import Embedder
from knowledge.retrieval.passages import KINDS, lexical_text, statement_evidence
from knowledge.schema import Condition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIBRARY, PATTERNS, PASSAGES, CHROMA = "library.json", "patterns.json", "passages.sqlite", "chroma"
EMBEDDED_PHRASES = 3


@dataclass(frozen=True)
class Built:
    """The dense half, still to be written, and how many passages there are."""

    vectors: dense.Collections
    passages: int


def build(scratch: Path, library: Library, own: Sequence[Evidence], embedder: Embedder) -> Built:
    """Writes everything but the vectors into `scratch`. Raises `KnowledgeError` when two passages have one key."""
    passages = [*(statement_evidence(library, s) for s in library.statements), *_with_concepts(library, own)]
    twice = [key for key, n in Counter(p.key for p in passages).items() if n > 1]
    if twice:
        raise KnowledgeError(f"two statements say the same in one document: {twice[0]!r}")
    (scratch / LIBRARY).write_bytes(library.model_dump_json().encode())
    (scratch / PATTERNS).write_text(json.dumps(patterns_of(library)))
    vectors = embedder.embed([_in_context(p) for p in passages])
    queries = embedder.embed([f"{c.name}: {c.description}" for c in library.conditions])
    texts = list(finding_texts(library))
    shelf.write(
        scratch / PASSAGES,
        [(p, lexical_text(f"{_in_context(p)} {p.source.title} {' '.join(_names(library, p.concepts))}")) for p in passages],
        {c.id: view for c, view in zip(library.conditions, _views(library, passages, vectors, queries), strict=True)},
        texts,
    )
    numbers = [str(n) for n in range(len(texts))]
    collections: dense.Collections = {
        dense.STATEMENTS: ([p.key for p in passages], vectors),
        dense.FINDINGS: (numbers, embedder.embed([text for _, text in texts])),
        dense.PROFILES: ([c.id for c in library.conditions], embedder.embed([profile(library, c) for c in library.conditions])),
    }
    return Built(collections, len(passages))


def write_dense(scratch: Path, built: Built) -> None:
    """The vectors into a Chroma directory of the index itself."""
    dense.write_directory(scratch / CHROMA, built.vectors)


def finding_texts(library: Library) -> Iterator[tuple[str, str]]:
    """Ids and texts of findings as they are embedded for a second reading: the name, and the first plain phrases."""
    for entry in library.findings:
        for text in (entry.name, *[p for p in entry.phrases if not p.strip().startswith('"')][:EMBEDDED_PHRASES]):
            yield entry.id, text


def _with_concepts(library: Library, own: Sequence[Evidence]) -> Iterator[Evidence]:
    """The user's passages with the conditions that they, or the headings they stand under, name."""
    names = PhraseIndex(patterns((c.id, f'"{name}"') for c in library.conditions for name in (c.name, *c.synonyms)))
    for passage in own:
        hits = list(names.find(tokens(f"{passage.source.section}. {passage.text}")))
        covered = [h for h in hits if any(o.first <= h.first and h.last <= o.last and o.size > h.size for o in hits)]
        yield passage.model_copy(update={"concepts": tuple(dict.fromkeys(h.name for h in hits if h not in covered))})


def _views(
    library: Library, passages: Sequence[Evidence], vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> Iterator[list[int]]:
    """Per condition the numbers of its passages, best first; a disputed one brings what disputes it along."""
    about: dict[str, list[int]] = defaultdict(list)
    for number, passage in enumerate(passages):
        for concept in passage.concepts:
            about[concept].append(number)
    number_of = {passage.key: number for number, passage in enumerate(passages)}
    for condition, query in zip(library.conditions, queries, strict=True):
        ranked = _view(condition, about, passages, vectors, query)
        beside = [m for n in ranked for m in (n, *(number_of[key] for key in passages[n].disputes))]
        yield list(dict.fromkeys(beside))


def _view(
    condition: Condition, about: dict[str, list[int]], passages: Sequence[Evidence], vectors: NDArray[np.float32], query: NDArray[np.float32]
) -> list[int]:
    """Nearest first within each kind, the kinds taken in turn; the parent's passages follow. What is replaced takes no turn: it stands last."""
    ranked: list[int] = []
    for concept in (condition.id, condition.parent or ""):
        own = sorted((n for n in about.get(concept, ()) if n not in ranked), key=lambda n: -float(vectors[n] @ query))
        kinds = [[n for n in own if passages[n].kind == kind and not passages[n].outdated] for kind in KINDS]
        ranked += [n for turn in zip_longest(*kinds) for n in turn if n is not None]
        ranked += [n for n in own if passages[n].outdated]
    return ranked


def _in_context(passage: Evidence) -> str:
    """A statement speaks for itself; a passage of a document is little without its title and the headings above it."""
    if passage.locator is None:
        return passage.text
    return f"{': '.join(part for part in (passage.source.title, passage.source.section) if part)}\n{passage.text}"


def _names(library: Library, concepts: Sequence[str]) -> list[str]:
    return [name for c in concepts for name in (library.condition[c].name, *library.condition[c].synonyms)]
