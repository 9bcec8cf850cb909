"""Ways in which a claim says the opposite of its quote: another direction, side, order or stage, or a denial for an affirmation.

Each function returns why the claim is not borne out, or an empty string.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set

from agent.citations import vocabulary as v
from agent.citations.polarity import DENIED, OPEN, negative
from agent.citations.statements import POLES, REACH, Text, tells

MARGIN = 1.25
"""How much nearer the wrong one of two must be before a claim counts as mixing them up (ours)."""
def opposite(claim: Text, quote: Text, topic: Set[str]) -> str:
    """A direction, side, order or stage that the quote does not name, or names for something else."""
    named = quote.forms
    for at, word in enumerate(claim.words):
        if at in claim.copied:
            continue
        for axis, pole in POLES.get(word.form, ()):
            places = _poles(quote, axis)
            others = [p for other, found in places.items() if other != pole for p in found]
            if pole not in places:
                if word.form in named or claim.stems[at] in topic or (len(POLES[word.form]) > 1 and not others):
                    continue
                if others:
                    return f"the claim says {word.raw!r}, the quote {quote.words[others[0]].raw!r}"
                if axis in v.STRICT_AXES:
                    return f"the claim says {word.raw!r}, which the quote does not"
            elif others and len(POLES[word.form]) == 1 and mixed(claim, at, quote, places[pole], others):
                return f"the claim says {word.raw!r} of what the quote calls {quote.words[others[0]].raw!r}"
    return ""


def denied(claim: Text, quote: Text, topic: Set[str]) -> str:
    """A word that the claim affirms and the quote denies, or the other way round."""
    told: dict[str, set[str]] = defaultdict(set)
    for stem, mark in zip(quote.stems, quote.polarity, strict=True):
        told[stem].add(mark)
    for word, stem, mark in zip(claim.words, claim.stems, claim.polarity, strict=True):
        if mark == OPEN or word.form in v.LINKS or negative(word.form) or stem in topic or not word.form[0].isalpha():
            continue
        if stem in told and mark not in told[stem] and OPEN not in told[stem]:
            return f"the claim {'denies' if mark == DENIED else 'affirms'} {word.raw!r}, the quote does the opposite"
    marked = zip(claim.words, claim.stems, claim.polarity, strict=True)
    if any(m == DENIED and s not in topic and not negative(w.form) for w, s, m in marked) and not any(negative(w.form) for w in quote.words):
        return "the claim denies something, the quote denies nothing"
    return _prefixed(claim, quote)


def mixed(claim: Text, at: int, quote: Text, right: Iterable[int], wrong: Iterable[int]) -> bool:
    """Whether the words around a claim's word stand, in the quote, nearer to a wrong place than to any right one."""
    neighbours = {claim.stems[p]: abs(p - at) for p in _reach(claim, at) if p != at and tells(claim.words[p])}
    if not neighbours:
        return False
    best = [max((_nearness(quote, place, neighbours) for place in places), default=0.0) for places in (right, wrong)]
    return best[1] > MARGIN * best[0]


def _nearness(quote: Text, place: int, neighbours: Mapping[str, int]) -> float:
    total = 0.0
    for stem in neighbours:
        distance = min((abs(p - place) for p in _reach(quote, place) if quote.stems[p] == stem), default=None)
        if distance is not None:
            total += 1 / (1 + distance)
    return total


def _reach(text: Text, at: int) -> list[int]:
    """Positions near a word in its own clause."""
    return [p for p in range(max(0, at - REACH), min(len(text.words), at + REACH + 1)) if text.words[p].clause == text.words[at].clause]


def _poles(quote: Text, axis: str) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for place, word in enumerate(quote.words):
        for name, pole in POLES.get(word.form, ()):
            if name == axis:
                found[pole].append(place)
    return found


def _prefixed(claim: Text, quote: Text) -> str:
    """An "untreated" for a "treated"; "not treated" is the same as the first."""
    for one, other, who in ((claim, quote, "claim"), (quote, claim, "quote")):
        affirmed = {w.form for w, mark in zip(other.words, other.polarity, strict=True) if mark != DENIED}
        for word in one.forms:
            for prefix in v.OPPOSITE_PREFIXES:
                plain = word.removeprefix(prefix)
                if plain != word and len(plain) >= 5 and plain in affirmed and word not in other.forms and plain not in one.forms:
                    return f"the {who} says {word!r}, the other {plain!r}"
    return ""
