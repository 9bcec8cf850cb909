"""Which words of a text are denied.

A negation bears on what follows it in its clause ("not be patched", "no clear benefit", "avoid steroids"); what stands before it there
may be its subject and is left open. A passive denial bears on what stands before it ("drops are avoided at the start"), and what follows
is left open. Commas end a clause, except in a list that a "no" governs ("no flashes, floaters or pain").
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.citations import vocabulary as v
from agent.citations.words import Word

AFFIRMED, DENIED, OPEN = "affirmed", "denied", "open"
_ENDS = v.CONTRASTS | v.CONDITIONS
_LIST_WORDS = 4
"""Words that an item of a list may have to inherit the "no" of its first item."""
_SUBJECT, _SHORT = 6, 3
"""Words before a passive denial that it denies at most, and after "little" or "few"."""
_PHRASES = frozenset("for in with after before during at by from on to as".split())
_NOUNS = frozenset("no without lack absence neither nor".split())
"""Negations of a noun, which reach through an "of"."""
_OPENING = frozenset("whose after before by with that which from to when if and as for".split())
_CANCEL = 3
"""Words within which a second negation takes back the first ("should not be avoided")."""


def polarities(words: Sequence[Word]) -> list[str]:
    """For every word whether it is affirmed, denied, or left open.

    >>> from agent.citations.words import words
    >>> polarities(words("Do not patch"))
    ['open', 'denied', 'denied']
    """
    marks = [AFFIRMED] * len(words)
    harmless = covered(words, v.HARMLESS)
    taken_back = _taken_back(words, harmless)
    for at, word in enumerate(words):
        if at in harmless or at in taken_back or not negative(word.form):
            continue
        before, after = _clause(words, at)
        if word.form == "non":
            _mark(marks, range(at, min(at + 2, len(words))), DENIED)
        elif word.form in v.PASSIVE_DENIALS and _attributive(words, at, after):
            _mark(marks, range(at, min(after, at + 1 + _SHORT)), DENIED)
        elif word.form in v.PASSIVE_DENIALS:
            _mark(marks, range(_subject(words, before, at), at + 1), DENIED)
            _mark(marks, range(at + 1, after), OPEN)
        else:
            _mark(marks, range(before, at), OPEN)
            if word.form == "against" and at > before:
                marks[at - 1] = DENIED  # to advise against is not to advise
            end = min(after, at + 1 + _SHORT) if word.form in v.SLIGHT else _reach(words, at, after)
            _mark(marks, range(at, end), DENIED)
            _mark(marks, range(end, after), OPEN)
            if word.form in ("no", "without", "neither", "nor"):
                _mark(marks, _rest_of_list(words, after), DENIED)
    return marks


def negative(form: str) -> bool:
    return form in v.NEGATIVE or form.endswith("n't")


def covered(words: Sequence[Word], phrases: Sequence[str]) -> set[int]:
    """The positions of all words that belong to one of the phrases."""
    line = [w.form for w in words]
    places: set[int] = set()
    present = set(line)
    for phrase in phrases:
        first = phrase.partition(" ")[0]
        if first not in present:
            continue
        parts = phrase.split()
        for at in range(len(line) - len(parts) + 1):
            if line[at] == parts[0] and line[at : at + len(parts)] == parts:
                places.update(range(at, at + len(parts)))
    return places


def _taken_back(words: Sequence[Word], harmless: set[int]) -> set[int]:
    """Pairs of negations that undo each other: "should not be avoided", "never withhold"."""
    pairs: set[int] = set()
    for at, word in enumerate(words):
        if at in harmless or at in pairs or not (word.form in v.PARTICLES or word.form.endswith("n't")):
            continue
        for other in range(at + 1, min(at + 1 + _CANCEL, len(words))):
            if words[other].clause == word.clause and words[other].form in v.DENIALS | v.PASSIVE_DENIALS | v.RARELY:
                pairs |= {at, other}
    return pairs


def _clause(words: Sequence[Word], at: int) -> tuple[int, int]:
    """The clause of a word, up to marks and contrasting conjunctions, as positions."""
    clause = words[at].clause
    first = at
    while first > 0 and words[first - 1].clause == clause and words[first - 1].form not in _ENDS:
        first -= 1
    last = at + 1
    while last < len(words) and words[last].clause == clause and words[last].form not in _ENDS:
        last += 1
    return first, last


def _attributive(words: Sequence[Word], at: int, after: int) -> bool:
    """Whether a denying adjective stands before what it denies ("an absent red reflex")."""
    led = at > 0 and words[at - 1].form in ("a", "an", "the", "with", "of", "or", "and") and words[at - 1].clause == words[at].clause
    return led and at + 1 < after and words[at + 1].form not in v.LINKS and words[at + 1].form not in v.CONDITIONS


def _reach(words: Sequence[Word], at: int, after: int) -> int:
    """Where the reach of a negation ends: at the preposition or the "and" after what it denies; "no" and "without" reach through
    an "of", "without" over a few words only."""
    if at > 1 and words[at - 2].form in ("that", "which", "who"):
        return min(after, at + 2)  # "loss that is not explained needs referral"
    if words[at].form == "without":
        after = min(after, at + 2 + _SHORT)
    no = words[at].form in v.PARTICLES or words[at].form == "without"
    for place in range(at + 2, after):
        form = words[place].form
        if form in _PHRASES or (form == "and" and no) or (form == "of" and words[at].form not in _NOUNS):
            return place
    return after


def _subject(words: Sequence[Word], first: int, at: int) -> int:
    """Where the subject of a passive begins: after the last word that opens a phrase of its own, not far off."""
    start = max(first, at - _SUBJECT)
    opened = [p for p in range(start, at) if words[p].form in _OPENING]
    return opened[-1] + 1 if opened else start


def _rest_of_list(words: Sequence[Word], start: int) -> range:
    end = start
    while end < len(words) and words[end].sentence == words[start].sentence:
        item_end = end
        while item_end < len(words) and words[item_end].clause == words[end].clause:
            item_end += 1
        item = [w.form for w in words[end:item_end]]
        if "or" in item[:_LIST_WORDS] or "nor" in item[:_LIST_WORDS]:
            return range(start, item_end)
        if len(item) > _LIST_WORDS:
            break
        end = item_end
    return range(start, start)


def _mark(marks: list[str], places: range, mark: str) -> None:
    for place in places:
        if marks[place] != DENIED:
            marks[place] = mark
