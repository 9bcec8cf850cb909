"""Lesions drawn into a picture, each with its bounding box. Shapes are rasterised in a small patch around each lesion."""

from __future__ import annotations

import numpy as np

from tools.renderer import natural
from tools.renderer.fundus import Picture
from tools.renderer.geometry import Layout, Plane, Points, blob, smooth_noise, step, window
from tools.renderer.scene import Kind, LesionGroup, Scene
from tools.renderer.sight import Footprint
from tools.renderer.vessels import flow

# Blood on the retina absorbs as blood in a vein does, in a thicker layer.
BLOOD = np.array([0.36, 1.10, 0.85], np.float32)
EXUDATE = np.array([0.98, 0.85, 0.46], np.float32)
COTTON = np.array([0.93, 0.83, 0.64], np.float32)
DRUSE = np.array([0.90, 0.67, 0.34], np.float32)
# Usual diameter of one lesion in DD (a patch, for hard exudates), smallest and largest.
DIAMETER: dict[Kind, tuple[float, float]] = {
    "hard_exudate": (0.10, 0.50),
    "dot_haemorrhage": (0.045, 0.085),
    "blot_haemorrhage": (0.11, 0.24),
    "flame_haemorrhage": (0.22, 0.50),
    "preretinal_haemorrhage": (0.50, 1.20),
    "microaneurysm": (0.028, 0.042),
    "soft_exudate": (0.18, 0.36),
    "drusen": (0.035, 0.10),
    "neovascularisation": (0.40, 0.75),
}


def add_lesions(picture: Picture, scene: Scene, where: Layout, rng: np.random.Generator) -> list[tuple[Kind, Footprint]]:
    """Draws every group in place and returns what is truly there, in drawing order."""
    found: list[tuple[Kind, Footprint]] = []
    for group in scene.lesions:
        for centre in _centres(group, where, rng):
            low, high = (natural.DIAMETER if group.natural else DIAMETER)[group.kind]
            diameter = group.size * where.dd * (low + (high - low) * rng.beta(1.5, 3.0))
            seen = Footprint()
            if group.natural:
                contrast = group.contrast * float(rng.uniform(0.7, 1.15))
                natural.DRAW[group.kind](picture, centre, diameter, where, rng, seen, contrast)
            else:
                _DRAW[group.kind](picture, centre, diameter, where, rng, seen)
            found.append((group.kind, seen))
    return found


def _centres(group: LesionGroup, where: Layout, rng: np.random.Generator) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    ring = rng.uniform(0.55, 0.8)
    off = rng.uniform(0, 2 * np.pi)
    middle = (where.fovea[0] + 0.55 * where.dd * np.cos(off), where.fovea[1] + 0.45 * where.dd * np.sin(off))
    for attempt in range(group.count * 30):
        if len(found) == group.count:
            break
        if group.pattern == "circinate":
            angle = 2 * np.pi * (attempt + rng.uniform(-0.35, 0.35)) / max(group.count, 3)
            spread = ring * where.dd * rng.normal(1, 0.10)
            x, y = middle[0] + spread * np.cos(angle), middle[1] + 0.85 * spread * np.sin(angle)
        elif group.pattern == "star":
            ray = round(rng.uniform(0, 13)) * 2 * np.pi / 14
            spread = where.dd * rng.uniform(0.22, 0.95)
            x, y = where.fovea[0] + spread * np.cos(ray), where.fovea[1] + spread * np.sin(ray)
        else:
            x, y = _somewhere(group, where, rng)
        on_disc = group.natural and group.kind == "neovascularisation" and group.region == "disc"
        clear = 0.0 if on_disc else 0.45 if group.region == "disc" or group.kind == "neovascularisation" else 0.72
        if where.visible(x, y) and np.hypot(x - where.disc[0], y - where.disc[1]) > clear * where.dd:
            found.append((float(x), float(y)))
    return found


