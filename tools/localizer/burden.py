"""How much lies where: the area of lesions per quadrant, and the exudate nearest to the fovea. Pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from agent.imaging import Box, Lesion, Quadrant
from tools.localizer.anatomy import UNPLACED, Retina, quadrant

Bounds = tuple[float, float, float, float]


def areas(lesions: Sequence[Lesion], retina: Retina) -> dict[str, dict[str, float]]:
    """Area per label and quadrant in squared disc diameters: of the union of the boxes, so that overlapping boxes count once.

    A box that straddles a quadrant's border is divided there. All of it is 'unplaced' where the fovea or the eye is unknown; without
    a disc there is no unit, and the table is empty.

    >>> from tools.localizer.anatomy import Found, landmarks, place
    >>> retina = landmarks(1000, 1000, None, Box(x1=0.7, y1=0.45, x2=0.8, y2=0.55))
    >>> twice = [Found("drusen", 0.5, Box(x1=0.1, y1=0.1, x2=0.2, y2=0.2))] * 2
    >>> areas(place(twice, retina), retina)
    {'drusen': {'superior_temporal': 1.0}}
    """
    diameter = retina.disc_diameter
    if not diameter:
        return {}
    unit = retina.width * retina.height / diameter**2
    table: dict[str, dict[str, float]] = {}
    for label in dict.fromkeys(lesion.label for lesion in lesions):
        boxes = [lesion.box for lesion in lesions if lesion.label == label]
        for name, part in _parts(retina):
            area = union_area([_clipped(box, part) for box in boxes]) * unit
            if area > 0:
                table.setdefault(label, {})[name] = round(area, 4)
    return table


def nearest_exudate(lesions: Sequence[Lesion], retina: Retina) -> tuple[float, tuple[float, float]] | None:
    """Distance of the fovea to the nearest edge of a hard exudate's box in DD (0 inside it), and its range by the fovea's uncertainty.

    A box can be larger than what it holds: the exudate itself may lie farther. None without exudates, disc or fovea.
    """
    edges = [lesion.fovea_edge_dd for lesion in lesions if lesion.label == "hard_exudate" and lesion.fovea_edge_dd is not None]
    if not edges:
        return None
    nearest, doubt = min(edges), retina.fovea_uncertainty_dd or 0.0
    return nearest, (round(max(0.0, nearest - doubt), 2), round(nearest + doubt, 2))


def union_area(boxes: Sequence[Bounds]) -> float:
    """Area covered by axis-aligned boxes (x1, y1, x2, y2), overlaps once; boxes without extent cover nothing.

    >>> union_area([(0, 0, 2, 2), (1, 1, 3, 3)])
    7.0
    """
    solid = [box for box in boxes if box[2] > box[0] and box[3] > box[1]]
    columns = sorted({x for box in solid for x in (box[0], box[2])})
    total = 0.0
    for left, right in pairwise(columns):
        covered, reach = 0.0, float("-inf")
        for low, high in sorted((box[1], box[3]) for box in solid if box[0] <= left and box[2] >= right):
            covered += max(0.0, high - max(low, reach))
            reach = max(reach, high)
        total += covered * (right - left)
    return total


def _clipped(box: Box, part: Bounds) -> Bounds:
    return max(box.x1, part[0]), max(box.y1, part[1]), min(box.x2, part[2]), min(box.y2, part[3])


def _parts(retina: Retina) -> list[tuple[Quadrant | str, Bounds]]:
    """The four quadrants as parts of the picture, or the whole of it as 'unplaced'."""
    if retina.fovea is None or retina.nasal is None:
        return [(UNPLACED, (0.0, 0.0, 1.0, 1.0))]
    x, y = retina.fovea
    corners = [(0.0, 0.0, x, y), (x, 0.0, 1.0, y), (0.0, y, x, 1.0), (x, y, 1.0, 1.0)]
    middles = [((a + c) / 2, (b + d) / 2) for a, b, c, d in corners]
    return [(quadrant(middle, retina.fovea, retina.nasal) or UNPLACED, part) for middle, part in zip(middles, corners, strict=True)]
