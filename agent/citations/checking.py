"""The verdict on every citation of a claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.citations.bearing import Passage, bears
from agent.citations.meanings import Meanings
from agent.citations.quoting import MAX_CHARACTERS, MIN_WORDS, Place, exact, near, parts_of, shortened, stitched, too_short
from agent.citations.words import UNREADABLE, forms, normalise
from agent.evidence import Citation, Claim, Evidence, Verdict

MAX_SHOWN = 200
"""Other passages that a quote is looked for in; a case is shown fewer."""


def checked(
    citation: Citation,
    passage: Callable[[str], Evidence | None],
    shown: Mapping[str, Evidence],
    claim: str | None = None,
    meanings: Meanings | None = None,
) -> Citation:
    """The citation with its verdict, the similarity of its quote, and why it is not supported.

    `passage` finds a passage by its key; `shown` are the passages a wrongly named quote is looked for in. Without a `claim` only the
    first gate is asked. An unknown key can never be supported. The source is filled in from the passage itself.
    """
    own = passage(citation.key)
    place, similarity, why = _found(citation.quote, own, meanings)
    if place is not None and own is not None:
        objection = bears(claim, _passage(own), place, meanings) if claim is not None else ""
        return _with(citation, "not_bearing" if objection else "supported", own, place.similarity, objection)
    if _unusable(citation.quote):
        return _with(citation, "not_found", own, similarity, why)
    others = [other for key, other in list(shown.items())[:MAX_SHOWN] if key != citation.key]
    for other in others:
        if _found(citation.quote, other, None)[0] is not None:
            where = f"{other.source.organisation}, {other.source.title}"
            unknown = "" if own is not None else "its key is unknown; "
            return _with(citation, "misattributed", own, similarity, f"{unknown}the quote stands in {other.key} ({where})")
    if _frankenquote(citation.quote, own, others):
        return _with(citation, "frankenquote", own, similarity, why or "its parts stand apart from each other")
    return _with(citation, "not_found", own, similarity, why if own is not None else "its key is unknown")


def verified(
    claim: Claim, passage: Callable[[str], Evidence | None], shown: Mapping[str, Evidence], meanings: Meanings | None = None
) -> Claim:
    """The claim with every citation checked; it counts as supported only when one of them is."""
    citations = tuple(checked(citation, passage, shown, claim.text, meanings) for citation in claim.citations)
    return claim.model_copy(update={"citations": citations, "supported": any(c.verdict == "supported" for c in citations)})


def _found(quote: str, own: Evidence | None, meanings: Meanings | None) -> tuple[Place | None, float | None, str]:
    """The first gate: the place of the quote in a passage, how near it comes, and what is wrong with it."""
    unusable = _unusable(quote)
    if unusable or own is None:
        return None, None, unusable
    place = exact(forms(quote), forms(own.text))
    if place is not None:
        return place, 1.0, ""
    parts = parts_of(quote)
    if len(parts) > 1:
        place, why = shortened(parts, own.text)
        return place, (1.0 if place is not None else None), why
    return near(quote, own.text, meanings)


def _unusable(quote: str) -> str:
    if len(quote) > MAX_CHARACTERS:
        return f"the quote is longer than {MAX_CHARACTERS} characters"
    if too_short(quote):
        return f"the quote has fewer than {MIN_WORDS} words and proves nothing"
    return "the quote holds characters that turn the direction of writing" if UNREADABLE in normalise(quote) else ""


def _frankenquote(quote: str, own: Evidence | None, others: list[Evidence]) -> bool:
    passages = [forms(e.text) for e in (*((own,) if own is not None else ()), *others)]
    parts = parts_of(quote)
    if len(parts) > 1:
        return all(any(exact(forms(part), passage) for passage in passages) for part in parts)
    return stitched(forms(quote), passages)


def _passage(evidence: Evidence) -> Passage:
    source = evidence.source
    return Passage(evidence.text, evidence.concepts, f"{source.organisation} {source.title}")


def _with(citation: Citation, verdict: Verdict, own: Evidence | None, similarity: float | None, why: str) -> Citation:
    source = own.source if own is not None else None
    return citation.model_copy(update={"verdict": verdict, "source": source, "similarity": similarity, "why": why})
