"""Visual acuities of a narrative in logMAR: Snellen in metres and feet, decimal, logMAR, ETDRS letters, and the words below the chart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from agent.values import Laterality
from knowledge.reading.quantity import SIDE, Quantity, last_side, named_side

_LABEL = r"(?:vas?|bcva|cdva|udva|ucva|vision|visual acuit(?:y|ies)|acuit(?:y|ies))"
_LEAD = re.compile(rf"\n|[.,;](?=\s)|\b{_LABEL}\b", re.I)
_SNELLEN = re.compile(r"(?<![\d/.])(20|[1-6])\s*/\s*(\d{1,4}(?:\.\d)?)(?:\s*([+-])\s*(\d))?(?![\d/])")
_NEEDS_LABEL = re.compile(rf"\b{_LABEL}\b[^.;\n]{{0,40}}$", re.I)
_NOT_ACUITY = re.compile(r"\b(?:bp|blood pressure|grade|power|strength|on|dated|until|stage|score)\W{0,6}$", re.I)
_LOGMAR = re.compile(r"\blogmar\s*(?:of|:|=|was)?\s*([-−–]?\d?\.\d+|\d)|([-−–]?\d?\.\d+)\s*logmar\b", re.I)
_DECIMAL_HEAD = re.compile(rf"\b{_LABEL}\b", re.I)
_DECIMAL = re.compile(r"(?<![\d.+−–-])([01]\.\d{1,2})(?![\d/:%]|\.\d)(?!\s*(?:d\b|ds\b|dc\b|mm\b|m\b|log|mg|to\b))", re.I)
_DECIMAL_REACH = 70
_LETTERS = re.compile(
    r"(?<!by )(?<!lost )(?<!loss of )(?<!gain of )(?<!gained )\b(\d{1,3})\s*(?:etdrs\s*)?letters\b"
    r"|\betdrs\s*(?:letters?|letter score|score|acuity)?\s*(?:of|:|was)?\s*(\d{1,3})\b(?!\s*(?:letters|/))", re.I
)  # fmt: skip
_BELOW_CHART = re.compile(r"light|\b[NP]L|\bLP\b|\bHM\b|\bCF\b|hand|finger", re.I)
"""Without one of these a text holds no vision below the chart."""
_LOW_VISION = (
    (re.compile(r"\b(?:(?i:no (?:perception of light|light perception))|NLP|NPL)\b"), 3.0),
    (re.compile(r"\b(?:(?i:light perception|perception of light)|PL|LP)\b(?! (?:intact|present bilaterally))"), 2.7),
    (re.compile(r"\b(?:hand movements?|hand motions?|HM)\b", re.I), 2.3),
    (re.compile(r"\b(?:count(?:ing)? fingers?|finger counting|CF)\b", re.I), 1.9),
)


def snellen_to_logmar(numerator: float, denominator: float, letters: int = 0) -> float:
    """logMAR = log10(denominator / numerator), 0.02 a letter better (+) or worse (-) than the line.

    >>> snellen_to_logmar(6, 60), round(snellen_to_logmar(20, 40), 2)
    (1.0, 0.3)
    """
    return math.log10(denominator / numerator) - 0.02 * letters


def letters_to_logmar(letters: float) -> float:
    """logMAR of an ETDRS letter score at 4 m (Beck et al., Am J Ophthalmol 2003): 85 letters are 0, five letters a line of 0.1.

    >>> letters_to_logmar(85), letters_to_logmar(55)
    (0.0, 0.6)
    """
    return round(1.7 - 0.02 * letters, 2)


def acuities(text: str) -> Iterator[Quantity]:
    """Every acuity with its eye. Reading charts (J2, N5) are near vision and are not read."""
    for m in _SNELLEN.finditer(text):
        if _is_snellen(text, m):
            letters = int(m.group(4)) * (1 if m.group(3) == "+" else -1) if m.group(4) else 0
            yield _acuity(text, m, snellen_to_logmar(float(m.group(1)), float(m.group(2)), letters))
    for m in _LOGMAR.finditer(text):
        yield _acuity(text, m, float((m.group(1) or m.group(2)).replace("−", "-").replace("–", "-")))
    yield from _decimals(text)
    for m in _LETTERS.finditer(text) if "etter" in text or "ETDRS" in text else ():
        score = float(m.group(1) or m.group(2))
        if 0 < score <= 100:
            yield _acuity(text, m, letters_to_logmar(score))
    for pattern, value in _LOW_VISION if _BELOW_CHART.search(text) else ():
        for m in pattern.finditer(text):
            inside_longer = value == 2.7 and re.search(r"\bno\s*$", text[max(0, m.start() - 4) : m.start()], re.I)
            if not inside_longer:
                yield _acuity(text, m, value)


def _acuity(text: str, m: re.Match[str], value: float) -> Quantity:
    return Quantity("logmar", value, "logMAR", _near_side(text, m), m.start(), m.end())


def _is_snellen(text: str, m: re.Match[str]) -> bool:
    numerator, denominator = m.group(1), float(m.group(2))
    before = text[max(0, m.start() - 60) : m.start()]
    if denominator < 3 or (numerator == "20" and denominator < 10) or _NOT_ACUITY.search(before):
        return False
    return numerator in ("6", "20") or denominator == 60 or (numerator in ("4", "5") and _NEEDS_LABEL.search(before) is not None)


def _decimals(text: str) -> Iterator[Quantity]:
    """Decimal acuities after their label. Where a narrative speaks of logMAR a bare decimal may be either, and is not read."""
    if re.search(r"logmar", text, re.I):
        return
    seen: set[int] = set()
    for head in _DECIMAL_HEAD.finditer(text):
        stop = re.search(r"[.;](?=\s|$)|\n", text[head.end() : head.end() + _DECIMAL_REACH])
        end = head.end() + (stop.start() if stop else _DECIMAL_REACH)
        for m in _DECIMAL.finditer(text, head.end(), end):
            between = text[head.end() : m.start()]
            told = 0 < float(m.group(1)) <= 2 and not re.search(r"c\s?[/:]\s?d|cdr|cup|rapd|iop|sph|cyl|mm", between, re.I)
            if told and m.start() not in seen:
                seen.add(m.start())
                yield _acuity(text, m, -math.log10(float(m.group(1))))


_STATED = re.compile(
    rf"[\s(]*(?:decimal\W+)?(?:visual acuity |acuity |vision )?(?:at [^,.;]{{1,12}} )?(?:in|of|on|with) (?:the |his |her )?{SIDE}", re.I
)
"""An eye named in so many words behind a value ("in the left eye") is its eye whatever stands before."""
_BEHIND = re.compile(rf"[\s(]*(?:decimal\W+)?(?:visual acuity |acuity |vision |letters )?(?:at [^,.;]{{1,12}} )?\W?{SIDE}", re.I)
_REST = re.compile(rf"[.;,\n](?=\s|$)|{_SNELLEN.pattern}")


def _near_side(text: str, m: re.Match[str]) -> Laterality:
    following = text[m.end() : m.end() + 45]
    if stated := _STATED.match(following):
        return named_side(stated.group(1))
    lead = _LEAD.split(text[max(0, m.start() - 30) : m.start()])[-1]
    named_first = last_side(_SNELLEN.split(lead)[0]) if _SNELLEN.search(lead) else last_side(lead)
    if named_first != "unknown":  # "R 6/24 L 6/5": the side stands before each value
        return last_side(lead)
    if behind := _BEHIND.match(following):
        return named_side(behind.group(1))
    before = last_side(text[max(0, m.start() - 30, text.rfind("\n", 0, m.start()) + 1) : m.start()])
    if before != "unknown":
        return before
    later = re.search(rf"\b{SIDE}", _REST.split(following)[0], re.I)
    return named_side(later.group(1)) if later else "unknown"