def _somewhere(group: LesionGroup, where: Layout, rng: np.random.Generator) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    if group.region == "everywhere":
        spread = where.radius * np.sqrt(rng.uniform(0, 0.88))
        return where.cx + spread * np.cos(angle), where.cy + spread * np.sin(angle)
    if group.region == "disc":
        near, far = (0.05, 0.6) if group.natural and group.kind == "neovascularisation" else (0.58, 1.15)
        spread = where.dd * rng.uniform(near, far)
        return where.disc[0] + spread * np.cos(angle), where.disc[1] + spread * np.sin(angle)
    near, far = {"fovea": (0.15, 0.7), "macula": (0.25, 1.7)}.get(group.region, (1.0, 3.2))
    spread = where.dd * np.sqrt(rng.uniform(near**2, far**2))
    x, y = spread * np.cos(angle), spread * np.sin(angle)
    if group.region not in ("fovea", "macula"):
        y = abs(y) if group.region.startswith("inferior") else -abs(y)
        x = abs(x) * where.nasal * (1 if group.region.endswith("nasal") else -1)
    return where.fovea[0] + x, where.fovea[1] + y


def _lay(picture: Picture, rows: slice, columns: slice, mask: Plane, colour: Points | Picture, seen: Footprint) -> None:
    """Mixes `colour` into the picture. Lit as its surroundings are: a lesion at the dim rim is dim."""
    target = picture[rows, columns]
    light = np.float32(np.clip(target[..., 0].mean() / 0.72, 0.5, 1.15))
    target += mask[..., None] * (np.asarray(colour, np.float32) * light - target)
    seen.include(columns.start, rows.start, mask)


def _bleed(picture: Picture, rows: slice, columns: slice, thickness: Plane, seen: Footprint) -> None:
    """A layer of blood, 0 to about 1 thick: it dims what lies below and keeps its texture."""
    picture[rows, columns] *= np.exp(-thickness[..., None] * BLOOD)
    seen.include(columns.start, rows.start, thickness)


