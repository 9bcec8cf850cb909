"""The time words of a text: spans, dates, the clinic's fractions (5/7, 3/12) and adjectives such as sudden, chronic or previous."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.values import Course

ACUTE_DAYS, SUBACUTE_DAYS = 14, 90
DAYS = {"minute": 1 / 1440, "min": 1 / 1440, "hour": 1 / 24, "day": 1, "week": 7, "fortnight": 14, "month": 30, "year": 365, "decade": 3650}
_WORDS = {w: float(n) for n, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())}
NUMBERS = _WORDS | {"a": 1.0, "an": 1.0, "several": 3.0, "few": 3.0, "couple": 2.0, "half a": 0.5, "half an": 0.5}
_N = rf"(?P<n>\d+(?:\.\d+)?|half an?|{'|'.join(w for w in NUMBERS if ' ' not in w)})"
_UNIT = r"(?P<unit>minute|min|hour|day|week|fortnight|month|year|decade)s?"
_SPAN = rf"{_N}(?:\s+of)?(?:\s*-\s*|\s+){_UNIT}\b"
_HISTORY = re.compile(rf"\b{_SPAN}(?:'|’)?[\s-]*(?:history|hx|h/o)\b", re.I)
_AGO = re.compile(rf"\b{_SPAN}\s*(?:ago|back|earlier|previously|before|prior)\b", re.I)
_AFTER = re.compile(rf"\b{_SPAN}\s+(?:after|following|post)\b", re.I)
_FOR = re.compile(
    rf"\b(?:for|over|during|within|since|x|about|approximately|past|last)\s+(?:about |approximately |at least |the )?"
    rf"(?:past |last |previous )?{_SPAN}", re.I
)  # fmt: skip
_LAST = re.compile(
    r"\b(?:for|over|during|within|in)\s+(?:the\s+)?(?:past|last)\s+(?P<unit>hour|day|week|fortnight|month|year|decade)\b", re.I
)
_OPENING = re.compile(rf"(?:^|\b(?:with|reports|has|had|and|,)\s+){_SPAN}\s+of\s+(?!age\b)", re.I)
_SHORT = re.compile(r"(?P<lead>(?:\bx|×|\bfor|\bsince|\bover|\bpast)\s*)?\b(?P<n>\d{1,2})/(?P<unit>7|52|12)\b(?!\s*/|\.\d)", re.I)
"""The clinic's fractions: 5/7 five days, 2/52 two weeks, 3/12 three months."""
_SHORT_UNIT = {"7": "day", "52": "week", "12": "month"}
_SINCE_SOON = re.compile(
    r"\b(?:since|from)\s+(?:yesterday|today|(?:this|last)\s+(?:morning|night|evening|afternoon|week)"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b|\b(?:yesterday|this morning|last night|overnight)\b", re.I
)  # fmt: skip
_SINCE_LONG = re.compile(
    r"\bsince\s+(?:birth|childhood|infancy|(?:19|20)\d\d|(?:his|her)\s+(?:teens|youth|twenties))\b"
    r"|\bfor\s+(?:many\s+)?(?:years|decades)\b|\blifelong\b", re.I
)  # fmt: skip
_LONG_AGO = re.compile(
    r"\b(?:in|of|from)\s+(?:19|20)\d\d\b|\b(?:in|during)\s+(?:childhood|infancy|adolescence|(?:his|her)\s+(?:teens|youth|childhood))\b"
    r"|\bas\s+an?\s+(?:child|boy|girl|student|teenager|infant|young (?:man|woman|adult))\b"
    r"|\b(?:many|some|several)?\s*(?:years|decades)\s+(?:ago|back|earlier)\b", re.I
)  # fmt: skip
_PERIOD = r"(?:few |several |couple |two |three |\d+ )?(?:hour|day|week|month|year|night|decade)"
_NO_PAST = rf"(?!\s+(?:to\b|{_PERIOD}|well\b|healthy\b|fit\b|normal|good\b|asymptomatic|medical|ocular history|history|surgical))"
"""A previous week is no previous disease, and neither is having been previously well."""
_PERSON = r"(?:man|woman|lady|gentleman|boy|girl|male|female|patient)"
_ADJECTIVES: tuple[tuple[tuple[str, ...], re.Pattern[str], Course], ...] = (
    (("sudden", "acute", "abrupt"), re.compile(r"\b(?:sudden(?:ly)?|acute(?:ly)?|abrupt(?:ly)?)\b", re.I), "acute"),
    (("subacute",), re.compile(r"\bsubacute(?:ly)?\b", re.I), "subacute"),
    (("chronic", "standing", "old"), re.compile(rf"\b(?:chronic(?:ally)?|long[- ]?standing|old(?!\s+{_PERSON}))\b", re.I), "chronic"),
    (
        ("previous", "former", "prior", "past", "used to", "status post", "s/p"),
        re.compile(rf"\b(?:previous(?:ly)?|former(?:ly)?|prior|past)\b{_NO_PAST}|\bused to\b|\bstatus post\b|\bs/p\b", re.I),
        "past",
    ),
)
"""Words that date what follows them, each with parts by which a text is known to hold none."""
_AN_AGE = re.compile(r"\b(?:years?|months?|weeks?|days?)[\s-]*$", re.I)
_OTHER_FRACTION = re.compile(r"\b(?:on|power|strength|grade|va|vas|acuity|bcva|r|l|re|le|od|os|bp|pressure)\W*$", re.I)
_BEGAN = re.compile(
    r"\b(?:diagnos\w+|began|begun|start\w*|notic\w+|onset|develop\w*|since|known|still|persist\w*|ongoing|recur\w*|worse\w*)\b", re.I
)
"""With these, a date long ago is when a thing began and not when it was over."""
_THERAPY = re.compile(
    r"\bmg\b|\bmcg\b|%|\b(?:daily|nocte|(?:times|twice|once) a day|drops?|tablets?|ointment|bd|tds|qds|qid|bid|tid|use|take|takes|taking|taken"
    r"|treated with|prescribed|given|on treatment|wear\w*|worn|lenses|removed|smok\w*|works?|follow\w*|prior|previous|episodes)\b", re.I
)  # fmt: skip
"""Words before a span of time that make it the length of a treatment, a habit or an old story, not of the complaint."""
_PART = re.compile(r"\b(?:and|but|has|complains|with)\b|,")
Kind = Literal["history", "after", "ago", "span", "since", "long", "adjective"]


