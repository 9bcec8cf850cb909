"""Ways in which a claim says more than its quote: an exception or a condition left out, a stronger word.

Each function returns why the claim is not borne out, or an empty string.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from agent.citations import vocabulary as v
from agent.citations.polarity import covered
from agent.citations.statements import Text, tells


def dropped(claim: Text, quote: Text, topic: Set[str]) -> str:
    """An exception or a condition that governs what the claim says, and that the claim does not make."""
    said = {s for s, w in zip(claim.stems, claim.words, strict=True) if w.form not in v.LINKS}
    telling = {s for s, w in zip(claim.stems, claim.words, strict=True) if tells(w)} - topic
    made = {phrase for phrase in v.EXCEPTIONS if covered(claim.words, (phrase,))}
    for phrase in v.EXCEPTIONS:
        for at in sorted(covered(quote.words, (phrase,)))[:: len(phrase.split())]:
            if phrase == "only":
                missing = "only" not in made and bool(telling & {quote.stems[p] for p in _around(quote, at) if tells(quote.words[p])})
            else:
                inside = _opened(quote, at + len(phrase.split()) - 1)
                excepted = {quote.stems[p] for p in inside if tells(quote.words[p])} - topic
                taken = bool(excepted & telling - {s for p, s in enumerate(quote.stems) if p not in inside})
                missing = not made and not _denies(claim) and (taken or _governed(said, quote, _ruled(quote, at, back=True)))
            if missing:
                return f"the claim leaves out {phrase!r}"
    if claim.forms.isdisjoint(v.CONDITIONS):
        for at, word in enumerate(quote.words):
            if word.form in v.CONDITIONS and not (word.form == "once" and at and quote.words[at - 1].form == "at"):
                condition = {quote.stems[p] for p in _opened(quote, at) if tells(quote.words[p])}
                known = condition & (telling | topic)
                if condition and not known and _governed(said, quote, _ruled(quote, at, back=False)):
                    return f"the claim leaves out the condition after {word.raw!r}"
    return ""


def stronger(claim: Text, quote: Text) -> str:
    """A must where the quote says should, a should where it says may, an all where it says some."""
    for word in claim.words:
        if word.form in v.QUANTIFIERS and quote.forms.isdisjoint(v.QUANTIFIERS):
            return f"the claim says {word.raw!r}, the quote does not"
        if word.form in v.STRONG_MODALS and quote.forms.isdisjoint(v.STRONG_MODALS):
            return f"the claim says {word.raw!r}, the quote does not"
    if claim.forms.isdisjoint(v.WEAK_MODALS):
        relative = ("that", "which", "who")  # a lesion "that suggests melanoma" weakens nothing that is said of it
        weak = [at for at, w in enumerate(quote.words) if w.form in v.WEAK_MODALS and (at == 0 or quote.words[at - 1].form not in relative)]
        said = {s for s, w in zip(claim.stems, claim.words, strict=True) if tells(w)}
        for at in weak:
            after = [p for p in range(at + 1, len(quote.words)) if quote.words[p].clause == quote.words[at].clause and tells(quote.words[p])]
            governed = {quote.stems[p] for p in after[:2]}
            if governed and governed <= said:
                return f"the quote says {quote.words[at].raw!r}, the claim does not"
    return ""


def _around(text: Text, at: int) -> list[int]:
    return [p for p in range(max(0, at - 3), min(len(text.words), at + 4)) if p != at and text.words[p].clause == text.words[at].clause]


def _opened(quote: Text, at: int) -> list[int]:
    """The words that a conjunction opens, up to the next comma."""
    return [p for p in range(at + 1, len(quote.words)) if quote.words[p].clause == quote.words[at].clause]


def _ruled(quote: Text, at: int, *, back: bool) -> list[int]:
    """What an exception or a condition governs: the words before it in its clause; where it opens its clause, what comes before that
    clause (an exception, and what comes after where it only interrupts the sentence) or after it (a condition)."""
    clause = quote.words[at].clause
    before = [p for p in range(at) if quote.words[p].clause == clause]
    if any(quote.words[p].form not in v.LINKS for p in before):
        return before
    same = [p for p in range(len(quote.words)) if quote.words[p].sentence == quote.words[at].sentence]
    after = [p for p in same if p > at and quote.words[p].clause != clause]
    if not after or not back:
        return after or [p for p in same if p < at]
    goes_on = quote.words[after[0]].form not in ("and", "or", "but") and quote.words[after[0]].part == quote.words[at].part
    return [p for p in same if p < at] + (after if goes_on else [])


def _governed(said: Set[str], quote: Text, places: Sequence[int]) -> bool:
    """Whether at least half of what the claim says stands at these places."""
    return 2 * len(said & {quote.stems[p] for p in places}) >= len(said) > 0


def _denies(claim: Text) -> bool:
    return any(w.form in ("not", "no", "without") for w in claim.words)
