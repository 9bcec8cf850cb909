"""Finds the phrases of a lexicon in a sentence: all words of a phrase, in any order, close together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from knowledge.reading.text import STOP, Token, content, offered, required, tokens

SLACK = 3
"""Other words that may stand between the words of a phrase of four words or more."""
SHORT_SLACK = 2
"""The same for two and three words in their order; one less when they stand in another order, and one across a comma (ours)."""
_SIDES = frozenset("right left both bilateral od os ou re le".split())
_SWAYING = frozenset("improvement relief change response reduction better severe intense more longer further worse worsening".split())
"""Words after which a "no" speaks of the course, not of the thing: "no improvement in pain" is no absence of pain."""
_NEGATIONS = frozenset(("no", "not", "without", "never", "non", "nor"))
_BREAKS = frozenset((".", ";", ":", "but", "however", "although"))


@dataclass(frozen=True, slots=True)
class Hit:
    """Phrase of `name` found at tokens `first` to `last` (inclusive). `negative`: the phrase itself says no ("no pain")."""

    name: str
    first: int
    last: int
    size: int
    negative: bool = False


class Pattern(NamedTuple):
    """A phrase as it is matched: the stems it requires, and whether they must stand word for word in order."""

    name: str
    stems: tuple[str, ...]
    literal: bool

    @property
    def negative(self) -> bool:
        return not _NEGATIONS.isdisjoint(self.stems)


def patterns(phrases: Iterable[tuple[str, str]]) -> list[Pattern]:
    """Phrases by name, compiled. A phrase in double quotes must stand word for word; others match canonically in any order."""
    return sorted({_pattern(name, phrase) for name, phrase in phrases})


class PhraseIndex:
    """Finds any of thousands of patterns in a sentence by their rarest word."""

    def __init__(self, compiled: Iterable[Pattern]) -> None:
        kept = [pattern for pattern in compiled if pattern.stems]
        frequency = Counter(s for p in kept for s in set(p.stems))
        self._by_key: dict[str, list[Pattern]] = defaultdict(list)
        for pattern in kept:
            self._by_key[min(pattern.stems, key=lambda s: (frequency[s], s))].append(pattern)

    def find(self, words: Sequence[Token]) -> Iterator[Hit]:
        """Every hit in a sentence, the tightest window of each pattern at each place of its rarest word."""
        places: dict[str, list[int]] = defaultdict(list)
        for position, token in enumerate(words):
            for form in offered(token):
                places[form].append(position)
        for stem, anchors in list(places.items()):
            for pattern in self._by_key.get(stem, ()):
                if not places.keys() >= set(pattern.stems):  # most patterns miss a word
                    continue
                for anchor in anchors:
                    hit = _literal(pattern, words, anchor, stem) if pattern.literal else _window(pattern, words, places, anchor)
                    if hit is not None:
                        yield hit


def _pattern(name: str, phrase: str) -> Pattern:
    quoted = re.fullmatch(r'\s*"(.+)"\s*', phrase)
    if quoted:
        return Pattern(name, tuple(required(t) for t in tokens(quoted.group(1))), literal=True)
    return Pattern(name, content(phrase), literal=False)


def _literal(pattern: Pattern, words: Sequence[Token], anchor: int, stem: str) -> Hit | None:
    start = anchor - pattern.stems.index(stem)
    found = words[max(start, 0) : start + len(pattern.stems)]
    if start < 0 or len(found) < len(pattern.stems):
        return None
    same = all(wanted in offered(token) for wanted, token in zip(pattern.stems, found, strict=True))
    return Hit(pattern.name, start, start + len(pattern.stems) - 1, len(pattern.stems), pattern.negative) if same else None


def _window(pattern: Pattern, words: Sequence[Token], places: dict[str, list[int]], anchor: int) -> Hit | None:
    need = Counter(pattern.stems)
    chosen = [anchor]
    for stem, count in need.items():
        options: Sequence[int] = places.get(stem, ())
        if stem not in offered(words[anchor]):
            options = [p for p in options if p != anchor]
        nearest = sorted(options, key=lambda p: abs(p - anchor))[:count]
        if len(nearest) < count:
            return None
        chosen += nearest
    first, last = min(chosen), max(chosen)
    between = words[first : last + 1]
    others = sum(1 for position, t in enumerate(between, start=first) if position not in chosen and _counts(words, position, t))
    if any(t.word in _BREAKS for t in between):
        return None
    comma, ordered = any(t.word == "," for t in between), _in_order(pattern, words, first, last)
    if others > _slack(pattern, comma, ordered) or ((comma or pattern.negative) and not ordered):
        return None
    if pattern.negative and (any(t.word in _SWAYING for t in between) or (comma and not _listed(between))):
        return None
    return Hit(pattern.name, first, last, len(pattern.stems), pattern.negative)


def _counts(words: Sequence[Token], position: int, token: Token) -> bool:
    """Whether a word between keeps the words of a phrase apart: sides ("the right eye") and stop words do not."""
    if not token.word[0].isalpha() or token.word in STOP or token.word in _SIDES:
        return False
    return not (token.stem == "~eye" and position > 0 and words[position - 1].word in _SIDES)


def _slack(pattern: Pattern, comma: bool, ordered: bool) -> int:
    if pattern.negative:
        return SLACK
    if comma:
        return 1
    short = len(pattern.stems) <= 3
    return (SHORT_SLACK if short else SLACK) - (0 if ordered or not short else 1)


def _listed(between: Sequence[Token]) -> bool:
    """Whether a comma after a negation belongs to a list it governs ("no flashes, floaters or pain")."""
    return any(t.word in ("or", "nor") for t in between)


def _in_order(pattern: Pattern, words: Sequence[Token], first: int, last: int) -> bool:
    """Across a comma the words must stand as in the phrase: "sudden, painless loss" is a sudden loss, "oedema, pale disc" no pale oedema."""
    position = first
    for stem in pattern.stems:
        while position <= last and stem not in offered(words[position]):
            position += 1
        if position > last:
            return False
        position += 1
    return True