@dataclass(frozen=True, slots=True)
class When:
    """A time expression at characters `start` to `end` of a sentence. `days` since onset, where it tells."""

    start: int
    end: int
    kind: Kind
    course: Course
    days: float | None = None


def course_of_days(days: float) -> Course:
    """
    >>> course_of_days(3), course_of_days(42), course_of_days(400)
    ('acute', 'subacute', 'chronic')
    """
    return "acute" if days <= ACUTE_DAYS else "subacute" if days <= SUBACUTE_DAYS else "chronic"


@lru_cache(maxsize=512)
def times(text: str) -> tuple[When, ...]:
    """Every time expression of a sentence, in order; of overlapping ones the longest.

    >>> [(w.kind, w.course, w.days) for w in times("Red for 3 days, previous uveitis in 2009.")]
    [('span', 'acute', 3.0), ('adjective', 'past', None), ('long', 'past', None)]
    """
    found = sorted(_all(text), key=lambda w: (w.start - w.end, w.start))
    kept: list[When] = []
    for when in found:
        if all(when.end <= other.start or other.end <= when.start for other in kept):
            kept.append(when)
    return tuple(sorted(kept, key=lambda w: w.start))


def durations(text: str) -> Iterator[tuple[int, int, float]]:
    """Characters and days of every duration of a complaint in a text; the length of a treatment or a habit is none."""
    for line in re.finditer(r"[^\n.;]+(?:\.(?=\d)[^\n.;]*)*", text):
        for when in times(line.group()):
            if when.days is None or when.days < DAYS["hour"] or when.kind not in ("span", "history"):
                continue
            before = _PART.split(line.group()[: when.start])[-1]
            if when.kind == "history" or not _THERAPY.search(before):
                yield line.start() + when.start, line.start() + when.end, when.days


def _all(text: str) -> Iterator[When]:
    lower = text.lower()
    if any(unit in lower for unit in DAYS):
        yield from _spans(text)
    if "/" in text:
        yield from _fractions(text)
    if any(word in lower for word in ("since", "from", "for ", "day", "morning", "night", "lifelong")):
        yield from (When(m.start(), m.end(), "since", "acute") for m in _SINCE_SOON.finditer(text))
        yield from (When(m.start(), m.end(), "since", "chronic") for m in _SINCE_LONG.finditer(text))
    if any(word in lower for word in ("in ", "of ", "from", "during", "as a", "years", "decades")):
        for m in _LONG_AGO.finditer(text):
            begun = _BEGAN.search(re.split(r"[,;]", text[: m.start()])[-1])
            yield When(m.start(), m.end(), "long", "chronic" if begun else "past")
    for word, pattern, course in _ADJECTIVES:
        if any(part in lower for part in word):
            for m in pattern.finditer(text):
                if not (course == "chronic" and _AN_AGE.search(text[: m.start()])):
                    yield When(m.start(), m.end(), "adjective", course)


def _spans(text: str) -> Iterator[When]:
    for m in (*_HISTORY.finditer(text), *_OPENING.finditer(text)):
        yield _spanning(m, "history")
    for m in _AGO.finditer(text):
        days = _days(m)
        begun = _BEGAN.search(re.split(r"[,;]", text[: m.start()])[-1]) or _BEGAN.search(text[m.end() : m.end() + 30].split(",")[0])
        course = course_of_days(days)
        yield When(m.start(), m.end(), "ago", "past" if course == "chronic" and not begun else course, days)
    for m in _AFTER.finditer(text):
        yield _spanning(m, "after")
    for m in (*_FOR.finditer(text), *_LAST.finditer(text)):
        yield _spanning(m, "span")


def _fractions(text: str) -> Iterator[When]:
    for m in _SHORT.finditer(text):
        days = float(m.group("n")) * DAYS[_SHORT_UNIT[m.group("unit")]]
        likely = m.group("lead") or (m.group("n") not in ("6", "20") and not _OTHER_FRACTION.search(text[: m.start("n")]))
        if days and likely:  # 6/12 and 20/12 alone are acuities or dates
            yield When(m.start(), m.end(), "span", course_of_days(days), days)


def _spanning(m: re.Match[str], kind: Kind) -> When:
    days = _days(m)
    return When(m.start(), m.end(), kind, course_of_days(days), days)


def _days(m: re.Match[str]) -> float:
    groups = m.groupdict()
    number = (groups.get("n") or "1").lower()
    return (NUMBERS[number] if number in NUMBERS else float(number)) * DAYS[m.group("unit").lower()]
