"""Finds the phrases of a lexicon in a sentence: all words of a phrase, in any order, close together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from knowledge.text import Token, content, offered, required, tokens

SLACK = 3
"""Other words that may stand between the words of a phrase."""
_BREAKS = frozenset((".", ";", ":", "but", "however", "although"))


@dataclass(frozen=True, slots=True)
class Hit:
    """Phrase of `name` found at tokens `first` to `last` (inclusive)."""

    name: str
    first: int
    last: int
    size: int


@dataclass(frozen=True, slots=True)
class _Pattern:
    name: str
    stems: tuple[str, ...]
    literal: bool


class PhraseIndex:
    """Phrases by name. A phrase in double quotes must stand word for word in order; others match canonically in any order."""

    def __init__(self, phrases: Iterable[tuple[str, str]]) -> None:
        patterns = list({_pattern(name, phrase) for name, phrase in phrases})
        frequency = Counter(s for p in patterns for s in set(p.stems))
        self._by_key: dict[str, list[_Pattern]] = defaultdict(list)
        for pattern in sorted(patterns, key=lambda p: (p.name, p.stems, p.literal)):
            if pattern.stems:
                self._by_key[min(pattern.stems, key=lambda s: (frequency[s], s))].append(pattern)

    def find(self, words: Sequence[Token]) -> Iterator[Hit]:
        """Every hit in a sentence, the tightest window of each pattern at each place of its rarest word."""
        places: dict[str, list[int]] = defaultdict(list)
        for position, token in enumerate(words):
            for form in offered(token):
                places[form].append(position)
        for stem, anchors in list(places.items()):
            for pattern in self._by_key.get(stem, ()):
                for anchor in anchors:
                    hit = _literal(pattern, words, anchor, stem) if pattern.literal else _window(pattern, words, places, anchor)
                    if hit is not None:
                        yield hit


def _pattern(name: str, phrase: str) -> _Pattern:
    quoted = re.fullmatch(r'\s*"(.+)"\s*', phrase)
    if quoted:
        return _Pattern(name, tuple(required(t) for t in tokens(quoted.group(1))), literal=True)
    return _Pattern(name, content(phrase), literal=False)


def _literal(pattern: _Pattern, words: Sequence[Token], anchor: int, stem: str) -> Hit | None:
    start = anchor - pattern.stems.index(stem)
    found = words[max(start, 0) : start + len(pattern.stems)]
    if start < 0 or len(found) < len(pattern.stems):
        return None
    same = all(wanted in offered(token) for wanted, token in zip(pattern.stems, found, strict=True))
    return Hit(pattern.name, start, start + len(pattern.stems) - 1, len(pattern.stems)) if same else None


def _window(pattern: _Pattern, words: Sequence[Token], places: dict[str, list[int]], anchor: int) -> Hit | None:
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
    others = sum(1 for t in between if t.word[0].isalnum()) - len(set(chosen))
    if others > SLACK or any(t.word in _BREAKS for t in between):
        return None
    return Hit(pattern.name, first, last, len(pattern.stems))
