"""How far from the fovea a narrative puts exudates: "3.6 DD from the fovea" is far, "within 500 microns of the foveal centre" is near."""

from __future__ import annotations

import re
from collections.abc import Iterator

from knowledge.reading.quantity import NUMBER

NEAR_DD = 1.0
"""Disc diameters from the fovea within which exudates count as near (referable maculopathy of the English screening programme)."""
_DISC_MICRONS = 1500
"""A disc diameter in µm, as the ETDRS takes it."""
_FOVEA = r"(?:the )?(?:cent(?:re|er) of the )?(?:fovea\w*|macula\w*)"
_DISTANCE = re.compile(
    rf"\bexudat\w+\b[^.;\n]{{0,40}}?\b{NUMBER}\s*(?:-\s*)?(dd|disc[- ]diamet\w+|disk[- ]diamet\w+|µm|μm|um|microns?|micromet\w+|mm)\b\s*"
    rf"(?:away |distant )?(?:from|of|to)\s+{_FOVEA}", re.I
)  # fmt: skip


def exudate_distances(text: str) -> Iterator[tuple[int, int, float]]:
    """Characters and distance (disc diameters) of exudates from the fovea.

    >>> [round(dd, 1) for _, _, dd in exudate_distances("Exudates 3.6 DD from the fovea. Exudates within 500 microns of the fovea.")]
    [3.6, 0.3]
    """
    for m in _DISTANCE.finditer(text):
        unit = m.group(2).lower()
        microns = 1000 if unit == "mm" else 1
        yield m.start(), m.end(), float(m.group(1)) if unit.startswith(("dd", "dis")) else float(m.group(1)) * microns / _DISC_MICRONS
