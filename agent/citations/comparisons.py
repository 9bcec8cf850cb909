"""Ways in which a claim turns round what its quote compares, or repeats it but for one word.

Each function returns why the claim is not borne out, or an empty string.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from agent.citations import vocabulary as v
from agent.citations.differences import differences, root
from agent.citations.polarity import covered, negative
from agent.citations.statements import POLES, REACH, Text, tells
from agent.citations.words import is_number

_PLACES = frozenset("in for at with during by on".split())
"""Words at which what stands after a comparison ends."""
_MIDDLES = frozenset(("and", "while", "whereas", "but"))
ALTERED, SHORT = 0.25, 2
"""Share of a claim's words up to which it counts as a repetition of its quote, and words that a dropped negation may take along."""


def reversed_order(claim: Text, quote: Text, topic: Set[str]) -> str:
    """Two things compared, with what is said of the one said of the other."""
    for phrase in v.COMPARATIVES:
        mine, told = _cut(claim, phrase), _cut(quote, phrase)
        if mine is None or told is None:
            continue
        crossing = (mine[0] - mine[1]) & (told[1] - told[0]) | (mine[1] - mine[0]) & (told[0] - told[1])
        if crossing - topic:
            return f"the claim turns round what the quote compares with {phrase!r}"
    return ""


def exchanged(claim: Text, quote: Text) -> str:
    """Two things said of two subjects, each said of the other: both halves of the claim take words from both halves of the quote."""
    for middle in (p for p, w in enumerate(claim.words) if w.form in _MIDDLES):
        mine = _halves(claim, middle)
        if not all(mine):
            continue
        for cut in (p for p, w in enumerate(quote.words) if w.form in _MIDDLES):
            told = _halves(quote, cut)
            if all(one & (told[0] - told[1]) and one & (told[1] - told[0]) for one in (mine[0] - mine[1], mine[1] - mine[0])):
                return f"the claim exchanges what the quote says before and after {quote.words[cut].raw!r}"
    return ""


def _halves(text: Text, at: int) -> tuple[set[str], set[str]]:
    told = [p for p, w in enumerate(text.words) if tells(w)]
    return {text.stems[p] for p in told if p < at}, {text.stems[p] for p in told if p > at}


def altered(claim: Text, quote: Text, topic: Set[str], names: Set[str]) -> str:
    """A claim that repeats its quote but for a word on which the meaning turns. `names` are stems of drugs, of either."""
    blocks = differences([w.form for w in claim.words], [w.form for w in quote.words])
    changed = sum(last - first for first, last, _, _ in blocks)
    if changed > ALTERED * len(claim.words):
        return ""
    for first, last, there, end in blocks:
        told = {quote.words[p].form: quote.stems[p] for p in range(there, end)}
        mine = [p for p in range(first, last) if told or claim.stems[p] not in topic]  # a claim may add its topic, not put it for another
        new = next((p for p in mine if claim.words[p].form not in told and _turned(claim, p, told, names)), None)
        if new is not None:
            return f"the claim repeats the quote but for {claim.words[new].raw!r}"
        lost = next((w for w in told if negative(w)), None)
        if lost is not None and end - there <= SHORT and not any(negative(claim.words[p].form) for p in mine):
            return f"the claim repeats the quote but leaves out {lost!r}"
    return ""


def _turned(claim: Text, at: int, told: Mapping[str, str], names: Set[str]) -> bool:
    """Whether a word of the claim denies, or stands for another drug, another number or the opposite of what the quote has there."""
    form, stem = claim.words[at].form, claim.stems[at]
    if negative(form):
        return not any(root(form) == root(w) or {form, w} <= v.RARELY for w in told)
    if form in v.NUMBER_WORDS and any(w in v.NUMBER_WORDS for w in told):
        return True
    if form in v.UNITS and any(w in v.UNITS and v.UNITS[w] != v.UNITS[form] for w in told):
        return not any(is_number(w) or w in v.NUMBER_WORDS for w in told)  # with a number it may be the same time in other units
    if stem in names:
        return any(s in names and s != stem for s in told.values())
    axes = dict(POLES.get(form, ()))
    return any(axes.get(axis, pole) != pole for word in told for axis, pole in POLES.get(word, ()))


def contrasted(claim: Text, quote: Text, topic: Set[str]) -> str:
    """What one side of a "whereas" says of its subject, said of the other side's; or the same across a semicolon with an opposite on either
    side. A claim that makes a contrast of its own may speak of both sides."""
    if not claim.forms.isdisjoint(v.CONTRASTS) or claim.words[0].part != claim.words[-1].part:
        return ""
    said = {s for s, w in zip(claim.stems, claim.words, strict=True) if tells(w)}
    for at, word in enumerate(quote.words):
        apart = word.form in ("whereas", "unlike")
        if not apart and (at == 0 or word.part == quote.words[at - 1].part):
            continue
        left, right = ({quote.stems[p] for p in places if tells(quote.words[p])} for places in (range(at), range(at, len(quote.words))))
        aside = frozenset() if apart else topic
        if said & (left - right - aside) and said & (right - left - aside) and (apart or _opposed(claim, quote, at)):
            return f"the claim mixes what the quote keeps apart at {word.raw!r}"
    return ""


def _opposed(claim: Text, quote: Text, at: int) -> bool:
    """Whether a word of the claim stands on one side of a place only and its opposite on the other side only."""
    sides = [{w.form for w in quote.words[:at]}, {w.form for w in quote.words[at:]}]
    for one, other in (sides, sides[::-1]):
        for form in claim.forms & one - other:
            axes = dict(POLES.get(form, ()))
            if any(axes.get(axis, pole) != pole for word in other - one for axis, pole in POLES.get(word, ())):
                return True
    return False


def _cut(text: Text, phrase: str) -> tuple[set[str], set[str]] | None:
    """The telling stems before and after a comparing phrase, within reach."""
    places = sorted(covered(text.words, (phrase,)))
    if not places:
        return None
    first, last = places[0], places[len(phrase.split()) - 1]
    if last + 1 < len(text.words) and is_number(text.words[last + 1].form):
        return None
    clause = text.words[first].clause
    near = range(max(0, first - 2 * REACH), min(len(text.words), last + 1 + 2 * REACH))
    beside = [p for p in near if tells(text.words[p]) and text.words[p].clause == clause]
    end = next((p for p in near if p > last + 1 and text.words[p].form in _PLACES), len(text.words))
    return {text.stems[p] for p in beside if p < first}, {text.stems[p] for p in beside if last < p < end}
