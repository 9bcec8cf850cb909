"""Whether the numbers of a claim are those of its quote, with their units and comparators, and said of the same things."""

from __future__ import annotations

from collections.abc import Sequence

from agent.citations import vocabulary as v
from agent.citations.quantities import Amount, amounts, comparable, stretches
from agent.citations.statements import Text
from agent.citations.words import Word

PREFIX = 8
"""Words before a number within which words may be said of it alone (ours)."""


def miscounted(claim: Text, quote: Text, topic: frozenset[str]) -> str:
    """Why a number of the claim is not borne out; empty when all are."""
    stated, named = amounts(quote.words), amounts(claim.words)
    for amount in named:
        if claim.words[amount.at].form in topic and not amount.dimension:
            continue
        same = [a for a in stated if a.same == amount.same]
        shown = " ".join(w.raw for w in claim.words[amount.at : amount.last + 2])
        if not same:
            return f"the claim says {shown!r}, the quote does not"
        if not any(comparable(amount.comparator, a.comparator) for a in same):
            return f"the claim says {shown!r} with another comparator than the quote"
        alike = [a for a in stated if a.dimension == amount.dimension]
        if amount.at not in claim.copied and _misplaced(claim, amount, named, quote, alike, topic):
            return f"the claim says {shown!r} of something else than the quote"
    return ""


def _misplaced(claim: Text, amount: Amount, named: Sequence[Amount], quote: Text, alike: Sequence[Amount], topic: frozenset[str]) -> bool:
    """Whether the words around a claim's number speak, in the quote, of another number of the same kind."""
    if len({a.value for a in alike}) < 2:
        return False
    own = [a for a in named if a.dimension == amount.dimension]
    stretch = stretches(claim.words, own)[own.index(amount)]
    said = {claim.stems[p] for p in stretch if _discerns(claim.words[p]) and not amount.at <= p <= amount.last} - topic
    shared = range(alike[0].at - PREFIX)  # what stands well before the first number may be said of all
    scores = [
        (len(said & {quote.stems[p] for p in part if _discerns(quote.words[p]) and p not in shared}), a.value == amount.value)
        for part, a in zip(stretches(quote.words, alike), alike, strict=True)
    ]
    return max((s for s, right in scores if not right), default=0) > max((s for s, right in scores if right), default=0)


def _discerns(word: Word) -> bool:
    form = word.form
    return (form not in v.EMPTY and form not in v.LINKS and form not in v.UNITS and form != "every") or form in ("under", "over", "before")
