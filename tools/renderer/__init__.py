"""A procedural colour fundus photograph: deterministic, with ground truth, from numpy and Pillow alone.

For examples, tests and pre-training. The pictures show nobody; they are illustrations of findings, not of patients.

>>> seen = render(Scene(width=160, lesions=(LesionGroup(kind="blot_haemorrhage", count=2),)), seed=1)
>>> seen.image.size, len(seen.lesions), seen.lesions[0].label
((160, 107), 2, 'haemorrhage')
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.imaging import Box
from tools.renderer import fundus, vessels
from tools.renderer.camera import photograph
from tools.renderer.geometry import Layout, layout
from tools.renderer.lesions import add_lesions
from tools.renderer.lookalikes import on_retina
from tools.renderer.scene import LABELS, Camera, Disc, Kind, LesionGroup, LookAlike, Rendered, Scene, TrueLesion
from tools.renderer.sight import Footprint, box_of, occupied, visibility

__all__ = ["Camera", "Disc", "LesionGroup", "LookAlike", "Rendered", "Scene", "TrueLesion", "render"]


def render(scene: Scene, seed: int = 0) -> Rendered:
    """The same scene and seed give the same picture, byte for byte on one platform. About a second at 1600 pixels.

    Every stage draws its own random numbers, so that adding a lesion moves no vessel. Raises ValueError for a negative seed.
    """
    streams = [np.random.default_rng([seed, stage]) for stage in range(8)]
    where = layout(scene, streams[0])
    picture = fundus.background(scene, where, streams[1])
    fundus.add_disc(picture, scene, where, streams[2])
    grown = vessels.grow(scene, streams[3])
    fundus.add_vessels(picture, grown, scene, where)
    on_retina(picture, scene.look_alikes, grown, where, streams[6])
    drawn = add_lesions(picture, scene, where, streams[4])
    image = photograph(picture, scene, where, streams[5], streams[7])
    disc, disc_share = _within(where, where.disc, *_disc_extent(scene, where), round_=True)
    fovea, fovea_share = _within(where, where.fovea, 0.3 * where.dd, 0.3 * where.dd, round_=False)
    return Rendered(
        image=image,
        optic_disc=disc,
        fovea=(where.fovea[0] / where.width, where.fovea[1] / where.height),
        field_of_view=_box(where, (where.cx, where.cy), where.radius, where.radius * where.cut),
        laterality=scene.laterality,
        lesions=_truth(drawn, np.asarray(image), where),
        fovea_box=fovea,
        disc_share=disc_share,
        fovea_share=fovea_share,
    )


def _truth(drawn: list[tuple[Kind, Footprint]], image: NDArray[np.uint8], where: Layout) -> tuple[TrueLesion, ...]:
    """What lies within the field, with its tight box and how well it is seen."""
    boxes = ((kind, seen, box_of(seen, where)) for kind, seen in drawn)
    taken = occupied([seen for _, seen in drawn], where)
    return tuple(TrueLesion(LABELS[kind], kind, box, visibility(image, seen, taken, where)) for kind, seen, box in boxes if box is not None)


def _disc_extent(scene: Scene, where: Layout) -> tuple[float, float]:
    """Half width and half height of the disc in pixels."""
    disc = scene.disc
    half = where.dd / 2 * (1 + 0.24 * disc.swelling) * disc.size
    across, down = 0.94, 1.06
    if disc.tilt:
        lean = np.deg2rad(disc.tilt_axis) * where.nasal
        # An ellipse squeezed along one axis and turned: its half extents are the norms of the rows of its matrix.
        turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        matrix = np.diag([across, down]) @ turn @ np.diag([1 - 0.35 * disc.tilt, 1.0]) @ turn.T
        across, down = (float(n) for n in np.hypot(matrix[:, 0], matrix[:, 1]))
    return half * across, half * down


def _within(where: Layout, centre: tuple[float, float], across: float, down: float, *, round_: bool) -> tuple[Box, float]:
    """The box of what the field shows of an ellipse (`round_`) or a rectangle, and the share shown."""
    steps = (np.arange(80) + 0.5) / 40 - 1
    u, v = steps[None, :], steps[:, None]
    shape = (u * u + v * v < 1) if round_ else np.ones((80, 80), bool)
    x, y = centre[0] + across * u, centre[1] + down * v
    shown = shape & ((x - where.cx) ** 2 + (y - where.cy) ** 2 < where.radius**2) & (np.abs(y - where.cy) < where.cut * where.radius)
    shown &= (x >= 0) & (x < where.width) & (y >= 0) & (y < where.height)
    share = float(shown.sum() / shape.sum())
    if share in (0.0, 1.0):
        return _box(where, centre, across, down), share
    rows, columns = np.flatnonzero(shown.any(axis=1)) / 40 - 1, np.flatnonzero(shown.any(axis=0)) / 40 - 1
    left, right = centre[0] + across * columns[0], centre[0] + across * (columns[-1] + 0.025)
    top, bottom = centre[1] + down * rows[0], centre[1] + down * (rows[-1] + 0.025)
    return _box(where, ((left + right) / 2, (top + bottom) / 2), (right - left) / 2, (bottom - top) / 2), share


def _box(where: Layout, centre: tuple[float, float], across: float, down: float) -> Box:
    x1, x2 = np.clip([(centre[0] - across) / where.width, (centre[0] + across) / where.width], 0, 1).tolist()
    y1, y2 = np.clip([(centre[1] - down) / where.height, (centre[1] + down) / where.height], 0, 1).tolist()
    return Box(x1=x1, y1=y1, x2=x2, y2=y2)
