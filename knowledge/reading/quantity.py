"""A measured value, and the words that say which eye it is of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from agent.values import Laterality

Kind = Literal[
    "iop", "logmar", "cup_to_disc_ratio", "axial_length", "mean_deviation", "corneal_thickness", "systolic_bp", "diastolic_bp", "hba1c",
    "esr", "crp", "duration_days",
]  # fmt: skip
NUMBER = r"(\d+(?:\.\d+)?)"
SIDE = r"(right|left|both|bilateral(?:ly)?|each(?= eye)|either(?= eye)|od|os|ou|re|le|rva|lva|r|l)\b"
_MOST = 4
"""Values read after one label at most: two eyes, twice."""
_END = re.compile(r"[.;](?=\s)|\n")
_CHANGED = re.compile(r"\s*(?:mm\s*hg)?\s*(?:to|->|→)\s*", re.I)
"""What stands between two values of one eye: "from 44 to 21"."""
_OTHER_LABEL = re.compile(
    r"\b(?:cdr|c\s?[/:]\s?d|cup\w*|vas?|bcva|ucva|vision|visual|acuity|cct|pachymetry|bp|blood pressure|hba1c|crp|esr|pulse|axial"
    r"|k1|k2|ks|refraction|temperature|disc|discs|lens|cells?|aged?|iops?|intra-?ocular|target|goal)\b",
    re.I,
)
"""Labels of other measurements: a number after them belongs to them."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured value at characters `start` to `end` of the narrative.

    Units by `measure`: iop and blood pressures mmHg, logmar logMAR, cup_to_disc_ratio ratio, axial_length mm, mean_deviation dB,
    corneal_thickness µm, hba1c %, esr mm/h, crp mg/L, duration_days days.
    """

    measure: Kind
    value: float
    unit: str
    laterality: Laterality
    start: int
    end: int


def named_side(word: str) -> Laterality:
    """
    >>> named_side("OD"), named_side("each"), named_side("")
    ('right', 'both', 'unknown')
    """
    word = word.lower()
    if word in ("right", "od", "re", "r", "rva"):
        return "right"
    if word in ("left", "os", "le", "l", "lva"):
        return "left"
    return "both" if word else "unknown"


def last_side(lead: str) -> Laterality:
    """The side named last in the words before a value."""
    sides = re.findall(rf"\b{SIDE}", lead, re.I)
    return named_side(sides[-1]) if sides else "unknown"


def labelled(
    text: str, head: re.Pattern[str], value: str, measure: Kind, unit: str, valid: Callable[[str, re.Match[str]], bool], reach: int = 90
) -> Iterator[Quantity]:
    """Values of one kind after its label, each with its eye: "R 24 L 18", "24 OD, 18 OS", "24 and 18" (right first), "24 in the left".

    `value` is a pattern with one group; `valid` is asked with the text after the label and the match. A label reaches to the end of its
    sentence or to the next label, at most `reach` characters; "from 44 to 21" are two values of one eye.
    """
    shape = _shape(value)
    for found in head.finditer(text):
        segment = _segment(text, found, reach)
        values = [m for m in shape.finditer(segment) if valid(segment, m)][:_MOST]
        lead = last_side(_END.split(text[max(0, found.start() - 25) : found.start()])[-1])
        for m, side in zip(values, _sides(values, lead, segment), strict=True):
            if side is not None:
                number = float(m.group(2).replace("−", "-").replace("–", "-"))
                yield Quantity(measure, number, unit, side, found.start(), found.end() + m.end())


@cache
def _shape(value: str) -> re.Pattern[str]:
    before = rf"(?:{SIDE}\W{{0,3}}(?:eye\W{{0,2}})?(?:(?:was|is|of|at)\s+)?)?"
    behind = rf"(?:\W{{0,3}}(?:(?:in|on)\s+(?:the\s+|his\s+|her\s+)?)?{SIDE})?"
    return re.compile(f"{before}{value}{behind}", re.I)


def _segment(text: str, head: re.Match[str], reach: int) -> str:
    stop = re.search(r"[.;](?=\s|$)|(?<=[\w)%])\s*\n", text[head.end() : head.end() + reach])
    end = head.end() + (stop.start() if stop else reach)
    label = _OTHER_LABEL.search(text, head.end(), end)
    return text[head.end() : label.start() if label else end]


def _sides(values: Sequence[re.Match[str]], lead: Laterality, segment: str) -> list[Laterality | None]:
    """The eye of each value; None for a later value of an eye that has one, unless the text says that it changed to it."""
    sides: list[Laterality | None] = []
    for order, m in enumerate(values):
        own = named_side(m.group(1) or m.group(3) or "")
        if order and _CHANGED.fullmatch(segment[values[order - 1].end(2) : m.start(2)]):
            sides[-1] = own if sides[-1] in ("unknown", "right") and not values[order - 1].group(1) and own != "unknown" else sides[-1]
            sides.append(sides[-1])
            continue
        side: Laterality | None = own
        if own == "unknown":
            side = lead if order == 0 and (len(values) == 1 or lead != "unknown") else ("right", "left")[order] if order < 2 else None
        sides.append(None if side in sides or "both" in sides else side)
    return sides
