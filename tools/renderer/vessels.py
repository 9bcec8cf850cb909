"""Retinal vessels: four arcades of an artery and a vein each, grown from the disc, branching and tapering around the macula.

Grown in disc coordinates (temporal, up) in DD. Temporal vessels follow the parabolas that retinal nerve fibres follow too
(v = k sqrt(t), flattening behind the fovea); nasal ones radiate. Widths are in DD: a vein leaves the disc about 1/12 DD wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from tools.renderer.geometry import FOVEA_BELOW_DD, FOVEA_TEMPORAL_DD, Layout, Plane, Points, blurred
from tools.renderer.scene import Scene

STRIDE = 0.035
THINNEST = 0.0065
CELL = 0.07
Direction = tuple[float, float]
Taken = dict[tuple[str, int, int], int]
"""Which run passed through which square of the retina, by kind: twigs of one kind do not run along or across each other."""

PULL = {"arcade": 0.11, "nasal": 0.05, "peripheral": 0.035, "macular": 0.05}

# How far above and below the fovea the arcades pass.
ARCADE_HEIGHT_DD = 2.05


@dataclass(frozen=True, slots=True)
class Vessel:
    """One unbranched run: (temporal, up) points and the width at each, in DD."""

    points: Points
    widths: Points
    kind: Literal["artery", "vein"]


def flow(point: Points) -> Points:
    """Unit direction away from the disc that vessels and nerve fibres take at a point (temporal, up) in DD.

    >>> bool(flow(np.array([1.0, 2.0]))[1] > 0 > flow(np.array([1.0, -2.0]))[1])
    True
    """
    return np.array(_flow(float(point[0]), float(point[1])))


def _flow(t: float, v: float) -> Direction:
    return _arcade_flow(t, v) if t > 0.15 else _unit(t - 0.35, v)


def _arcade_flow(t: float, v: float) -> Direction:
    """The direction of a temporal arcade at (temporal, up): along its parabola, and back towards it where it strayed."""
    t = max(t, 0.22)
    scaled = t / FOVEA_TEMPORAL_DD
    slope = v / (2 * t) * (1 - scaled / 1.3)
    target = math.copysign(1.0, v) * ARCADE_HEIGHT_DD * math.sqrt(scaled) * (1 - 0.12 * max(0.0, scaled - 1))
    return _unit(1.0, slope + 0.35 * (target - v))


def _unit(t: float, v: float) -> Direction:
    length = math.hypot(t, v) + 1e-9
    return t / length, v / length


def grow(scene: Scene, rng: np.random.Generator) -> list[Vessel]:
    """The whole tree, arteries and veins."""
    vessels: list[Vessel] = []
    taken: Taken = {}
    kinds: tuple[Literal["vein", "artery"], ...] = ("vein", "artery")
    for kind in kinds:
        # angle from temporal horizontal at the disc, width, length in DD
        arcades = ((76, 0.066, 7.5), (-76, 0.068, 7.5), (126, 0.046, 4.2), (-130, 0.046, 4.2))
        for angle, width, length in arcades:
            if kind == "artery":
                width, angle = width * 0.74, angle + np.sign(angle) * rng.uniform(-16, -6)
            else:
                width *= scene.venous_dilation
            heading = np.deg2rad(angle + rng.normal(0, 6))
            start = np.array([-0.07, 0.0]) + 0.035 * np.array([np.cos(heading), np.sin(heading)]) + rng.normal(0, 0.015, 2)
            role: Literal["arcade", "nasal"] = "arcade" if abs(angle) < 100 else "nasal"
            vessels += _branch(rng, start, heading, width * rng.uniform(0.92, 1.08), length, kind, role, 0, scene.tortuosity, taken)
        for _ in range(2 if kind == "artery" else 1):
            # cilioretinal-like twigs from the disc straight to the macula
            heading = np.deg2rad(rng.choice([-1, 1]) * rng.uniform(12, 40))
            start = 0.42 * np.array([np.cos(heading), np.sin(heading)])
            vessels += _branch(rng, start, heading, 0.018, 1.6, kind, "macular", 2, scene.tortuosity, taken)
    return vessels


def _branch(
    rng: np.random.Generator,
    start: Points,
    heading: float,
    width: float,
    length: float,
    kind: Literal["artery", "vein"],
    role: Literal["arcade", "nasal", "peripheral", "macular"],
    depth: int,
    tortuosity: float,
    taken: Taken,
) -> list[Vessel]:
    steps = max(4, int(length / STRIDE))
    points, widths = np.empty((steps, 2)), np.empty(steps)
    # Plain numbers from here: arrays of two would cost most of the time of a picture.
    (t, v), bend, grown = start.tolist(), 0.0, 0
    children: list[Vessel] = []
    next_child = rng.uniform(0.35, 0.7) if depth == 0 else rng.uniform(0.25, 0.6)
    side = int(rng.choice([-1, 1]))
    own = len(taken) + 1
    wave, phase = rng.uniform(0.35, 0.7), rng.uniform(0, 6.28)
    for i in range(steps):
        points[i, 0], points[i, 1], widths[i] = t, v, width
        grown = i + 1
        travelled = i * STRIDE
        reach = math.hypot(t - FOVEA_TEMPORAL_DD, v + FOVEA_BELOW_DD)
        if (role == "macular" and reach < rng.uniform(0.28, 0.5)) or width < THINNEST or math.hypot(t, v) > 9:
            break
        here = (kind, int(t // CELL), int(v // CELL))
        if depth > 0 and travelled > 0.3 and taken.get(here, own) != own:
            break
        taken.setdefault(here, own)
        wanted = _wanted(t, v, role)
        turn = (math.atan2(wanted[1], wanted[0]) - heading + np.pi) % (2 * np.pi) - np.pi
        pull = PULL[role]
        if depth == 0 and travelled < 0.75:
            pull *= 0.35 + 0.6 * travelled
        bend = 0.86 * bend + rng.normal(0, 0.020) * tortuosity
        ripple = 0.030 * (tortuosity - 0.3) * math.cos(travelled / wave * 6.28 / 2 + phase)
        heading += pull * turn + bend + ripple
        t, v = t + STRIDE * math.cos(heading), v + STRIDE * math.sin(heading)
        width *= 1 - STRIDE * (0.035 if depth == 0 else 0.13 if depth == 1 else 0.22)
        if travelled > next_child and depth < 4 and width > THINNEST * 1.5 and i < steps - 5:
            next_child = travelled + rng.uniform(0.28, 0.72)
            side = -side if rng.random() < 0.8 else side
            children += _child(rng, (t, v), heading, width, length - travelled, kind, role, depth, side, tortuosity, taken)
            width *= 0.93 if depth == 0 else 0.88
    fade = min(grown, max(6, grown // 3)) if depth else 0
    widths[grown - fade : grown] *= np.linspace(1, 0.3, fade)  # a twig ends by thinning out of sight, not with a stump
    run = Vessel(points[:grown].copy(), widths[:grown].copy(), kind)
    return [run, *children] if grown > 3 else children


def _wanted(t: float, v: float, role: str) -> Direction:
    """Where a vessel of this role would like to go."""
    if role == "macular":
        return _unit(FOVEA_TEMPORAL_DD - t, -FOVEA_BELOW_DD - v)
    if role == "arcade":
        return _arcade_flow(t, v)
    along = _flow(t, v)
    if role == "peripheral":
        away = _unit(t - FOVEA_TEMPORAL_DD, v + FOVEA_BELOW_DD) if t > 0 else _unit(t, v)
        along = (0.45 * along[0] + 0.55 * away[0], 0.45 * along[1] + 0.55 * away[1])
    return along


def _child(
    rng: np.random.Generator,
    point: Direction,
    heading: float,
    width: float,
    remaining: float,
    kind: Literal["artery", "vein"],
    role: str,
    depth: int,
    side: int,
    tortuosity: float,
    taken: Taken,
) -> list[Vessel]:
    to_fovea = FOVEA_TEMPORAL_DD - point[0], -FOVEA_BELOW_DD - point[1]
    inward = np.sign(to_fovea[0] * math.sin(heading) - to_fovea[1] * math.cos(heading))
    to_macula = role in ("arcade", "macular") and side == -inward and point[0] > 0.5
    angle = heading + side * math.radians(rng.uniform(35, 70) if to_macula else rng.uniform(24, 48))
    share = rng.uniform(0.30, 0.48) if to_macula else rng.uniform(0.48, 0.74)
    child_role: Literal["macular", "peripheral"] = "macular" if to_macula else "peripheral"
    length = min(remaining, rng.uniform(0.9, 2.0)) if to_macula else remaining * rng.uniform(0.45, 0.9)
    return _branch(rng, np.array(point), angle, width * share, length, kind, child_role, depth + 1, tortuosity, taken)


def draw(vessels: list[Vessel], where: Layout, kind: Literal["artery", "vein"]) -> tuple[Plane, Plane]:
    """Blood thickness (0 to about 1) and the light reflex along wide vessels, both height x width."""
    over = 2
    size = (where.width * over, where.height * over)
    blood, reflex = Image.new("L", size), Image.new("L", size)
    pen, glint = ImageDraw.Draw(blood), ImageDraw.Draw(reflex)
    # Thin vessels first: where a twig meets its parent, the parent's depth wins.
    for vessel in sorted((v for v in vessels if v.kind == kind), key=lambda v: float(v.widths[0])):
        xy = where.places(vessel.points) * over
        across = np.maximum(vessel.widths * where.dd * over, 1.0)
        path, run = xy.tolist(), across.tolist()
        at = 0
        while at < len(path) - 1:
            w = run[at]
            # Thin lines bend unseen, so several steps are one stroke; thick ones need a round joint after each.
            end = min(len(path) - 1, at + (4 if w < 6 else 1))
            stroke = [n for point in path[at : end + 1] for n in point]
            pixels = w / over
            shade = int(255 * min(1.0, 0.30 + 0.075 * pixels**0.9))
            pen.line(stroke, fill=shade, width=max(1, round(w)))
            if w >= 6:
                x2, y2 = path[end]
                pen.ellipse((x2 - w / 2, y2 - w / 2, x2 + w / 2, y2 + w / 2), fill=shade)
            if pixels > 3.2:
                glint.line(stroke, fill=255, width=max(1, round(w * 0.26)))
            at = end
    planes: list[Plane] = []
    for layer, sigma in ((blood, 0.0045), (reflex, 0.004)):
        small = layer.resize((where.width, where.height), Image.Resampling.BOX)
        planes.append(blurred(np.asarray(small, dtype=np.float32) / np.float32(255), sigma * where.dd))
    return planes[0], planes[1]
