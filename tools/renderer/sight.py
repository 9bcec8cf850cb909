"""How well a drawn lesion can still be seen in the finished photograph.

Haze, blur, noise and darkness hide what was drawn. The measure is the contrast a grader has to go by: the colour inside the lesion
against the median around it, in steps of the picture's own noise and of the eye's (about 2 of 256 levels, fewer for larger areas).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.imaging import Box
from tools.renderer.geometry import Layout, Plane, blurred

MASK_FLOOR = 0.3
"""A pixel belongs to a lesion from this share of its full strength on."""
FREE = 0.03
"""Below this share of its strength a lesion is taken for absent."""
FEWEST_PIXELS = 9
PLAIN_TO_SEE = 18.0
"""Levels of 256 at which a lesion of about 1/12 DD is plain to see."""


@dataclass(slots=True)
class Footprint:
    """The masks of one lesion: upper left corner in pixels, and 0 to 1."""

    pieces: list[tuple[int, int, Plane]] = field(default_factory=list)

    def include(self, left: int, top: int, mask: Plane) -> None:
        self.pieces.append((left, top, mask))

    def mask(self, where: Layout, margin: int) -> tuple[int, int, Plane] | None:
        """Left, top and the strongest mask within the round field over the box of the lesion grown by `margin`; None if none is left."""
        found: list[tuple[int, int, int, int]] = []
        kept: list[tuple[int, int, Plane]] = []
        for left, top, mask in self.pieces:
            x = np.arange(left, left + mask.shape[1])[None, :] + 0.5 - where.cx
            y = np.arange(top, top + mask.shape[0])[:, None] + 0.5 - where.cy
            inside = np.where((x * x + y * y < (where.radius - 1) ** 2) & (np.abs(y) < where.radius * where.cut), mask, 0)
            strong = inside > MASK_FLOOR
            rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
            if rows.size:
                kept.append((left, top, inside))
                found.append((left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1))
        if not found:
            return None
        x1, y1 = max(0, min(f[0] for f in found) - margin), max(0, min(f[1] for f in found) - margin)
        x2, y2 = min(where.width, max(f[2] for f in found) + margin), min(where.height, max(f[3] for f in found) + margin)
        whole: Plane = np.zeros((y2 - y1, x2 - x1), np.float32)
        for left, top, mask in kept:
            a, b = max(0, x1 - left), max(0, y1 - top)
            piece = mask[b : y2 - top, a : x2 - left]
            part = whole[top + b - y1 : top + b - y1 + piece.shape[0], left + a - x1 : left + a - x1 + piece.shape[1]]
            np.maximum(part, piece, out=part)
        return x1, y1, whole


def box_of(footprint: Footprint, where: Layout) -> Box | None:
    """The tight box of what lies within the field, in fractions of the picture."""
    seen = footprint.mask(where, 0)
    if seen is None:
        return None
    left, top, mask = seen
    return Box(
        x1=left / where.width,
        y1=top / where.height,
        x2=(left + mask.shape[1]) / where.width,
        y2=(top + mask.shape[0]) / where.height,
    )


def occupied(footprints: Sequence[Footprint], where: Layout) -> NDArray[np.bool_]:
    """Where any lesion lies, height x width: no lesion is measured against its neighbour."""
    taken = np.zeros((where.height, where.width), np.bool_)
    for footprint in footprints:
        for left, top, mask in footprint.pieces:
            taken[top : top + mask.shape[0], left : left + mask.shape[1]] |= mask > FREE
    return taken


def visibility(image: NDArray[np.uint8], footprint: Footprint, taken: NDArray[np.bool_], where: Layout) -> float:
    """0 (not to be seen) to 1 (plain), from the 8-bit picture, height x width x 3; `taken` as `occupied` gives it."""
    for margin in (0.06, 0.25):
        seen = footprint.mask(where, max(4, round(margin * where.dd)))
        if seen is None:
            return 0.0
        left, top, mask = seen
        window = slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1])
        cut = image[window].astype(np.float32)
        core, ring = mask > max(MASK_FLOOR, 0.6 * float(mask.max())), ~taken[window] & (cut.sum(axis=2) > 24)
        if ring.sum() >= max(8, 0.1 * ring.size):
            break
    if not core.any() or ring.sum() < 8:
        return 0.0
    if core.mean() < 0.15:
        # A net of fine lines over other vessels: compared with what lies between its lines, vessels and all.
        near = ring & (blurred(core.astype(np.float32), 0.03 * where.dd) > 0.02)
        around = cut[near if near.sum() >= 8 else ring].mean(axis=0)
    else:
        around = np.median(cut[ring], axis=0)
    step = np.abs(cut[core].mean(axis=0) - around)
    contrast = float(step @ np.array([0.35, 0.50, 0.15])) * (1 + 0.35 * float(np.clip(1 - around.mean() / 110, 0, 1)))
    spread = float(np.abs(cut[ring] - around).mean())
    across = np.sqrt(float(core.sum())) / where.dd
    needed = PLAIN_TO_SEE * float(np.clip((0.08 / max(across, 1e-3)) ** 0.3, 0.6, 1.5)) * (1 + 0.03 * spread)
    return float(np.clip(contrast / needed, 0, 1)) * min(1.0, float((mask > MASK_FLOOR).sum()) / FEWEST_PIXELS)
