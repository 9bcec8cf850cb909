"""A procedural colour fundus photograph: deterministic, with ground truth, from numpy and Pillow alone.

For examples, tests and pre-training. The pictures show nobody; they are illustrations of findings, not of patients.

>>> seen = render(Scene(width=160, lesions=(LesionGroup(kind="blot_haemorrhage", count=2),)), seed=1)
>>> seen.image.size, len(seen.lesions), seen.lesions[0].label
((160, 107), 2, 'haemorrhage')
"""

from __future__ import annotations

import numpy as np

from agent.domain import Box
from tools.renderer import fundus, vessels
from tools.renderer.camera import photograph
from tools.renderer.geometry import Layout, layout
from tools.renderer.lesions import add_lesions
from tools.renderer.scene import Camera, Disc, LesionGroup, Rendered, Scene, TrueLesion

__all__ = ["Camera", "Disc", "LesionGroup", "Rendered", "Scene", "TrueLesion", "render"]


def render(scene: Scene, seed: int = 0) -> Rendered:
    """The same scene and seed give the same picture, byte for byte on one platform. About a second at 1600 pixels.

    Every stage draws its own random numbers, so that adding a lesion moves no vessel. Raises ValueError for a negative seed.
    """
    streams = [np.random.default_rng([seed, stage]) for stage in range(6)]
    where = layout(scene, streams[0])
    picture = fundus.background(scene, where, streams[1])
    fundus.add_disc(picture, scene, where, streams[2])
    fundus.add_vessels(picture, vessels.grow(scene, streams[3]), scene, where)
    lesions = add_lesions(picture, scene, where, streams[4])
    image = photograph(picture, scene.camera, where, streams[5])
    half = where.dd / 2 * (1 + 0.24 * scene.disc.swelling)
    return Rendered(
        image=image,
        optic_disc=_box(where, where.disc, half * 0.94, half * 1.06),
        fovea=(where.fovea[0] / where.width, where.fovea[1] / where.height),
        field_of_view=_box(where, (where.cx, where.cy), where.radius, where.radius),
        laterality=scene.laterality,
        lesions=lesions,
    )


def _box(where: Layout, centre: tuple[float, float], across: float, down: float) -> Box:
    x1, x2 = np.clip([(centre[0] - across) / where.width, (centre[0] + across) / where.width], 0, 1).tolist()
    y1, y2 = np.clip([(centre[1] - down) / where.height, (centre[1] + down) / where.height], 0, 1).tolist()
    return Box(x1=x1, y1=y1, x2=x2, y2=y2)