def _haemorrhage(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint
) -> None:
    patch = window(centre, diameter * 0.9, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    small = diameter < 0.10 * where.dd
    mask = blob(x, y, diameter / 2, 0.06 if small else 0.17, 0.9 if small else 0.7, rng)
    if not small:
        # Blots are several leaks run together.
        for _ in range(int(rng.integers(1, 4))):
            dx, dy = rng.normal(0, 0.26 * diameter, 2)
            np.maximum(mask, blob(x - dx, y - dy, diameter * rng.uniform(0.16, 0.30), 0.16, 0.9, rng), out=mask)
    mottled = 1 + 0.16 * smooth_noise(rng, (mask.shape[1], mask.shape[0]), max(2.0, diameter * 0.25))
    _bleed(picture, rows, columns, np.clip(mask * rng.uniform(0.62, 1.05) * mottled, 0, 1.3), seen)


def _flame(picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint) -> None:
    temporal, up = where.nasal * (where.disc[0] - centre[0]) / where.dd, (where.disc[1] - centre[1]) / where.dd
    along = flow(np.array([temporal, up])) if np.hypot(temporal, up) > 1.2 else np.array([temporal, up])
    angle = np.arctan2(-along[1], -where.nasal * along[0]) + rng.normal(0, 0.10)
    patch = window(centre, diameter * 0.9, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    total = np.zeros((y.shape[0], x.shape[1]), np.float32)
    for _ in range(int(rng.integers(12, 22))):
        shift, side = rng.normal(0, 0.15) * diameter, rng.normal(0, 0.09) * diameter
        own = angle + rng.normal(0, 0.06)
        half, thick = diameter * rng.uniform(0.22, 0.5), max(0.9, diameter * rng.uniform(0.025, 0.06))
        dx, dy = x - (shift * np.cos(angle) - side * np.sin(angle)), y - (shift * np.sin(angle) + side * np.cos(angle))
        u, v = (dx * np.cos(own) + dy * np.sin(own)) / half, (-dx * np.sin(own) + dy * np.cos(own)) / thick
        streak = np.exp(-((v / np.clip(1 - u * u, 0.05, 1)) ** 2)) * step(np.abs(u), 1.0, 0.5)
        total += (streak * rng.uniform(0.3, 0.6)).astype(np.float32)
    _bleed(picture, rows, columns, 1 - np.exp(-1.1 * total), seen)


def _hard_exudate(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint
) -> None:
    patch = window(centre, diameter * 1.1 + 0.1 * where.dd, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    mask = np.zeros((y.shape[0], x.shape[1]), np.float32)
    specks = max(1, int(rng.uniform(0.5, 1.3) * 22 * (diameter / (0.25 * where.dd)) ** 1.2))
    lean, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 2.0)
    for _ in range(specks):
        away = diameter / 2 * np.sqrt(rng.uniform(0, 1)) * rng.uniform(0.4, 1.0)
        angle = rng.uniform(0, 2 * np.pi)
        u, v = away * np.cos(angle) * stretch**0.5, away * np.sin(angle) / stretch**0.5
        dx, dy = u * np.cos(lean) - v * np.sin(lean), u * np.sin(lean) + v * np.cos(lean)
        radius = where.dd * float(np.clip(rng.lognormal(-4.3, 0.55), 0.006, 0.05))
        inner = window((centre[0] + dx, centre[1] + dy), radius * 2 + 2, where)
        if inner is None:
            continue
        down = slice(max(inner[0].start, rows.start) - rows.start, inner[0].stop - rows.start)
        across = slice(max(inner[1].start, columns.start) - columns.start, inner[1].stop - columns.start)
        local = mask[down, across]
        speck = blob(x[:, across] - np.float32(dx), y[down] - np.float32(dy), radius, 0.22, 0.8, rng) * np.float32(rng.uniform(0.6, 0.95))
        np.maximum(local, speck, out=local)
    waxy = 1 + 0.07 * smooth_noise(rng, (mask.shape[1], mask.shape[0]), max(2.0, where.dd * 0.03))
    _lay(picture, rows, columns, np.clip(mask * waxy, 0, 0.95), EXUDATE * np.float32(rng.uniform(0.94, 1.03)), seen)


def _soft_exudate(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint
) -> None:
    patch = window(centre, diameter * 1.1, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    lean = rng.uniform(0, np.pi)
    u, v = x * np.cos(lean) + y * np.sin(lean), -x * np.sin(lean) + y * np.cos(lean)
    mask = blob(u, v * rng.uniform(1.1, 1.6), diameter / 2, 0.14, 1.5, rng)
    cloud = 1 + 0.22 * smooth_noise(rng, (mask.shape[1], mask.shape[0]), max(2.0, diameter * 0.3))
    _lay(picture, rows, columns, np.clip(mask * 0.60 * cloud, 0, 0.8), COTTON, seen)


def _druse(picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint) -> None:
    patch = window(centre, diameter * 1.2, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    mask = blob(x, y, diameter / 2, 0.06, 0.9, rng) * np.float32(rng.uniform(0.42, 0.72))
    _lay(picture, rows, columns, mask, DRUSE, seen)


def _new_vessels(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint
) -> None:
    """A tangle of fine loops: restless walks with sharp turns from one root."""
    reach = diameter / 2
    patch = window(centre, reach * 1.5 + 3, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    mask = np.zeros((y.shape[0], x.shape[1]), np.float32)
    thin = max(0.55, where.dd * 0.0065)
    for _ in range(int(rng.integers(9, 15))):
        heading, px, py, bend = rng.uniform(0, 2 * np.pi), 0.0, 0.0, 0.0
        for _ in range(int(rng.uniform(0.8, 1.7) * reach / thin)):
            bend = 0.8 * bend + rng.normal(0, 0.16)
            inward = 0.10 if np.hypot(px, py) > reach * 0.9 else 0.0
            heading += bend + inward * np.sin(np.arctan2(-py, -px) - heading)
            px, py = px + thin * np.cos(heading), py + thin * np.sin(heading)
            i, j = int(py - y[0, 0]), int(px - x[0, 0])
            if 2 <= i < mask.shape[0] - 2 and 2 <= j < mask.shape[1] - 2:
                near = np.exp(-((x[:, j - 2 : j + 3] - px) ** 2 + (y[i - 2 : i + 3] - py) ** 2) / (2 * thin**2))
                np.maximum(mask[i - 2 : i + 3, j - 2 : j + 3], near * 0.62, out=mask[i - 2 : i + 3, j - 2 : j + 3])
    _bleed(picture, rows, columns, mask, seen)


def _preretinal(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint
) -> None:
    natural.DRAW["preretinal_haemorrhage"](picture, centre, diameter, where, rng, seen, 1.0)


_DRAW = {
    "hard_exudate": _hard_exudate,
    "dot_haemorrhage": _haemorrhage,
    "blot_haemorrhage": _haemorrhage,
    "flame_haemorrhage": _flame,
    "preretinal_haemorrhage": _preretinal,
    "microaneurysm": _haemorrhage,
    "soft_exudate": _soft_exudate,
    "drusen": _druse,
    "neovascularisation": _new_vessels,
}
