"""Where things are on a retina, from the optic disc and, where it was seen, the fovea. Pure geometry; sizes in pixels, distances in
disc diameters (DD).

The geometry is that of a standard posterior-pole photograph (30 to 50 degrees, upright, not mirrored). The fovea lies about 15 degrees
temporal of the disc and a little below its centre (Rohrschneider 2004: 15.5 and 1.5 degrees). The constants count in diameters of the
detector's disc box, which is a little wider than the disc; they are the medians over 224 photographs without lesions of the darkest
spot temporal of the disc (middle half: 2.16 to 2.49 temporal, 0.13 to 0.38 below).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.imaging import Box, Lesion, LesionLabel, Quadrant
from agent.values import Laterality

FOVEA_TEMPORAL_DD = 2.35
FOVEA_BELOW_DD = 0.25
FOVEA_UNCERTAINTY_DD: dict[FoveaSource, float] = {"estimated": 0.35, "detected": 0.15}
"""Radius that holds the true fovea in two of three photographs. Estimated: of the distances to the darkest spot, in the 224 photographs
above, the median is 0.28, two thirds lie within 0.35, nine tenths within 0.63; the spot itself is found wrongly in about one in twenty,
so this is on the safe side. Detected: on 90 photographs of three sources the detector's fovea lies 0.04 from that spot at the median,
two thirds within 0.06, nine tenths within 0.13; no photograph has its fovea marked, so more is claimed than that would give."""
FOVEA_FROM_DISC_DD = (1.5, 3.5)
FOVEA_TILT = 35.0
"""A detected fovea is believed at these distances from the disc, within this many degrees of the horizontal: room for a tilted head
and for a disc box that is too large or too small, not for the other side of the eye."""
CENTRED_DISC = 0.12
CENTRED_DISC_DD = 0.9
"""A disc nearer to the centre of the field than this share of its width, and than this many of its own diameters (what counts in a
wide field), does not tell the eye: the photograph is centred on the disc."""
SURE_DISC = 0.3
"""Below this score the disc may be something else, and nothing is measured from it."""
COVERED_BY_DISC: frozenset[LesionLabel] = frozenset({"hard_exudate", "soft_exudate", "drusen"})
"""Pale lesions the disc itself is taken for."""
NESTED_SHARE = 0.8
"""From this share of the smaller box on it lies in the larger one."""
UNPLACED = "unplaced"
Side = Literal["left", "right"]
FoveaSource = Literal["detected", "estimated"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """A lesion before it has a number and a place."""

    label: LesionLabel
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Retina:
    """The landmarks of one photograph of `width` x `height` pixels. `nasal` is the side of the picture the disc is on, seen from the
    fovea; `fovea` is in fractions of the picture. What is unknown is None. `note` says what contradicts what."""

    width: int
    height: int
    laterality: Laterality
    disc: Box | None
    nasal: Side | None
    fovea: Point | None
    fovea_source: FoveaSource | None = None
    fovea_score: float | None = None
    note: str = ""

    @property
    def disc_diameter(self) -> float | None:
        return disc_diameter(self.disc, self.width, self.height) if self.disc else None

    @property
    def fovea_uncertainty_dd(self) -> float | None:
        return FOVEA_UNCERTAINTY_DD[self.fovea_source] if self.fovea_source else None


def landmarks(
    width: int,
    height: int,
    field: Box | None,
    disc: Box | None,
    disc_score: float = 1.0,
    stated: Laterality = "unknown",
    fovea_seen: tuple[Point, float] | None = None,
) -> Retina:
    """Laterality, nasal side and fovea from disc and score, field of view, what the file states of the eye (`stated`) and a detected
    fovea (`fovea_seen`: its centre in fractions and its score, above the detector's threshold).

    A plausible detected fovea is taken, an implausible one replaced by the estimate from the disc. Without a disc a detected fovea
    stands alone. The eye the file states is kept when the picture shows the other; `note` then says so.

    >>> disc = Box(x1=0.70, y1=0.40, x2=0.80, y2=0.55)
    >>> right = landmarks(1500, 1000, None, disc)
    >>> right.laterality, right.nasal, tuple(round(v, 3) for v in right.fovea), right.fovea_source
    ('right', 'right', (0.515, 0.513), 'estimated')
    >>> landmarks(1500, 1000, None, disc, fovea_seen=((0.5, 0.5), 0.9)).fovea
    (0.5, 0.5)
    >>> landmarks(1500, 1000, None, disc, disc_score=0.1).laterality
    'unknown'
    """
    told: Side | None = "left" if stated == "left" else "right" if stated == "right" else None
    if disc is None or disc_score < SURE_DISC:
        if fovea_seen is None:
            return Retina(width, height, stated, None, None, None)
        return Retina(width, height, stated, None, told, fovea_seen[0], "detected", fovea_seen[1])
    seen = nasal_side(field, disc)
    if fovea_seen is not None:
        side = _side_if_plausible(disc, fovea_seen[0], {one for one in (seen, told) if one}, width, height)
        if side is not None:
            laterality, note = _settled(stated, side)
            return Retina(width, height, laterality, disc, side, fovea_seen[0], "detected", fovea_seen[1], note)
    nasal = seen or told
    laterality, note = _settled(stated, seen)
    fovea = fovea_from(disc, nasal, width, height) if nasal else None
    return Retina(width, height, laterality, disc, nasal, fovea, "estimated" if fovea else None, None, note)


def _side_if_plausible(disc: Box, fovea: Point, sides: set[Side], width: int, height: int) -> Side | None:
    """The side of the picture the disc lies on, seen from a detected fovea; None when that fovea cannot be one of this disc.

    `sides` are those the field of view and the file speak for; empty means that neither does and any side will do.
    """
    across, down = (disc.centre[0] - fovea[0]) * width, (disc.centre[1] - fovea[1]) * height
    side: Side = "right" if across > 0 else "left"
    diameter = disc_diameter(disc, width, height)
    near, far = FOVEA_FROM_DISC_DD
    level = abs(down) <= abs(across) * math.tan(math.radians(FOVEA_TILT))
    plausible = near * diameter <= math.hypot(across, down) <= far * diameter and level and (not sides or side in sides)
    return side if plausible else None


def _settled(stated: Laterality, seen: Side | None) -> tuple[Laterality, str]:
    if stated == "unknown":
        return seen or "unknown", ""
    if seen is not None and stated in ("left", "right") and stated != seen:
        return stated, f"the picture looks like a {seen} eye, the file states the {stated}: mirrored or mislabelled"
    return stated, ""


def nasal_side(field: Box | None, disc: Box) -> Side | None:
    """The side of the picture the disc lies on. In a photograph centred on the macula that is the nasal side: the right side in a
    right eye, the left side in a left eye.

    >>> nasal_side(Box(x1=0.1, y1=0, x2=0.9, y2=1), Box(x1=0.15, y1=0.4, x2=0.25, y2=0.6))
    'left'
    >>> nasal_side(None, Box(x1=0.45, y1=0.4, x2=0.55, y2=0.6)) is None
    True
    """
    left, right = (field.x1, field.x2) if field else (0.0, 1.0)
    offset = disc.centre[0] - (left + right) / 2
    if abs(offset) <= min(CENTRED_DISC * (right - left), CENTRED_DISC_DD * (disc.x2 - disc.x1)):
        return None
    return "right" if offset > 0 else "left"


def disc_diameter(disc: Box, width: int, height: int) -> float:
    """One disc diameter in pixels: the mean of the box's width and height.

    >>> disc_diameter(Box(x1=0.1, y1=0.4, x2=0.2, y2=0.6), 1600, 1000)
    180.0
    """
    return round(((disc.x2 - disc.x1) * width + (disc.y2 - disc.y1) * height) / 2, 6)


def fovea_from(disc: Box, nasal: Side, width: int, height: int) -> Point | None:
    """The estimated fovea in fractions of the picture; None when it would lie outside.

    >>> x, y = fovea_from(Box(x1=0.1, y1=0.45, x2=0.2, y2=0.55), "left", 1000, 1000)
    >>> round(x, 3), round(y, 3)
    (0.385, 0.525)
    """
    diameter = disc_diameter(disc, width, height)
    towards_temporal = -1 if nasal == "right" else 1
    x = disc.centre[0] + towards_temporal * FOVEA_TEMPORAL_DD * diameter / width
    y = disc.centre[1] + FOVEA_BELOW_DD * diameter / height
    return (x, y) if 0 <= x <= 1 and 0 <= y <= 1 else None


def quadrant(point: Point, fovea: Point | None, nasal: Side | None) -> Quadrant | None:
    """The quadrant of a point about the fovea; None when the fovea or the nasal side is unknown.

    >>> quadrant((0.2, 0.2), (0.5, 0.5), nasal="right")
    'superior_temporal'
    >>> quadrant((0.2, 0.8), (0.5, 0.5), nasal="left")
    'inferior_nasal'
    """
    if fovea is None or nasal is None:
        return None
    on_nasal_side = (point[0] > fovea[0]) == (nasal == "right")
    if point[1] < fovea[1]:
        return "superior_nasal" if on_nasal_side else "superior_temporal"
    return "inferior_nasal" if on_nasal_side else "inferior_temporal"


def distance_dd(a: Point, b: Point, retina: Retina) -> float | None:
    """The distance of two points (fractions of the picture) in disc diameters; None when the disc is unknown.

    >>> retina = landmarks(1000, 500, None, Box(x1=0.7, y1=0.4, x2=0.8, y2=0.6))
    >>> distance_dd((0.1, 0.0), (0.4, 0.8), retina)
    5.0
    """
    diameter = retina.disc_diameter
    if not diameter:
        return None
    return round(math.hypot((a[0] - b[0]) * retina.width, (a[1] - b[1]) * retina.height) / diameter, 2)


def edge_distance_dd(point: Point, box: Box, retina: Retina) -> float | None:
    """From a point to the nearest edge of a box in disc diameters, 0 inside it; None when the disc is unknown.

    >>> retina = landmarks(1000, 500, None, Box(x1=0.7, y1=0.4, x2=0.8, y2=0.6))
    >>> edge_distance_dd((0.1, 0.5), Box(x1=0.3, y1=0.4, x2=0.5, y2=0.6), retina)
    2.0
    """
    return distance_dd(point, (min(max(point[0], box.x1), box.x2), min(max(point[1], box.y1), box.y2)), retina)


def off_disc(found: Iterable[Found], disc: Box | None) -> list[Found]:
    """`found` without the pale lesions that are centred in the disc's box: they are the disc, or its rim.

    >>> disc, spot = Box(x1=0.7, y1=0.4, x2=0.8, y2=0.6), Box(x1=0.74, y1=0.48, x2=0.76, y2=0.52)
    >>> [one.label for one in off_disc([Found("drusen", 0.9, spot), Found("haemorrhage", 0.9, spot)], disc)]
    ['haemorrhage']
    """
    return [one for one in found if not on_disc(one.label, one.box, disc)]


def on_disc(label: str | None, box: Box, disc: Box | None) -> bool:
    """Whether a box is the disc itself, or its rim, taken for a pale lesion."""
    return disc is not None and label in COVERED_BY_DISC and holds(disc, box.centre)


def unnested(found: Iterable[Found]) -> list[Found]:
    """`found`, best first, without the worse of two boxes of one label of which the smaller lies in the larger: a lesion and the bundle
    around it would count twice.

    >>> bundle, speck, apart = Box(x1=0, y1=0, x2=0.4, y2=0.4), Box(x1=0.1, y1=0.1, x2=0.2, y2=0.2), Box(x1=0.3, y1=0.3, x2=0.5, y2=0.5)
    >>> [one.score for one in unnested([Found("drusen", 0.5, bundle), Found("drusen", 0.9, speck), Found("drusen", 0.4, apart)])]
    [0.9, 0.4]
    """
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: -one.score):
        if not any(one.label == other.label and _nested(one.box, other.box) for other in kept):
            kept.append(one)
    return kept


def _nested(a: Box, b: Box) -> bool:
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    smaller = min((a.x2 - a.x1) * (a.y2 - a.y1), (b.x2 - b.x1) * (b.y2 - b.y1))
    return width > 0 and height > 0 and width * height > NESTED_SHARE * smaller


def holds(box: Box, point: Point) -> bool:
    """Whether the point lies in the box, its edges included."""
    return box.x1 <= point[0] <= box.x2 and box.y1 <= point[1] <= box.y2


def place(found: Iterable[Found], retina: Retina) -> tuple[Lesion, ...]:
    """Numbers lesions from 1 by falling score (ties: by label, then from upper left) and says where each lies.

    >>> boxes = Box(x1=0.1, y1=0.1, x2=0.2, y2=0.2), Box(x1=0.5, y1=0.5, x2=0.6, y2=0.6)
    >>> [(l.number, l.score) for l in place([Found("drusen", s, b) for s, b in zip((0.3, 0.9), boxes)], landmarks(10, 10, None, None))]
    [(1, 0.9), (2, 0.3)]
    """
    ordered = sorted(found, key=lambda one: (-one.score, one.label, one.box.y1, one.box.x1, one.box.y2, one.box.x2))
    return tuple(
        Lesion(
            number=number,
            label=one.label,
            score=one.score,
            box=one.box,
            quadrant=quadrant(one.box.centre, retina.fovea, retina.nasal),
            disc_distance_dd=distance_dd(one.box.centre, retina.disc.centre, retina) if retina.disc else None,
            fovea_distance_dd=distance_dd(one.box.centre, retina.fovea, retina) if retina.fovea else None,
            fovea_edge_dd=edge_distance_dd(retina.fovea, one.box, retina) if retina.fovea else None,
        )
        for number, one in enumerate(ordered, start=1)
    )


def counts(lesions: Sequence[Lesion]) -> dict[str, dict[str, int]]:
    """Number of lesions per label and quadrant, by their centres; those without a quadrant count as 'unplaced'.

    >>> counts(place([Found("drusen", 0.5, Box(x1=0.1, y1=0.1, x2=0.2, y2=0.2))], landmarks(10, 10, None, None)))
    {'drusen': {'unplaced': 1}}
    """
    table: dict[str, dict[str, int]] = {}
    for lesion in lesions:
        row = table.setdefault(lesion.label, {})
        row[lesion.quadrant or UNPLACED] = row.get(lesion.quadrant or UNPLACED, 0) + 1
    return table
