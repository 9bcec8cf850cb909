"""From a disease written in any words to a condition of the atlas."""

from __future__ import annotations

from knowledge.library import Library
from knowledge.reading.matching import PhraseIndex, patterns
from knowledge.reading.text import tokens


class Terminology:
    """Resolves names and synonyms, tolerant of spelling, word order and surrounding words."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._index = PhraseIndex(patterns((c.id, name) for c in library.conditions for name in (c.name, *c.synonyms)))

    def resolve(self, text: str) -> tuple[str, str, str | None] | None:
        """(condition id, name, ICD-10-CM code) of the condition that the words name, the most specific one; None when none is named.

        Of equally specific conditions the one named first wins.
        """
        hits = sorted(self._index.find(tokens(text)), key=lambda h: (-h.size, h.first, h.last - h.first, h.name))
        if not hits:
            return None
        condition = self._library.condition[hits[0].name]
        return condition.id, condition.name, condition.icd10
