"""Numbers in a narrative, each with its unit and side: pressures, acuities, structure, field, laboratory values, durations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from knowledge.reading.acuity import acuities
from knowledge.reading.pressure import blood_pressures, eye_pressures
from knowledge.reading.quantity import NUMBER, Kind, Quantity, labelled
from knowledge.reading.timewords import durations

_LINK = (
    r"(?:\s|[:=(),<>~*]|was|is|has|of|level|at|raised|elevated|high|markedly|up to|crp|esr|titre|now|today|"
    r"(?:came|come|comes) back (?:at|as))*"
)
"""What may stand between the name of a laboratory value and its number."""
_ESR = re.compile(rf"\b(?:esr|erythrocyte sedimentation rate)\b{_LINK}{NUMBER}", re.I)
_CRP = re.compile(rf"\b(?:crp|c-?\s?reactive protein)\b{_LINK}{NUMBER}\s*(mg/dl|mg/l)?", re.I)
_HBA1C = re.compile(rf"\b(?:hba1c|hb a1c|a1c|glycated ha?emoglobin)\b{_LINK}{NUMBER}\s*(%|mmol/mol)?", re.I)
_PER_CENT = 20
"""HbA1c from here on is in mmol/mol."""
_CUP_HEAD = re.compile(r"\b(?:cdr|c\s?[/:]\s?d(?:\s*ratio)?|cup[- ]?(?:to[- ])?(?:[/:]\s?)?disc(?: ratio)?)\b", re.I)
_AXIAL_HEAD = re.compile(r"\b(?:(?i:axial lengths?)|AXL|AL(?=\W{1,3}(?:R|L|OD|OS|RE|LE)?\W{0,3}\d\d\.\d))\b")
_FIELD_HEAD = re.compile(r"\b(?:MD|(?i:mean (?:deviation|defect)))\b")
_THICKNESS_HEAD = re.compile(r"\b(?:cct|central corneal thickness(?:es)?|pachymetry)\b", re.I)
_SIGNED = r"([-−–]?\d{1,2}(?:\.\d+)?)\s*(?:db)?"
_LARGEST = {"esr": 200, "crp": 1000, "hba1c": 25, "duration_days": 120 * 365}
"""Values beyond these are misprints (ours); pressures and acuities are bounded where they are read."""


def quantities(narrative: str) -> Iterator[Quantity]:
    """Every measured value of the narrative that a patient can have, in order of kind; a misprint such as an ESR of 9,999 is no value."""
    return (q for q in _found(narrative) if q.value <= _LARGEST.get(q.measure, math.inf) and math.isfinite(q.value))


def ifcc_to_percent(millimoles: float) -> float:
    """HbA1c in % of an IFCC value in mmol/mol, by the master equation of the NGSP.

    >>> round(ifcc_to_percent(48), 1)
    6.5
    """
    return 0.09148 * millimoles + 2.152


def _found(text: str) -> Iterator[Quantity]:
    yield from eye_pressures(text)
    yield from acuities(text)
    yield from labelled(text, _CUP_HEAD, r"(0\.\d+)", "cup_to_disc_ratio", "ratio", _any, reach=40)
    yield from labelled(text, _AXIAL_HEAD, rf"{NUMBER}\s*(?:mm)?", "axial_length", "mm", _within(15, 40))
    yield from labelled(text, _FIELD_HEAD, _SIGNED, "mean_deviation", "dB", _is_deviation)
    yield from labelled(text, _THICKNESS_HEAD, r"(\d{3})\s*(?:µm|μm|um|microns?)?", "corneal_thickness", "µm", _within(300, 900))
    yield from blood_pressures(text)
    yield from _laboratory(text)
    for start, end, days in durations(text):
        yield Quantity("duration_days", days, "days", "unknown", start, end)


def _laboratory(text: str) -> Iterator[Quantity]:
    seen: set[int] = set()
    readers: tuple[tuple[Kind, str, re.Pattern[str]], ...] = (("esr", "mm/h", _ESR), ("crp", "mg/L", _CRP), ("hba1c", "%", _HBA1C))
    for measure, unit, pattern in readers:
        for m in pattern.finditer(text):
            if m.start(1) in seen:  # named twice: "C-reactive protein (CRP) 64"
                continue
            seen.add(m.start(1))
            written = m.group(2) or "" if m.re.groups > 1 else ""
            yield Quantity(measure, _in_unit(measure, float(m.group(1)), written), unit, "unknown", m.start(), m.end())


def _in_unit(measure: Kind, value: float, written: str) -> float:
    if measure == "crp" and written.lower() == "mg/dl":
        return value * 10
    if measure == "hba1c" and (written.lower() == "mmol/mol" or value >= _PER_CENT):
        return ifcc_to_percent(value)
    return value


def _any(_: str, m: re.Match[str]) -> bool:
    return bool(m.group(2))


def _within(least: float, most: float) -> Callable[[str, re.Match[str]], bool]:
    return lambda _, m: least <= float(m.group(2)) <= most


def _is_deviation(segment: str, m: re.Match[str]) -> bool:
    signed = m.group(2)[0] in "-−–"
    return signed or re.match(r"\s*db", segment[m.end(2) :], re.I) is not None
