"""When a thing began, and whether it is over: the time words of a sentence, and which of them a mention belongs to.

Courses: acute up to 14 days, subacute up to 90, chronic beyond (the last bound after the SUN working group, Am J Ophthalmol 2005; the
first is ours). Past is what a sentence puts into the past in so many words; anything less says nothing, since a thing wrongly called past
would silence a red flag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.values import Course
from knowledge.reading.sentence import Sentence
from knowledge.reading.timewords import When, times

_CUT = frozenset("but however although though whereas while now today currently presents presented presenting new newly".split()) | {";"}
_REACH = 6
"""Words across which an adjective of time reaches (ours)."""


def timecourse(sentence: Sentence, first: int, last: int, *, adjectives: bool = True) -> tuple[Course, float | None]:
    """Course of tokens `first` to `last` (inclusive) and days since onset, ("unknown", None) where the sentence does not say.

    Without `adjectives` only dates and spans count: "previous trabeculectomy IOP 45" is a pressure of today.
    """
    found = [when for when in times(sentence.text) if adjectives or when.kind != "adjective"]
    if not found:
        return "unknown", None
    begin, end = sentence.tokens[first].start, sentence.tokens[last].end
    best: tuple[int, When] | None = None
    for when in found:
        cost = _cost(sentence, when, begin, end, found)
        if cost is not None and (best is None or cost < best[0]):
            best = (cost, when)
    return (best[1].course, best[1].days) if best else ("unknown", None)


def began(sentence: Sentence, first: int, last: int) -> bool:
    """Whether a span of time within or right behind tokens `first` to `last` says when it began ("30 minutes ago") and not how long it took."""
    begin, end = sentence.tokens[first].start, sentence.tokens[last].end
    return any(when.kind == "ago" and when.start <= end + 1 and begin <= when.end for when in times(sentence.text))


def long_ago(sentence: Sentence, first: int, last: int) -> bool:
    """Whether the time that stands with tokens `first` to `last` is months or years ago; what follows them decides before what precedes."""
    words = [t.word for t in sentence.tokens]
    after = " ".join(words[last + 1 : last + 7])
    before = " ".join(words[max(0, first - 6) : first]).rpartition(",")[2]
    inside = " ".join(words[first : last + 1])
    for text in (inside, after.split(",")[0], before):
        found = _ELAPSED.search(text)
        if found:
            old = found.group(1).startswith(("y", "decade")) and found.group(1) != "yesterday"
            return (old and found.group(2) is not None) or (found.group(1).startswith("m") and found.group(2) in ("ago", "back", "earlier"))
    return bool(_YEAR.search(f"{inside} {after}"))


_ELAPSED = re.compile(
    r"\b(years?|yrs?|months?|mths?|decades?|weeks?|wks?|days?|yesterday|hours?)\b"
    r"(?: (ago|back|earlier|previously|before|after|post|following))?"
)
_YEAR = re.compile(r"\b(?:in|since) (?:19|20)\d\d\b")


def _cost(sentence: Sentence, when: When, begin: int, end: int, found: Sequence[When]) -> int | None:
    """How far a time expression is from a mention in words, or None where it is not the mention's."""
    if when.start < end and begin < when.end:
        return 0
    after = when.start >= end
    left, right = (end, when.start) if after else (when.end, begin)
    between = [t.word for t in sentence.tokens if left <= t.start < right]
    if not _CUT.isdisjoint(between):
        return None
    distance = len(between) + 1
    if when.kind == "adjective":
        listed = between[:1] == [","] and when.course != "past"  # "sudden, painless, and severe loss"
        joined = [word for word in between if word != ","] if listed else between
        near = not after and distance <= _REACH and "," not in joined
        return None if not near else 0 if when.course == "past" else distance
    if after:
        nearer = any(end <= w.start < when.start and w.kind != "adjective" for w in found)
        return None if when.kind in ("history", "after") or nearer else distance
    if when.kind in ("history", "after"):
        return distance
    opens = not [t for t in sentence.tokens if t.start < when.start and t.word[0].isalnum() and t.word not in ("and", "about", "the", "then")]
    return distance if opens else None
