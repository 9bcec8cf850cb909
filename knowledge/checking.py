"""What `fovea knowledge check` looks for beyond what makes the files unreadable: faults of content that a schema cannot see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from itertools import combinations

from knowledge.library import NAMES_PREFIX, Library
from knowledge.reading.text import content, tokens

LEAST_SUPPORT = 3
"""Findings a condition needs at the levels hallmark and common to be told from another (ours)."""


def faults(library: Library) -> Iterator[str]:
    """Every fault of a library that loads, in words: things said twice, findings nobody has, entries that say too little."""
    yield from _said_twice("condition", ((c.id, name) for c in library.conditions for name in (c.name, *c.synonyms)))
    yield from _said_twice("finding", ((f.id, phrase) for f in library.findings for phrase in (f.name, *f.phrases)), _kin(library))
    yield from _said_twice("statement", ((s.id, f"{s.document}: {s.text}") for s in library.statements))
    yield from (f"finding {name!r} is had by no condition, rule or other finding" for name in unused(library))
    for entry in library.findings:
        if (entry.kind == "imaging") != (entry.modality is not None):
            yield f"finding {entry.id!r} of kind {entry.kind!r} " + ("says no modality" if entry.modality is None else "has a modality")
    for condition in library.conditions:
        telling = [f for level in ("hallmark", "common") for f in condition.findings.get(level, ())]
        if len(telling) < LEAST_SUPPORT:
            yield f"condition {condition.id!r} has {len(telling)} hallmark and common findings, fewer than {LEAST_SUPPORT}"
        yield from (f"condition {condition.id!r} is told apart from itself" for d in condition.discriminators if d.against == condition.id)
    for conflict in library.conflicts:
        documents = [library.statement[s].document for s in conflict.statements]
        if len(set(documents)) < 2:
            yield f"conflict {conflict.id!r} is within one document"
    stated = {s.document for s in library.statements} | {r.document for r in library.rules}
    yield from (f"document {d.id!r} has no statement and no rule" for d in library.documents if d.id not in stated)


def unused(library: Library) -> tuple[str, ...]:
    """Findings that no condition, rule or other finding refers to."""
    used = {f for c in library.conditions for level in c.findings.values() for f in level}
    used |= {f for r in library.rules for w in r.when for f in (*w.all, *w.any, *w.none) if not f.startswith(NAMES_PREFIX)}
    used |= {f for entry in library.findings for f in entry.implies}
    return tuple(sorted(set(library.finding) - used))


def _said_twice(kind: str, names: Iterable[tuple[str, str]], kin: Set[tuple[str, str]] = frozenset()) -> Iterator[str]:
    """One wording for two entries, after the canonicalisation the reader matches by; word order counts, `kin` may share their words.

    Two phrases in double quotes are one wording only word for word: "poking eyes" is no "poked in the eye".
    """
    owners: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(dict)
    for owner, name in names:
        owners[content(name.strip('"'))].setdefault(owner, []).append(name)
    for by in owners.values():
        pairs = [pair for pair in combinations(by, 2) if pair not in kin and pair[::-1] not in kin]
        if any(_same(one, other) for a, b in pairs for one in by[a] for other in by[b]):
            yield f"{kind}s {' and '.join(repr(o) for o in by)} are both called {next(iter(by.values()))[0]!r}"


def _same(one: str, other: str) -> bool:
    """Whether two phrases of one content can match the same words: not where both are literal and their words differ."""
    literal = one.startswith('"') and other.startswith('"')
    return not literal or [t.stem for t in tokens(one)] == [t.stem for t in tokens(other)]


def _kin(library: Library) -> frozenset[tuple[str, str]]:
    """Pairs of findings of which one implies the other."""
    return frozenset((f.id, general) for f in library.findings for general in f.implies)
