"""From a disease written in any words to a condition of the atlas."""

from __future__ import annotations

import re
from collections import Counter

from knowledge.library import Library
from knowledge.reading.matching import PhraseIndex, patterns
from knowledge.reading.text import tokens

CODE = re.compile(r"(?:ICD-?10(?:-CM)?|SNOMED(?: CT)?)?[\s:]*([A-Z]\d[\dA-Z](?:\.[\dA-Z]{1,4})?|\d{6,18})", re.IGNORECASE)
"""A code alone, or after the name of its system."""


class Terminology:
    """Resolves names and synonyms, tolerant of spelling, word order and surrounding words; also the codes of ICD-10-CM and SNOMED CT."""

    def __init__(self, library: Library) -> None:
        self._library = library
        coded = [(code, c.id) for c in library.conditions for code in (c.icd10, c.snomed.code if c.snomed else None) if code]
        shared = {code for code, count in Counter(code for code, _ in coded).items() if count > 1}
        self._codes = {code: condition for code, condition in coded if code not in shared}
        self._names = _own_names(library)
        self._index = PhraseIndex(patterns((c.id, name) for c in library.conditions for name in (c.name, *c.synonyms)))

    def named(self, text: str) -> tuple[str, str, str | None] | None:
        """The condition of which the words are, to the letter, a name; or of which they are a code that no other condition has."""
        code = CODE.fullmatch(text.strip())
        found = self._codes.get(code[1].upper()) if code else self._names.get(_plain(text))
        return self._told(found) if found is not None else None

    def resolve(self, text: str) -> tuple[str, str, str | None] | None:
        """(condition id, name, ICD-10-CM code) of the condition that the words name, the most specific one; None when none is named.

        Of equally specific conditions named among other words the one named first wins.
        """
        exact = self.named(text)
        if exact is not None:
            return exact
        hits = sorted(self._index.find(tokens(text)), key=lambda h: (-h.size, h.first, h.last - h.first, h.name))
        return self._told(hits[0].name) if hits else None

    def _told(self, condition_id: str) -> tuple[str, str, str | None]:
        condition = self._library.condition[condition_id]
        return condition.id, condition.name, condition.icd10


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _own_names(library: Library) -> dict[str, str]:
    """Every name and synonym that is one condition's alone; a name comes before another's synonym."""
    own = {_plain(c.name): c.id for c in library.conditions}
    synonyms = [(_plain(name), c.id) for c in library.conditions for name in c.synonyms]
    shared = {name for name, count in Counter(name for name, _ in set(synonyms)).items() if count > 1}
    return {**{name: condition for name, condition in synonyms if name not in shared}, **own}
