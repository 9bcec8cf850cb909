"""What the second gate must be told of medicine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Meanings(Protocol):
    """The atlas, the lexicon and the drugs, as far as a citation needs them. Callable from any thread; every answer is pure."""

    def __hash__(self) -> int: ...

    def stem(self, word: str) -> str:
        """The canonical stem of a lower-case word: one spelling, one word for synonyms."""
        ...

    def subjects(self, text: str) -> dict[str, frozenset[str]]:
        """Findings and conditions that the text names, by id, with the stems that name them."""
        ...

    def wider(self, ids: Iterable[str]) -> frozenset[str]:
        """The ids, with everything that is true whenever they are: implied findings, parent conditions, a condition named."""
        ...

    def drugs(self, text: str) -> frozenset[str]:
        """Drugs and drug classes that the text names, by id."""
        ...

    def drug_classes(self, ids: Iterable[str]) -> frozenset[str]:
        """The ids, with every class they belong to."""
        ...

    def names(self, concepts: Iterable[str]) -> frozenset[str]:
        """The stems of the names and synonyms of conditions. Unknown ids name nothing."""
        ...

    def known(self, word: str) -> bool:
        """Whether a lower-case word is in use in the knowledge: then it is no slip of the pen for another."""
        ...
