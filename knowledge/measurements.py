"""Numbers in a narrative: age, sex, intraocular pressure, visual acuity, duration, ESR and CRP, each with its unit and side."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.domain import Demographics
from agent.values import Laterality

_WORD_NUMBERS = {
    w: n for n, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
} | {"a": 1, "an": 1, "several": 3, "few": 3, "couple": 2}  # fmt: skip
_N = r"(\d+(?:\.\d+)?)"
_SIDE = r"(right|left|both|bilateral|od|os|ou|re|le|r|l)\b"
_AGE = (
    re.compile(rf"\b{_N}\s*[- ]?\s*(year|yr|month|week|day)s?[- ]?\s*[- ]?(?:old|of age)\b", re.I),
    re.compile(rf"\b{_N}\s*[- ]?\s*(y)(?:/?o|rs?\s*old)\b", re.I),
    re.compile(
        rf"\b(?:age[d]?|(?:child|infant|baby|boy|girl|toddler) of)\s*[:=]?\s*{_N}\s*(years?|months?|weeks?|days?)?\b", re.I
    ),
    re.compile(rf"\b{_N}\s*-?\s*(mo|mths?|m/o)\b(?!\s*(?:ago|history|duration|post|after|later))\s*(?:old)?", re.I),
    re.compile(rf"\b{_N}()\s*/?\s*(?:F|M)\b(?!\w)"),
    re.compile(rf"\b(?:F|M)\s*/?\s*{_N}()\b(?!/)"),
)
_AGE_AT = re.compile(r"\bat\s+(\d+)\s+(month|week|day)s?\b(?!\s*(?:ago|post|after|later|follow))", re.I)
_BIRTH_DATE = re.compile(
    r"\b(?:dob|d\.o\.b\.?|date of birth|born(?: on| in)?)\W{0,3}"
    r"(?:\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|\d{1,2}\s+[a-z]{3,9}\s+\d{2,4}|(?:19|20)\d\d)\b",
    re.I,
)
"""A date of birth: its numbers are no age."""
_DECADE = re.compile(
    r"\b(?:(second|third|fourth|fifth|sixth|seventh|eighth|ninth) decade|in (?:his|her|their) (?:early |mid |late )?(\d0)s)\b", re.I
)
_LIFE_STAGE = (
    (re.compile(r"\b(newborn|neonate)\b", re.I), 0.02),
    (re.compile(r"\b(infant|baby)\b", re.I), 0.6),
    (re.compile(r"\b(toddler)\b", re.I), 2),
    (re.compile(r"\b(child|boy|girl|schoolchild)\b", re.I), 8),
    (re.compile(r"\b(teenager|adolescent|teenage)\b", re.I), 15),
    (re.compile(r"\b(elderly)\b", re.I), 78),
)
_FEMALE = re.compile(r"\b(woman|female|lady|girl|she|her|mrs|ms)\b|\b\d+\s*/?\s*F\b|\bF\s*/\s*\d+", re.I)
_MALE = re.compile(r"\b(man|male|gentleman|boy|he|his|mr)\b|\b\d+\s*/?\s*M\b|\bM\s*/\s*\d+", re.I)
_IOP_HEAD = re.compile(r"\b(?:iops?|intra-?\s?ocular (?:pressures?|tensions?)|ocular tensions?|eye pressures?|tonometry|ta|gat)\b", re.I)
_IOP_VALUE = re.compile(
    rf"(?:{_SIDE}\W{{0,3}}(?:eye\W{{0,2}})?(?:(?:was|is|of|at)\s+)?)?{_N}\s*(?:mm\s*\[?hg\]?)?(?:\W{{0,3}}(?:in the\s+)?{_SIDE})?", re.I
)
_ACUITY_LEAD = re.compile(r"[.,;\n](?=\s)|\b(?:vas?|bcva|ucva|vision|visual acuity|acuity)\b", re.I)
_OTHER_LABEL = re.compile(
    r"\b(?:cdr|c\s?[/:]\s?d|cup\w*|vas?|bcva|ucva|vision|visual|acuity|cct|pachymetry|bp|blood pressure|hba1c|crp|esr|pulse|axial"
    r"|k1|k2|ks|refraction|temperature|disc|discs|lens|cells?|aged?)\b",
    re.I,
)
"""Labels of other measurements: a number after them is no pressure."""
_CDR = re.compile(rf"\b(?:cdr|c\s?[/:]\s?d(?:\s*ratio)?|cup[- ]?(?:to[- ])?(?:[/:]\s?)?disc(?: ratio)?)\b[^\d\n.;]{{0,18}}(0\.\d+)"
                  rf"(?:\W{{0,3}}{_SIDE})?(?:(?:[\s,/&]|and)+(?:{_SIDE}\W{{0,3}})?(0\.\d+)(?:\W{{0,3}}{_SIDE})?)?", re.I)  # fmt: skip
_DATE_OR_ACUITY = re.compile(r"^[^/]{0,3}(?:(?:6|20)/\d{1,3}\b(?! ?mm)|\d{1,2}/\d{1,2}/\d{2,4})|^\W?/(?:\d{1,3})\b$")
_SNELLEN = re.compile(r"(?<![\d/])(20|6)\s*/\s*(\d{1,4}(?:\.\d)?)(?:\s*([+-])\s*(\d))?(?![\d/])")
_LOGMAR = re.compile(r"\blogmar\s*(?:of|:|=)?\s*(-?\d?\.\d+|\d)|(-?\d?\.\d+)\s*logmar\b", re.I)
_LOW_VISION = (
    (re.compile(r"\b(?:(?i:no (?:perception of light|light perception))|NLP|NPL)\b"), 3.0),
    (re.compile(r"\b(?:(?i:light perception|perception of light)|PL|LP)\b(?! (?:intact|present bilaterally))"), 2.7),
    (re.compile(r"\b(?:hand movements?|hand motions?|HM)\b", re.I), 2.3),
    (re.compile(r"\b(?:count(?:ing)? fingers?|finger counting|CF)\b", re.I), 1.9),
)
_DURATION = re.compile(
    rf"(?:for|over|since|past|last|during|within|about|approximately)?\s*(?:the\s+)?(?:past\s+|last\s+)?\b(\d+(?:\.\d+)?|{'|'.join(_WORD_NUMBERS)})"
    r"(?:\s+of)?[\s-]*(hour|day|week|month|year)s?\b[\s-]*(history|ago|duration)?", re.I
)  # fmt: skip
_DAYS = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30, "year": 365}
_ESR = re.compile(rf"\b(?:esr|erythrocyte sedimentation rate)\b[^\d\n]{{0,25}}{_N}", re.I)
_CRP = re.compile(rf"\b(?:crp|c-?\s?reactive protein)\b[^\d\n]{{0,25}}{_N}\s*(mg/dl|mg/l)?", re.I)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured value. `measure` as in `knowledge.schema.Measure`; iop mmHg, logmar logMAR, esr mm/h, crp mg/L, duration_days days."""

    measure: str
    value: float
    unit: str
    laterality: Laterality
    start: int
    end: int


