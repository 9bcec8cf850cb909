"""The first gate: whether a quote stands in a passage.

Exact: the same words in the same order, whole words only; punctuation, case, and characters that only look different do not count.
Near: a few words differ in ways that change no meaning - an article or a form of "to be" or "to have" dropped or added, an inflection,
British for American spelling, a word written together or apart, a number as a word, one slip of the pen in a word that means nothing
else. Every number, unit, comparator, negation, exception, direction, drug and name must stand as it is. An ellipsis may leave out plain
words of one sentence, nothing on which a meaning turns. Parts that each stand in the passage but not together are a frankenquote.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from agent.citations import vocabulary as v
from agent.citations.differences import described, differences, tolerable
from agent.citations.meanings import Meanings
from agent.citations.words import Word, forms, is_number, words

MIN_CHARACTERS, MIN_WORDS = 12, 3
"""A shorter quote proves nothing: its words stand in many passages."""
MAX_CHARACTERS = 4000
"""A longer quote is no quotation; it is not looked at, so that nobody can keep the check busy."""
MIN_PART = 3
"""Words that a part of a quote must have to count as taken from somewhere."""
NEAR = 0.9
"""Similarity from which a near quote can be supported. On the development half every value from 0.7 to 0.95 gives the same verdicts: what
may differ is decided word by word, and this only ends the list of differences (evals/citation_thresholds.py)."""
ALIKE = 0.5
"""Share of a quote's words that must stand in a passage somewhere for the two to be aligned at all."""
DRIFT, FREQUENT = 3, 12
"""Words by which the differences of a near quote may shift what follows, and occurrences of a word that are looked at."""
_JOINING = frozenset(("to", "and", "by", "should"))
"""Words that an ellipsis may leave out with what they join, although no near quote may change them."""
_ELLIPSIS = re.compile(r"[\[(]?\s?(?:\.\s?\.\s?\.|\u2026)+\s?[\])]?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a quote stands: word positions `first` to `last` (exclusive) in the passage, and how near it comes, 0 to 1."""

    first: int
    last: int
    similarity: float
    changed: str = ""


def too_short(quote: str) -> bool:
    return len(quote.strip()) < MIN_CHARACTERS or len(words(quote)) < MIN_WORDS


def holds(quote: str, passage: str) -> bool:
    """Whether the quotation stands word for word in the passage, whole words only.

    >>> holds("within 1 day", "Refer within 1  day.")
    True
    >>> holds("ithin 1 day", "Refer within 1 day.")
    False
    """
    return len(quote) <= MAX_CHARACTERS and not too_short(quote) and exact(forms(quote), forms(passage)) is not None


def exact(quote: Sequence[str], passage: Sequence[str], start: int = 0) -> Place | None:
    """The first place from word `start` at which all words of the quote stand in order."""
    size = len(quote)
    if not size or size > len(passage) - start:
        return None
    first = quote[0]
    for at in range(start, len(passage) - size + 1):
        if passage[at] == first and tuple(passage[at : at + size]) == tuple(quote):
            return Place(at, at + size, 1.0)
    return None


def parts_of(quote: str) -> list[str]:
    """The parts of a quote between its ellipses; one at the start or the end only says that the sentence goes on."""
    return [part for part in (piece.strip() for piece in _ELLIPSIS.split(quote)) if words(part)]


def shortened(parts: Sequence[str], passage: str) -> tuple[Place | None, str]:
    """The place of a quote with ellipses, or None and why not. Parts of at least `MIN_PART` words, in order, in one sentence; what is left
    out holds no number, no capitalised name, and no word on which a meaning turns."""
    told = words(passage)
    hay = forms(passage)
    at, first = 0, None
    for part in parts:
        found = exact(forms(part), hay, at) if len(words(part)) >= MIN_PART else None
        if found is None:
            return None, "the parts around its ellipsis do not stand in the passage in this order"
        if first is not None:
            gap = told[at : found.first]
            if told[at - 1].sentence != told[found.first].sentence:
                return None, "its ellipsis joins two sentences"
            turning = next((w.raw for w in gap if _turns(w)), None)
            if turning is not None:
                return None, f"its ellipsis leaves out {turning!r}"
        first = found.first if first is None else first
        at = found.last
    assert first is not None
    return Place(first, at, 1.0), ""


def near(quote: str, passage: str, meanings: Meanings | None = None) -> tuple[Place | None, float, str]:
    """The nearest place of a quote that does not stand exactly, its similarity (0 to 1), and the first difference that matters ('': none).

    The place is None where nothing comes near, or where a difference matters.
    """
    mine, told = words(quote), words(passage)
    window = _window(mine, told)
    if window is None:
        return None, 0.0, ""
    start, end = window
    left, right = [w.form for w in mine], [w.form for w in told[start:end]]
    blocks = differences(left, right)
    if blocks and blocks[0][:3] == (0, 0, 0):  # words of the passage before and after the quote are no difference
        start += blocks[0][3]
        blocks = blocks[1:]
    if blocks and blocks[-1][0] == len(left):
        end -= blocks[-1][3] - blocks[-1][2]
        blocks = blocks[:-1]
    similarity = float(Levenshtein.normalized_similarity(" ".join(left), " ".join(w.form for w in told[start:end])))
    for first, last, there_first, there_last in blocks:
        here, there = mine[first:last], told[window[0] + there_first : window[0] + there_last]
        if not tolerable(here, there, meanings):
            return None, similarity, described(here, there)
    return (Place(start, end, similarity) if similarity >= NEAR else None), similarity, ""


def stitched(quote: Sequence[str], passages: Sequence[Sequence[str]]) -> bool:
    """Whether all words of the quote come from two or more places of the passages, each part with at least `MIN_PART` words."""
    known = [_runs(tuple(passage)) for passage in passages]
    at, parts = 0, 0
    while at < len(quote):
        longest = max((_longest(quote, at, runs, passage) for runs, passage in zip(known, passages, strict=True)), default=0)
        if longest < MIN_PART:
            return False
        at, parts = at + longest, parts + 1
        if 0 < len(quote) - at < MIN_PART:  # a remainder too short alone may share words with the part before it
            at = len(quote) - MIN_PART
    return parts > 1


def _turns(word: Word) -> bool:
    turning = word.form in v.PROTECTED and word.form not in _JOINING
    return turning or is_number(word.form) or word.raw[0].isupper() or not word.form[0].isalpha()


def _window(quote: Sequence[Word], passage: Sequence[Word]) -> tuple[int, int] | None:
    """The words of the passage that come nearest to the quote, as positions: where most of its words stand at one distance."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, word in enumerate(passage):
        places[word.form].append(at)
    shared = sum(word.form in places for word in quote)
    if shared < ALIKE * len(quote) or not shared:
        return None
    shifts = Counter(at - start for start, word in enumerate(quote) for at in places.get(word.form, ())[:FREQUENT])
    best = max(shifts, key=lambda shift: (sum(shifts[shift + near] for near in range(-DRIFT, DRIFT + 1)), -abs(shift)))
    slack = DRIFT + len(quote) // 10
    return max(0, best - slack), min(len(passage), best + len(quote) + slack)


@lru_cache(maxsize=1024)
def _runs(passage: tuple[str, ...]) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Where each run of `MIN_PART` words starts in a passage."""
    places: dict[tuple[str, ...], tuple[int, ...]] = {}
    for at in range(len(passage) - MIN_PART + 1):
        run = passage[at : at + MIN_PART]
        places[run] = (*places.get(run, ()), at)
    return places


def _longest(quote: Sequence[str], at: int, runs: dict[tuple[str, ...], tuple[int, ...]], passage: Sequence[str]) -> int:
    best = 0
    for start in runs.get(tuple(quote[at : at + MIN_PART]), ()):
        size = MIN_PART
        while at + size < len(quote) and start + size < len(passage) and quote[at + size] == passage[start + size]:
            size += 1
        best = max(best, size)
    return best
