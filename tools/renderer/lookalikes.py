"""What is mistaken for a lesion and is none: reflexes and scars on the retina, glare, dust and hairs in the camera.

Drawn so that a detector learns to leave them alone; nothing here enters the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from tools.renderer.fundus import Picture, fibre_course, rays
from tools.renderer.geometry import Layout, Plane, blob, blurred, mix, shine, smooth_noise, step, window
from tools.renderer.scene import LookAlike
from tools.renderer.vessels import Vessel, flow

SILK = np.array([0.80, 0.86, 0.60], np.float32)
Draw = Callable[[Picture, LookAlike, Layout, np.random.Generator], None]


def on_retina(
    picture: Picture, look_alikes: Sequence[LookAlike], vessels: Sequence[Vessel], where: Layout, rng: np.random.Generator
) -> None:
    """Draws those that lie on or in the retina, in place; before the lesions."""
    for each in look_alikes:
        if each.kind == "vessel_glints":
            _vessel_glints(picture, each, where, vessels, rng)
        elif each.kind in _ON_RETINA:
            _ON_RETINA[each.kind](picture, each, where, rng)


def in_camera(picture: Picture, look_alikes: Sequence[LookAlike], where: Layout, rng: np.random.Generator) -> None:
    """Draws those that arise in front of the sensor, in place; after the blur of the eye."""
    for each in look_alikes:
        if each.kind in _IN_CAMERA:
            _IN_CAMERA[each.kind](picture, each, where, rng)


def _fibre_sheen(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """Silky streaks along the arcades of young, dark fundi."""
    t, v, curve = fibre_course(where)
    streak = rays(rng, (curve + 8) * np.float32(1 / 16), int(rng.integers(160, 420)))
    patchy = np.clip(0.45 + 0.6 * smooth_noise(rng, (where.width, where.height), where.dd * rng.uniform(0.5, 1.2)), 0, 1.6)
    height, spread = rng.uniform(0.7, 1.3), rng.uniform(0.3, 0.6)
    band = np.exp(-(((np.abs(curve) - np.float32(height)) / np.float32(spread)) ** 2)) * step(np.hypot(t, v), 0.35, 0.8) * step(t, 4.2, 1.5)
    glow = np.float32(0.20 * look.strength) * band * patchy * np.clip(0.65 + 0.45 * streak, 0, 2)
    shine(picture, np.minimum(glow, np.float32(0.35)), SILK)


def _foveal_ring(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """The bright oval line around the macula of the young, rarely closed."""
    wide = 0.6 * where.dd * rng.uniform(0.7, 1.4)
    patch = window(where.fovea, wide * 1.7, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    away, angle = np.hypot(x, y * rng.uniform(1.0, 1.5)) / wide, np.arctan2(y, x)
    thin = rng.uniform(0.05, 0.25)
    open_side = np.clip(0.45 + 0.6 * np.cos(angle - rng.uniform(0, 6.28)) + 0.3 * np.cos(3 * angle + rng.uniform(0, 6.28)), 0, 1.3)
    ring = np.exp(-(((away - 1) / np.where(away > 1, thin, thin * 2.5)) ** 2)) * open_side
    picture[rows, columns] += (0.17 * look.strength * ring).astype(np.float32)[..., None] * SILK


def _macular_reflex(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """Watered-silk patches on the macula and a bright point or comma in the fovea."""
    patch = window(where.fovea, where.dd * 2.0, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    size = (x.shape[1], y.shape[0])
    near = np.exp(-((np.hypot(x, y) / (where.dd * rng.uniform(0.7, 1.3))) ** 2))
    wave = np.clip(smooth_noise(rng, size, where.dd * rng.uniform(0.15, 0.4)) - 0.5, 0, 2)
    shine = (0.11 * look.strength * near * wave).astype(np.float32)
    dx, dy, lean = x - rng.normal(0, 0.03) * where.dd, y - rng.normal(0, 0.03) * where.dd, rng.uniform(0, 3.14)
    u, w = dx * np.cos(lean) + dy * np.sin(lean), -dx * np.sin(lean) + dy * np.cos(lean)
    point = np.exp(-((u / (where.dd * rng.uniform(0.02, 0.07))) ** 2) - (w / (where.dd * rng.uniform(0.012, 0.03))) ** 2)
    picture[rows, columns] += (shine + (0.4 * look.strength * point).astype(np.float32))[..., None] * SILK


def _vessel_glints(picture: Picture, look: LookAlike, where: Layout, vessels: Sequence[Vessel], rng: np.random.Generator) -> None:
    """Short white reflections along vessels and dots (Gunn's) near them."""
    if not vessels:
        return
    for _ in range(look.count):
        vessel = vessels[int(rng.integers(len(vessels)))]
        at = int(rng.integers(len(vessel.points)))
        aside = rng.normal(0, 0.05 if rng.random() < 0.6 else 0.25, 2)
        temporal, up = vessel.points[at] + aside
        x0, y0 = where.place(float(temporal), float(up))
        long, thin = where.dd * rng.uniform(0.02, 0.16), where.dd * rng.uniform(0.008, 0.022)
        patch = window((x0, y0), long * 1.6 + 2, where)
        if patch is None:
            continue
        rows, columns, x, y = patch
        along = flow(np.array([temporal, up]))
        angle = np.arctan2(-along[1], -where.nasal * along[0]) + rng.normal(0, 0.15)
        u, w = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        spot = np.exp(-((u / long) ** 2) - (w / max(thin, 0.7)) ** 2) * look.strength * rng.uniform(0.08, 0.40)
        picture[rows, columns] += spot.astype(np.float32)[..., None] * SILK


def _myelinated(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """White feathery fibres running out from the disc."""
    t, v, curve = fibre_course(where)
    heading, spread = rng.uniform(0.4, 1.6) * rng.choice([-1, 1]), rng.uniform(0.15, 0.45)
    streak = rays(rng, (curve + 8) * np.float32(1 / 16), 420)
    away = np.hypot(t, v)
    far = rng.uniform(0.9, 1.8) + 0.25 * streak
    near_course = np.exp(-(((curve - np.float32(heading)) / np.float32(spread)) ** 2))
    mask = np.clip(near_course * step(away - far, 0.25, -0.35) * step(away, 0.42, 0.55) * (0.9 + 0.25 * streak), 0, 1)
    mask *= np.float32(0.35 + 0.6 * look.strength)
    mix(picture, mask, np.array([0.98, 0.90, 0.72], np.float32))


def _laser_scars(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """Round burns in rough rows outside the arcades: pale, many with a dark middle, some all dark."""
    size, pitch = where.dd * rng.uniform(0.06, 0.16), rng.uniform(0.22, 0.40)
    start, width = rng.uniform(0, 6.28), rng.uniform(1.0, 6.28)
    for _ in range(look.count):
        angle, away = start + rng.uniform(0, width), rng.uniform(2.0, 4.5)
        away, angle = round(away / pitch) * pitch + rng.normal(0, 0.03), round(angle * away / pitch) * pitch / away + rng.normal(0, 0.02)
        x0, y0 = where.fovea[0] + away * where.dd * np.cos(angle), where.fovea[1] + away * where.dd * np.sin(angle)
        if not where.visible(x0, y0, 1.0) or np.hypot(x0 - where.disc[0], y0 - where.disc[1]) < 0.9 * where.dd:
            continue
        radius = size * rng.uniform(0.35, 0.65)
        patch = window((x0, y0), radius * 1.8 + 2, where)
        if patch is None:
            continue
        rows, columns, x, y = patch
        pale = blob(x, y, radius, 0.08, 0.5, rng) * np.float32(rng.uniform(0.1, 0.55) * (0.4 + look.strength))
        target = picture[rows, columns]
        target += np.clip(pale, 0, 0.8)[..., None] * (np.array([0.88, 0.66, 0.42], np.float32) - target)
        if rng.random() < 0.55:
            dark = blob(x, y, radius * rng.uniform(0.3, 0.8), 0.25, 0.7, rng) * np.float32(rng.uniform(0.2, 0.75))
            target *= 1 - dark[..., None] * np.array([0.75, 0.8, 0.75], np.float32)


def _naevus(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """A slate patch in the choroid, below the vessels' colour, with a soft edge."""
    angle, away = rng.uniform(0, 6.28), where.radius * np.sqrt(rng.uniform(0.05, 0.8))
    centre = (where.cx + away * np.cos(angle), where.cy + away * np.sin(angle))
    radius = where.dd * rng.uniform(0.2, 0.9)
    patch = window(centre, radius * 2, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    mask = blob(x * rng.uniform(0.7, 1), y, radius, 0.08, 0.8, rng) * np.float32(0.12 + 0.4 * look.strength)
    picture[rows, columns] *= 1 - mask[..., None] * np.array([0.85, 0.72, 0.45], np.float32)


def _crescent_glare(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """Light from the iris or the lid at one side of the rim."""
    x, y = where.grid()
    towards, off = rng.uniform(0, 6.28), rng.uniform(0.1, 0.7)
    x0, y0 = where.cx - off * where.radius * np.cos(towards), where.cy - off * where.radius * np.sin(towards)
    edge = np.hypot(x - np.float32(x0), y - np.float32(y0)) / np.float32(where.radius) - np.float32(1 + off)
    glow = np.exp(np.minimum(edge, 0) / np.float32(rng.uniform(0.03, 0.22))).astype(np.float32)
    tint = np.array(((1.0, 0.8, 0.55), (0.75, 0.8, 0.9), (0.95, 0.9, 0.7), (0.8, 0.95, 0.45))[int(rng.integers(4))], np.float32)
    shine(picture, glow, tint * np.float32(0.12 + 0.75 * look.strength))


def _lens_spots(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """Reflections of the lens and dust out of focus: pale discs and rings."""
    for _ in range(look.count):
        centre = (where.cx + where.radius * rng.uniform(-0.9, 0.9), where.cy + where.radius * rng.uniform(-0.9, 0.9))
        radius = where.dd * rng.uniform(0.05, 0.45)
        patch = window(centre, radius * 1.4 + 2, where)
        if patch is None:
            continue
        rows, columns, x, y = patch
        away: Plane = (np.hypot(x, y) / np.float32(radius)).astype(np.float32)
        spot = step(away, 1.15, 0.85)
        if rng.random() < 0.4:
            spot = spot * (0.35 + 0.65 * step(away, 0.6, 0.95))
        tint = np.array(((0.5, 0.55, 0.6), (0.8, 0.6, 0.35), (0.45, 0.6, 0.45))[int(rng.integers(3))], np.float32)
        picture[rows, columns] += (spot * look.strength * rng.uniform(0.02, 0.14)).astype(np.float32)[..., None] * tint


def _dust(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """Specks on the sensor or the glass: grey (all channels alike), unlike blood; a few bright."""
    for _ in range(look.count):
        centre = (where.cx + where.radius * rng.uniform(-0.95, 0.95), where.cy + where.radius * rng.uniform(-0.95, 0.95))
        radius = where.dd * rng.uniform(0.012, 0.09)
        patch = window(centre, radius * 1.8 + 2, where)
        if patch is None:
            continue
        rows, columns, x, y = patch
        mask = blob(x, y, radius, 0.12, rng.uniform(0.5, 1.6), rng) * np.float32(look.strength * rng.uniform(0.1, 0.7))
        if rng.random() < 0.15:
            picture[rows, columns] += (0.35 * mask)[..., None]
        else:
            picture[rows, columns] *= 1 - mask[..., None]


def _hair(picture: Picture, look: LookAlike, where: Layout, rng: np.random.Generator) -> None:
    """Eyelashes and fibres: thin grey curves out of focus."""
    canvas = Image.new("L", (where.width, where.height))
    pen = ImageDraw.Draw(canvas)
    for _ in range(look.count):
        heading, bend = rng.uniform(0, 6.28), rng.normal(0, 0.02)
        x, y = where.cx + where.radius * rng.uniform(-0.9, 0.9), where.cy + where.radius * rng.uniform(-0.9, 0.9)
        path = [(x, y)]
        for _ in range(int(rng.integers(10, 60))):
            heading += bend + rng.normal(0, 0.03)
            x, y = x + 0.04 * where.dd * np.cos(heading), y + 0.04 * where.dd * np.sin(heading)
            path.append((x, y))
        pen.line(path, fill=255, width=max(1, round(where.dd * rng.uniform(0.008, 0.03))))
    mask: Plane = blurred(np.asarray(canvas, np.float32) / np.float32(255), where.dd * rng.uniform(0.004, 0.03))
    picture *= 1 - (np.float32(0.25 + 0.6 * look.strength) * mask)[..., None]


_ON_RETINA: dict[str, Draw] = {
    "fibre_sheen": _fibre_sheen,
    "foveal_ring": _foveal_ring,
    "macular_reflex": _macular_reflex,
    "myelinated_fibres": _myelinated,
    "laser_scars": _laser_scars,
    "naevus": _naevus,
}
_IN_CAMERA: dict[str, Draw] = {"crescent_glare": _crescent_glare, "lens_spots": _lens_spots, "dust": _dust, "hair": _hair}
