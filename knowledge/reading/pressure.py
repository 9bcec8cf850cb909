"""Pressures of a narrative: of the eyes and of the blood, which must not be taken for one another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from knowledge.reading.quantity import NUMBER, Quantity, labelled

_HEAD = re.compile(
    r"\b(?:iops?|intra-?\s?ocular (?:pressures?|tensions?)|ocular tensions?|eye pressures?|tonometry|ta|gat"
    r"|(?<!blood )(?<!opening )(?<!venous )(?<!pulse )(?<!arterial )pressures(?=\W+(?:were |of )?\d[^.;\n]{0,20}mm\s?hg))\b", re.I
)  # fmt: skip
_VALUE = rf"{NUMBER}\s*(?:mm\s*\[?hg\]?|kpa)?"
_DATE_OR_ACUITY = re.compile(r"^[^/]{0,3}(?:(?:6|20)/\d{1,3}\b(?! ?mm)|\d{1,2}/\d{1,2}/\d{2,4})|^\W?/(?:\d{1,3})\b$")
_HIGHEST = 90
"""mmHg; a larger number after the label is something else."""
_KILOPASCAL = 7.50062
"""mmHg in a kilopascal."""
_BLOOD = re.compile(r"\b(?:bp|blood pressures?)\b[^\d\n]{0,20}?(\d{2,3})\s*/\s*(\d{2,3})\b(?!\s*kpa)", re.I)
_SYSTOLIC, _DIASTOLIC = (50, 300), (20, 200)


def eye_pressures(text: str) -> Iterator[Quantity]:
    """Intraocular pressures in mmHg.

    >>> [(q.value, q.laterality) for q in eye_pressures("IOP R 24 L 18, BP 150/90")]
    [(24.0, 'right'), (18.0, 'left')]
    """
    for q in labelled(text, _HEAD, _VALUE, "iop", "mmHg", _is_pressure):
        kilopascal = re.search(r"\d\s*kpa\b", text[q.start : q.end], re.I)
        yield replace(q, value=round(q.value * _KILOPASCAL, 1)) if kilopascal else q


def blood_pressures(text: str) -> Iterator[Quantity]:
    """Systolic and diastolic blood pressure in mmHg."""
    for m in _BLOOD.finditer(text):
        systolic, diastolic = float(m.group(1)), float(m.group(2))
        if _SYSTOLIC[0] <= systolic <= _SYSTOLIC[1] and _DIASTOLIC[0] <= diastolic < systolic:
            yield Quantity("systolic_bp", systolic, "mmHg", "unknown", m.start(), m.end())
            yield Quantity("diastolic_bp", diastolic, "mmHg", "unknown", m.start(), m.end())


def _is_pressure(segment: str, m: re.Match[str]) -> bool:
    following = segment[m.end() : m.end() + 9].lower().lstrip()
    if not 0 < float(m.group(2)) <= _HIGHEST or following.startswith(("year", "day", "week", "month", "am", "pm", "%", ":")):
        return False
    if re.search(r"(?:\d:|below |under |<\s?|less than )$", segment[: m.start(2)]):  # a clock, or a target
        return False
    return not _DATE_OR_ACUITY.match(segment[max(0, m.start(2) - 3) : m.end() + 6])
