"""Numbers with their units and comparators, as a claim and its quote state them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.citations import vocabulary as v
from agent.citations.words import Word, is_number

_BEFORE = {phrase: name for name, phrases in v.COMPARATORS.items() for phrase in phrases if not phrase.startswith(("or ", "and "))}
_AFTER = {phrase: name for name, phrases in v.COMPARATORS.items() for phrase in phrases if phrase.startswith(("or ", "and "))}
_COUNTING = frozenset("least most within than under over above below after before".split())
"""Words after which "one" is a number."""
_MARKS = frozenset(("and", "or", "but", "whereas")) | v.CONDITIONS
_ONE_OF = frozenset(("to", "or", "and"))


@dataclass(frozen=True, slots=True)
class Amount:
    """A number: `value` as written or in the smallest unit of its `dimension`, its comparator, and the
    word position it stands at. A range is one amount, from the number at `at` to the number at `last`."""

    value: str
    dimension: str
    comparator: str
    at: int
    last: int

    @property
    def same(self) -> tuple[str, str]:
        return self.value, self.dimension


def amounts(words: Sequence[Word]) -> list[Amount]:
    """All numbers of a text, in order. "a year" is one year; "6 to 12 months" is one amount of months.

    >>> from agent.citations.words import words
    >>> [(a.value, a.dimension, a.comparator) for a in amounts(words("at least 24 mmHg within two weeks, 14 days or less"))]
    [('24', 'pressure', 'ge'), ('336', 'time', 'le'), ('336', 'time', 'le')]
    """
    found: list[Amount] = []
    for at in range(len(words)):
        value = _value(words, at)
        if value is None or (found and found[-1].last == at):
            continue
        unit, after, special = _unit(words, at)
        upper = _value(words, at + 2) if at + 2 < len(words) and words[at + 1].form == "to" else None
        dimension, factor = v.UNITS.get(unit, (unit, 1.0))
        ends = [_scaled(end, factor) if unit in v.UNITS else end for end in (value, upper) if end is not None]
        last = at if upper is None else at + 2
        found.append(Amount(" to ".join(ends), dimension + special, _comparator(words, at, after), at, last))
    return found


def comparable(claim: str, quote: str) -> bool:
    """Whether a claim with one comparator may lean on a quote with another. Nothing stands for "about"; "in" stands for "within"."""
    return claim == quote or (claim, quote) in {("", "about"), ("in", "le"), ("", "in"), ("in", ""), ("for", ""), ("", "for")}


def stretches(words: Sequence[Word], found: Sequence[Amount]) -> list[range]:
    """For each of some amounts, in order, the words that speak of it: up to the last "and", "or", "if" or
    comma before the next amount, else half-way."""
    cuts = [0]
    for one, other in pairwise(found):
        between = range(one.last + 1, other.at + 1)
        marks = [p for p in between if words[p].form in _MARKS or words[p].clause != words[p - 1].clause]
        cuts.append(marks[-1] if marks else (one.last + 1 + other.at) // 2)
    cuts.append(len(words))
    return [range(start, end) for start, end in pairwise(cuts)]


def _value(words: Sequence[Word], at: int) -> str | None:
    form = words[at].form
    if is_number(form):
        return form
    following = words[at + 1].form if at + 1 < len(words) else ""
    if form in v.NUMBER_WORDS:
        counted = (at > 0 and words[at - 1].form in _COUNTING) or following in v.UNITS or following in _ONE_OF or following in v.KINDS_OF_DAY
        return v.NUMBER_WORDS[form] if form != "one" or counted else None
    if form in ("a", "an", "every", "each", "per") and following in v.UNITS and len(following) > 2:
        return "1"
    return None


def _unit(words: Sequence[Word], at: int) -> tuple[str, int, str]:
    """The unit's form, the position after it, and what kind of days they are; a range shares the unit of its end."""
    place = at + 1
    if place < len(words) and words[place].form in _ONE_OF and place + 1 < len(words) and _value(words, place + 1) is not None:
        return _unit(words, place + 1)
    special = ""
    if place < len(words) and words[place].form in v.KINDS_OF_DAY:
        special, place = f" ({words[place].form})", place + 1
    if place < len(words) and words[place].form in v.UNITS:
        return words[place].form, place + 1, special
    return "", at + 1, special


def _scaled(value: str, factor: float) -> str:
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?\+?", value):
        return f"{value} x {factor:g}"
    return f"{float(value.rstrip('+')) * factor:g}{'+' if value.endswith('+') else ''}"


def _comparator(words: Sequence[Word], at: int, after: int) -> str:
    following = " ".join(w.form for w in words[after : after + 2])
    if following in _AFTER and words[after].clause == words[at].clause:
        return _AFTER[following]
    if at >= 2 and words[at - 1].form in _ONE_OF and _value(words, at - 2) is not None:
        return _comparator(words, at - 2, at)
    if words[at].form in ("every", "each", "per"):
        return "every"
    for size in (3, 2, 1):
        phrase = " ".join(w.form for w in words[max(0, at - size) : at])
        if phrase in _BEFORE:
            return _BEFORE[phrase]
    return ""
