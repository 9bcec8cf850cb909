"""Drugs by whatever name a text gives them, and the classes they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from agent.errors import KnowledgeError
from knowledge.library import parsed
from knowledge.schema import Entry, Slug, Text

FILE = Path(__file__).parent / "drugs.yaml"
_WORD = re.compile(r"[^\W_]+")


class Drug(Entry):
    """A drug or a class of drugs. `within` are the classes that it belongs to."""

    id: Slug
    names: tuple[Text, ...]
    within: tuple[Slug, ...] = ()


class Formulary(Entry):
    """All drugs and classes; every id is unique and every class exists."""

    classes: tuple[Drug, ...]
    drugs: tuple[Drug, ...]


class Drugs:
    """Finds drugs in a text by whole words. Pure and thread-safe."""

    def __init__(self, formulary: Formulary) -> None:
        entries = (*formulary.classes, *formulary.drugs)
        self._within = {entry.id: entry.within for entry in entries}
        self._names: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for entry in entries:
            for name in entry.names:
                words = _words(name)
                self._names.setdefault(words[0], []).append((words, entry.id))
        for names in self._names.values():
            names.sort(key=lambda n: -len(n[0]))

    def find(self, text: str) -> frozenset[str]:
        """Ids of the drugs and classes named; the longest name at a place counts.

        >>> sorted(formulary().find("Eylea, or intravitreal triamcinolone"))
        ['aflibercept', 'triamcinolone']
        """
        words, at, found = _words(text), 0, set()
        while at < len(words):
            hit = next(((name, drug) for name, drug in self._names.get(words[at], ()) if words[at : at + len(name)] == name), None)
            if hit is not None:
                found.add(hit[1])
            at += len(hit[0]) if hit is not None else 1
        return frozenset(found)

    def classes(self, ids: Iterable[str]) -> frozenset[str]:
        """The ids with every class they belong to, directly or through another.

        >>> sorted(formulary().classes(["ofloxacin"]))
        ['antibiotic', 'ofloxacin', 'quinolone']
        """
        found: set[str] = set()
        waiting = list(ids)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self._within.get(name, ())
        return frozenset(found)

    def words(self) -> frozenset[str]:
        """Every word of a drug's name, in lower case."""
        return frozenset(word for names in self._names.values() for name, _ in names for word in name)


def load(path: Path = FILE) -> Formulary:
    """Reads and checks a formulary. Raises `KnowledgeError` with the file and what is wrong."""
    formulary = parsed(path, Formulary)
    entries = (*formulary.classes, *formulary.drugs)
    ids = [entry.id for entry in entries]
    classes = {entry.id for entry in formulary.classes}
    names = [_words(name) for entry in entries for name in entry.names]
    problems = (
        [f"{name!r} is defined twice" for name in {i for i in ids if ids.count(i) > 1}]
        + [f"{entry.id!r} is within unknown class {c!r}" for entry in entries for c in entry.within if c not in classes]
        + [f"the name {' '.join(name)!r} is given twice" for name in {n for n in names if names.count(n) > 1}]
    )
    if problems:
        raise KnowledgeError(f"{path}: {problems[0]}")
    return formulary


@cache
def formulary() -> Drugs:
    """The shipped list, read once."""
    return Drugs(load())


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(text))
