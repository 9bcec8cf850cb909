"""Age and sex of the patient, as the narrative states them."""

from __future__ import annotations

import re

from agent.domain import Demographics

_N = r"(\d+(?:\.\d+)?)"
_AGE = (
    re.compile(rf"\b{_N}\s*[- ]?\s*(year|yr|month|week|day)s?[- ]?\s*[- ]?(?:old(?=\b|boy|girl|man|woman|male|female)|of age\b)", re.I),
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
_FEMALE = re.compile(r"(?:\b|(?<=old))(woman|female|lady|girl|she|her|mrs|ms)\b|\b\d+\s*/?\s*F\b|\bF\s*/\s*\d+", re.I)
_MALE = re.compile(r"(?:\b|(?<=old))(man|male|gentleman|boy|he|his|mr)\b|\b\d+\s*/?\s*M\b|\bM\s*/\s*\d+", re.I)


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