def demographics(narrative: str) -> Demographics:
    """The first stated age and the sex the words point to; None where nothing is said.

    >>> demographics("A 3-month-old male infant").age
    0.25
    """
    return Demographics(age=_age(narrative), sex=_sex(narrative))


def _age(text: str) -> float | None:
    text = _BIRTH_DATE.sub(" ", text)
    found = min((m for pattern in _AGE if (m := pattern.search(text))), key=lambda m: m.start(), default=None)
    if found is not None:
        years = float(found.group(1)) / {"m": 12, "w": 52, "d": 365}.get((found.group(2) or "year").lower()[0], 1)
        return years if years <= 120 else None
    at = _AGE_AT.search(text)
    if at:
        return float(at.group(1)) / {"month": 12, "week": 52, "day": 365}[at.group(2).lower()]
    decade = _DECADE.search(text)
    if decade:
        if decade.group(2):
            return float(decade.group(2)) + 5
        return "second third fourth fifth sixth seventh eighth ninth".split().index(decade.group(1).lower()) * 10 + 15.0
    return next((age for pattern, age in _LIFE_STAGE if pattern.search(text)), None)


def _sex(text: str) -> str | None:
    female, male = _FEMALE.search(text), _MALE.search(text)
    if female and male:
        return "female" if female.start() < male.start() else "male"
    return "female" if female else "male" if male else None


_LARGEST = {"esr": 200, "crp": 1000, "duration_days": 120 * 365}
"""Values beyond these are misprints (ours); pressures and acuities are bounded where they are read."""


def snellen_to_logmar(numerator: float, denominator: float, letters: int = 0) -> float:
    """logMAR = log10(denominator / numerator), 0.02 a letter better (+) or worse (-) than the line.

    >>> snellen_to_logmar(6, 60), round(snellen_to_logmar(20, 40), 2)
    (1.0, 0.3)
    """
    return math.log10(denominator / numerator) - 0.02 * letters


def quantities(narrative: str) -> Iterator[Quantity]:
    """Every measured value of the narrative that a patient can have, in order of kind; a misprint such as an ESR of 9,999 is no value."""
    return (q for q in _found(narrative) if q.value <= _LARGEST.get(q.measure, math.inf) and math.isfinite(q.value))


def _found(narrative: str) -> Iterator[Quantity]:
    yield from _pressures(narrative)
    yield from _acuities(narrative)
    yield from _cups(narrative)
    for m in _ESR.finditer(narrative):
        yield Quantity("esr", float(m.group(1)), "mm/h", "unknown", m.start(), m.end())
    for m in _CRP.finditer(narrative):
        scale = 10 if (m.group(2) or "").lower() == "mg/dl" else 1
        yield Quantity("crp", float(m.group(1)) * scale, "mg/L", "unknown", m.start(), m.end())
    for m in _DURATION.finditer(narrative):
        tail = narrative[m.end() : m.end() + 8].lower()
        if tail.lstrip(" -").startswith("old") or "of age" in tail or (m.group(3) or "").lower() == "ago":
            continue
        lead = m.group()[: m.start(1) - m.start()].strip().lower()
        if lead or m.group(3):
            number = m.group(1).lower()
            value = float(_WORD_NUMBERS[number]) if number in _WORD_NUMBERS else float(number)
            yield Quantity("duration_days", value * _DAYS[m.group(2).lower()], "days", "unknown", m.start(), m.end())


