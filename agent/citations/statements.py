"""A claim or a quote as the second gate reads it, and the words of it that tell something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.citations import vocabulary as v
from agent.citations.polarity import negative, polarities
from agent.citations.words import Word

REACH = 6
"""Words to either side within which one word speaks of another."""
COPIED = 6
"""Words in a row that a claim has in common with its quote from which they say the same as there."""
_PLAIN = v.EMPTY | v.LINKS | set(v.UNITS)
POLES: dict[str, list[tuple[str, int]]] = defaultdict(list)
for _axis, _poles in v.AXES.items():
    for _pole, _words in enumerate(_poles):
        for _word in _words.split():
            POLES[_word].append((_axis, _pole))
"""For each word that names a pole of some axes of `vocabulary.AXES`, those axes and the poles."""


@dataclass(frozen=True)
class Text:
    """A text as the second gate sees it: its words, the stem of each, whether each is denied, and which it has copied from the other."""

    words: tuple[Word, ...]
    stems: tuple[str, ...]
    polarity: tuple[str, ...]
    copied: frozenset[int] = frozenset()

    @classmethod
    def of(cls, words: Sequence[Word], stems: Sequence[str], source: Sequence[Word] = ()) -> Text:
        """`source` is the text that runs of `COPIED` words may be copied from."""
        mine, theirs = [w.form for w in words], [w.form for w in source]
        known = {tuple(theirs[at : at + COPIED]) for at in range(len(theirs) - COPIED + 1)}
        runs = [at for at in range(len(mine) - COPIED + 1) if tuple(mine[at : at + COPIED]) in known] if known else []
        copied = frozenset(place for at in runs for place in range(at, at + COPIED))
        return cls(tuple(words), tuple(stems), tuple(polarities(words)), copied)

    @cached_property
    def forms(self) -> set[str]:
        return {w.form for w in self.words}


def tells(word: Word) -> bool:
    """Whether a word has a subject of its own: no link, unit, negation or word that any guideline uses."""
    return word.form not in _PLAIN and word.form[0].isalpha() and not negative(word.form)
