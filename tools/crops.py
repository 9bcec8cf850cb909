"""A close look at each cluster of lesions: crops of the photograph that a reasoner can be shown beside the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.imaging import Box, ImageFindings, Lesion
from tools.clusters import Rectangle, around, clusters

if TYPE_CHECKING:
    from PIL.Image import Image

REACH_DD = 0.5
"""Lesions with gaps up to this are looked at together."""
SPAN_DD = 3.0
"""A larger cluster is divided: a crop of half the fundus is no closer look."""
MARGIN_DD = 0.25
FIELD_DD = 7.0
"""Disc diameters across the field of a 45 to 50 degree photograph: the unit where no disc was found."""
LEAST_SIDE = 256
"""Pixels: a smaller crop shows a lesion without its surroundings."""
MOST = 10
NEAR_FOVEA_DD = 1.0


@dataclass(frozen=True, slots=True)
class CropRegion:
    """One crop: `number` from 1, the most important first; its place in fractions of the photograph; `lesions` the numbers, as on the
    overlay, of all lesions whose centre it shows, `labels` how many of each label they are; `because` names what put it there."""

    number: int
    box: Box
    lesions: tuple[int, ...]
    labels: dict[str, int]
    because: str

    @property
    def caption(self) -> str:
        """One line for a reader of the crop, e.g. 'Close-up 1 (12 hard exudate; within one disc diameter of the fovea)'."""
        counted = ", ".join(f"{count} {label.replace('_', ' ')}" for label, count in self.labels.items())
        return f"Close-up {self.number} ({counted}; {self.because})"


def regions(findings: ImageFindings, size: tuple[int, int], least_side: int = LEAST_SIDE, most: int = MOST) -> tuple[CropRegion, ...]:
    """Where to look closer in a photograph of `size` (width, height) pixels; empty without lesions.

    First new vessels and exudates within one disc diameter of the fovea, then by the sum of the detector's scores. Each crop is square
    where the photograph allows, at least `least_side` pixels (less only where the photograph is smaller), and inside the photograph.
    """
    unit = _unit(findings, size)
    frames = [_pixels(lesion.box, size) for lesion in findings.lesions]
    groups = [part for group in clusters(frames, REACH_DD * unit) for part in _divided(group, frames, SPAN_DD * unit)]
    ranked = sorted(groups, key=lambda group: (_rank(findings.lesions, group), -sum(findings.lesions[i].score for i in group), group))
    found: list[CropRegion] = []
    shown: set[int] = set()
    for group in ranked:
        left = [i for i in group if findings.lesions[i].number not in shown]
        if len(found) == most:
            break
        if not left:  # earlier crops show them all
            continue
        square = _square(around([frames[i] for i in left]), MARGIN_DD * unit, least_side, size)
        box = Box(x1=square[0] / size[0], y1=square[1] / size[1], x2=square[2] / size[0], y2=square[3] / size[1])
        inside = [one for one in findings.lesions if _holds(square, _pixels(one.box, size))]
        shown |= {one.number for one in inside}
        labels: Counter[str] = Counter(one.label for one in inside)
        because = _REASONS[_rank(findings.lesions, left)]
        found.append(CropRegion(len(found) + 1, box, tuple(one.number for one in inside), dict(labels), because))
    return tuple(found)


def crop(pixels: Image, findings: ImageFindings, least_side: int = LEAST_SIDE, most: int = MOST) -> list[tuple[CropRegion, Image]]:
    """The regions with their pixels: RGB copies at full resolution, without metadata and without anything drawn on them."""
    cut = []
    for region in regions(findings, pixels.size, least_side, most):
        x1, y1, x2, y2 = (round(value) for value in _pixels(region.box, pixels.size))
        picture = pixels.crop((x1, y1, x2, y2)).convert("RGB")
        picture.info = {}
        cut.append((region, picture))
    return cut


_REASONS = ("new vessels", "exudate within one disc diameter of the fovea", "a cluster of lesions", "a single lesion")


def _rank(lesions: Sequence[Lesion], group: Sequence[int]) -> int:
    members = [lesions[i] for i in group]
    if any(one.label == "neovascularisation" for one in members):
        return 0
    if any(one.label == "hard_exudate" and one.fovea_edge_dd is not None and one.fovea_edge_dd <= NEAR_FOVEA_DD for one in members):
        return 1
    return 2 if len(members) > 1 else 3


def _divided(group: list[int], frames: Sequence[Rectangle], limit: float) -> list[list[int]]:
    """The group in parts no wider or higher than `limit`, cut where its centres lie farthest apart; a single box stays whole."""
    x1, y1, x2, y2 = around([frames[i] for i in group])
    if len(group) == 1 or max(x2 - x1, y2 - y1) <= limit:
        return [group]
    axis = 0 if x2 - x1 >= y2 - y1 else 1
    ordered = sorted(group, key=lambda i: (_middle(frames[i])[axis], i))
    at = [_middle(frames[i])[axis] for i in ordered]
    # of the widest steps the one nearest the middle, so that a dense group is halved and not peeled
    cut = max(range(1, len(ordered)), key=lambda k: (round((at[k] - at[k - 1]) / limit, 1), -abs(k - len(ordered) / 2)))
    return _divided(sorted(ordered[:cut]), frames, limit) + _divided(sorted(ordered[cut:]), frames, limit)


def _square(frame: Rectangle, margin: float, least: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    side = max(frame[2] - frame[0] + 2 * margin, frame[3] - frame[1] + 2 * margin, least)
    (x1, x2), (y1, y2) = (_span((frame[axis] + frame[axis + 2]) / 2, side, size[axis]) for axis in (0, 1))
    return x1, y1, x2, y2


def _span(middle: float, side: float, whole: int) -> tuple[int, int]:
    long = min(round(side), whole)
    start = min(max(0, round(middle - long / 2)), whole - long)
    return start, start + long


def _unit(findings: ImageFindings, size: tuple[int, int]) -> float:
    """One disc diameter in pixels of a picture of `size`: measured, or guessed from the width of the field."""
    if findings.optic_disc_diameter_px:
        return findings.optic_disc_diameter_px * size[0] / findings.image.width
    field = findings.field_of_view
    return (field.x2 - field.x1 if field else 1.0) * size[0] / FIELD_DD


def _pixels(box: Box, size: tuple[int, int]) -> Rectangle:
    return box.x1 * size[0], box.y1 * size[1], box.x2 * size[0], box.y2 * size[1]


def _middle(frame: Rectangle) -> tuple[float, float]:
    return (frame[0] + frame[2]) / 2, (frame[1] + frame[3]) / 2


def _holds(outer: Rectangle, inner: Rectangle) -> bool:
    x, y = _middle(inner)
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