def _pressures(text: str) -> Iterator[Quantity]:
    for head in _IOP_HEAD.finditer(text):
        stop = re.search(r"[.;\n](?=\s|$)", text[head.end() :])
        end = min(head.end() + (stop.start() if stop else 90), head.end() + 90)
        label = _OTHER_LABEL.search(text, head.end(), end)
        segment = text[head.end() : label.start() if label else end]
        values = [m for m in _IOP_VALUE.finditer(segment) if m.group(2) and _is_pressure(segment, m)][:4]
        seen: set[Laterality] = set()
        for order, m in enumerate(values):
            value = float(m.group(2))
            named = (m.group(1) or m.group(3) or "").lower()
            lead = text[max(0, head.start() - 25) : head.start()].lower()
            laterality = _side(named) if named else _side_of(lead) if len(values) == 1 else ("right", "left")[order] if order < 2 else "unknown"
            if laterality in seen or "both" in seen:
                continue
            seen.add(laterality)
            yield Quantity("iop", value, "mmHg", laterality, head.start(), head.end() + m.end())


def _cups(text: str) -> Iterator[Quantity]:
    for m in _CDR.finditer(text):
        first, second = (m.group(2) or "").lower(), (m.group(3) or m.group(5) or "").lower()
        lead: Laterality = _side_of(m.group()[: m.start(1) - m.start()])
        pair = m.group(4) is not None
        yield Quantity(
            "cup_to_disc_ratio", float(m.group(1)), "ratio", _side(first) if first else "right" if pair and lead == "unknown" else lead,
            m.start(), m.end(),
        )  # fmt: skip
        if pair:
            yield Quantity("cup_to_disc_ratio", float(m.group(4)), "ratio", _side(second) if second else "left", m.start(), m.end())


def _is_pressure(segment: str, m: re.Match[str]) -> bool:
    following = segment[m.end() : m.end() + 9].lower().lstrip()
    if not 0 < float(m.group(2)) <= 90 or following.startswith(("year", "day", "week", "month", "am", "pm", "%")):
        return False
    return not _DATE_OR_ACUITY.match(segment[max(0, m.start(2) - 3) : m.end() + 6])


def _acuities(text: str) -> Iterator[Quantity]:
    for m in _SNELLEN.finditer(text):
        denominator = float(m.group(2))
        if denominator < 3 or (m.group(1) == "20" and denominator < 10) or _looks_like_pressure(text, m):
            continue
        letters = int(m.group(4)) * (1 if m.group(3) == "+" else -1) if m.group(4) else 0
        yield Quantity("logmar", snellen_to_logmar(float(m.group(1)), denominator, letters), "logMAR", _near_side(text, m), m.start(), m.end())
    for m in _LOGMAR.finditer(text):
        yield Quantity("logmar", float(m.group(1) or m.group(2)), "logMAR", _near_side(text, m), m.start(), m.end())
    for pattern, value in _LOW_VISION:
        for m in pattern.finditer(text):
            inside_longer = value == 2.7 and re.search(r"\bno\s*$", text[max(0, m.start() - 4) : m.start()], re.I)
            if not inside_longer:
                yield Quantity("logmar", value, "logMAR", _near_side(text, m), m.start(), m.end())


def _looks_like_pressure(text: str, m: re.Match[str]) -> bool:
    return bool(re.search(r"\b(bp|blood pressure)\W{0,6}$", text[max(0, m.start() - 20) : m.start()], re.I))


def _near_side(text: str, m: re.Match[str]) -> Laterality:
    after = re.match(rf"\W{{0,3}}(?:in (?:the|his|her)\s+)?{_SIDE}", text[m.end() : m.end() + 22], re.I)
    lead = _ACUITY_LEAD.split(text[max(0, m.start() - 30) : m.start()])[-1]
    named_first = _side_of(_SNELLEN.split(lead)[0]) if _SNELLEN.search(lead) else _side_of(lead)
    if named_first != "unknown":  # "R 6/24 L 6/5": the side stands before each value
        return _side_of(lead)
    if after:
        return _side(after.group(1).lower())
    before = _side_of(text[max(0, m.start() - 30) : m.start()])
    if before != "unknown":
        return before
    rest = re.split(rf"[.;,\n](?=\s|$)|{_SNELLEN.pattern}", text[m.end() : m.end() + 45])[0]
    later = re.search(rf"\b{_SIDE}", rest, re.I)
    return _side(later.group(1).lower()) if later else "unknown"


def _side_of(lead: str) -> Laterality:
    sides = re.findall(rf"\b{_SIDE}", lead, re.I)
    return _side(sides[-1].lower()) if sides else "unknown"


def _side(word: str) -> Laterality:
    if word in ("right", "od", "re", "r"):
        return "right"
    if word in ("left", "os", "le", "l"):
        return "left"
    return "both" if word else "unknown"
