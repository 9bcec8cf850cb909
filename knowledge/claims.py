"""The atlas, the lexicon and the drugs as the check of citations asks for them (`agent.citations.Meanings`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property, lru_cache

from knowledge import drugs
from knowledge.library import NAMES_PREFIX, Library
from knowledge.reading.matching import PhraseIndex
from knowledge.reading.narrative import patterns_of
from knowledge.reading.text import content, stem, tokens

CACHED = 4096
"""Texts whose subjects and drugs are kept; a passage is asked for once for every claim."""


class LibraryMeanings:
    """Meanings over one library, asked by every report of a process: what it was asked before is remembered."""

    def __init__(self, library: Library, phrases: PhraseIndex | None = None) -> None:
        """`phrases`: those of the library, where a reader has compiled them (`NarrativeReader.phrases`)."""
        self._library = library
        self._given = phrases
        self._drugs = drugs.formulary()
        self.subjects = lru_cache(CACHED)(self._subjects)
        self._names = lru_cache(CACHED)(self._named)
        self.drugs = lru_cache(CACHED)(self._drugs.find)

    @cached_property
    def _phrases(self) -> PhraseIndex:
        return self._given or PhraseIndex(patterns_of(self._library))

    @cached_property
    def _words(self) -> frozenset[str]:
        library = self._library
        texts = [s.text for s in library.statements]
        texts += [p for f in library.findings for p in (f.name, *f.phrases)]
        texts += [n for c in library.conditions for n in (c.name, *c.synonyms)]
        return frozenset(w for text in texts for w in re.findall(r"[a-z]+", text.lower())) | self._drugs.words()

    def stem(self, word: str) -> str:
        return stem(word)

    def _subjects(self, text: str) -> dict[str, frozenset[str]]:
        words = tokens(text)
        found: dict[str, frozenset[str]] = {}
        for hit in self._phrases.find(words):
            stems = frozenset(t.stem.removeprefix("&") for t in words[hit.first : hit.last + 1] if t.word[0].isalpha())
            name = hit.name.removeprefix(NAMES_PREFIX)
            found[name] = stems if name not in found else min(found[name], stems, key=len)
        return found

    def wider(self, ids: Iterable[str]) -> frozenset[str]:
        found: set[str] = set()
        waiting = list(ids)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            finding, condition = self._library.finding.get(name), self._library.condition.get(name)
            waiting += finding.implies if finding is not None else ()
            waiting += [condition.parent] if condition is not None and condition.parent else []
        return frozenset(found)

    def drug_classes(self, ids: Iterable[str]) -> frozenset[str]:
        return self._drugs.classes(ids)

    def names(self, concepts: Iterable[str]) -> frozenset[str]:
        return self._names(tuple(concepts))

    def _named(self, concepts: tuple[str, ...]) -> frozenset[str]:
        known = (self._library.condition.get(c) for c in concepts)
        return frozenset(s.lstrip("^") for c in known if c is not None for n in (c.name, *c.synonyms) for s in content(n))

    def known(self, word: str) -> bool:
        return word in self._words
