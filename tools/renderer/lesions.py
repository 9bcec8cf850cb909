"""Lesions drawn into a picture, each with its bounding box. Shapes are rasterised in a small patch around each lesion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.domain import Box
from tools.renderer.fundus import Picture
from tools.renderer.geometry import Layout, Plane, Points, smooth_noise, step
from tools.renderer.scene import LABELS, Kind, LesionGroup, Scene, TrueLesion
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
    "microaneurysm": (0.028, 0.042),
    "soft_exudate": (0.18, 0.36),
    "drusen": (0.035, 0.10),
    "neovascularisation": (0.40, 0.75),
}


@dataclass(slots=True)
class Extent:
    """Grows around what was drawn, in pixels."""

    x1: float = np.inf
    y1: float = np.inf
    x2: float = -np.inf
    y2: float = -np.inf

    def include(self, left: float, top: float, mask: Plane) -> None:
        rows, columns = np.flatnonzero((mask > 0.3).any(axis=1)), np.flatnonzero((mask > 0.3).any(axis=0))
        if rows.size:
            self.x1, self.x2 = min(self.x1, left + columns[0]), max(self.x2, left + columns[-1] + 1)
            self.y1, self.y2 = min(self.y1, top + rows[0]), max(self.y2, top + rows[-1] + 1)

    def box(self, where: Layout) -> Box | None:
        if self.x2 <= self.x1:
            return None
        x1, x2 = max(0.0, self.x1) / where.width, min(where.width, self.x2) / where.width
        y1, y2 = max(0.0, self.y1) / where.height, min(where.height, self.y2) / where.height
        return Box(x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2))


def add_lesions(picture: Picture, scene: Scene, where: Layout, rng: np.random.Generator) -> tuple[TrueLesion, ...]:
    """Draws every group in place and returns what is truly there, in drawing order. Lesions outside the field are left out."""
    found: list[TrueLesion] = []
    for group in scene.lesions:
        for centre in _centres(group, where, rng):
            low, high = DIAMETER[group.kind]
            diameter = group.size * where.dd * (low + (high - low) * rng.beta(1.5, 3.0))
            extent = Extent()
            _DRAW[group.kind](picture, centre, diameter, where, rng, extent)
            box = extent.box(where)
            if box is not None:
                found.append(TrueLesion(LABELS[group.kind], group.kind, box))
    return tuple(found)


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
        clear = 0.45 if group.region == "disc" or group.kind == "neovascularisation" else 0.72
        if where.visible(x, y) and np.hypot(x - where.disc[0], y - where.disc[1]) > clear * where.dd:
            found.append((float(x), float(y)))
    return found


def _somewhere(group: LesionGroup, where: Layout, rng: np.random.Generator) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    if group.region == "everywhere":
        spread = where.radius * np.sqrt(rng.uniform(0, 0.88))
        return where.cx + spread * np.cos(angle), where.cy + spread * np.sin(angle)
    if group.region == "disc":
        spread = where.dd * rng.uniform(0.58, 1.15)
        return where.disc[0] + spread * np.cos(angle), where.disc[1] + spread * np.sin(angle)
    near, far = {"fovea": (0.15, 0.7), "macula": (0.25, 1.7)}.get(group.region, (1.0, 3.2))
    spread = where.dd * np.sqrt(rng.uniform(near**2, far**2))
    x, y = spread * np.cos(angle), spread * np.sin(angle)
    if group.region not in ("fovea", "macula"):
        y = abs(y) if group.region.startswith("inferior") else -abs(y)
        x = abs(x) * where.nasal * (1 if group.region.endswith("nasal") else -1)
    return where.fovea[0] + x, where.fovea[1] + y


def _patch(centre: tuple[float, float], reach: float, where: Layout) -> tuple[slice, slice, Plane, Plane] | None:
    """Row and column slices of the picture around `centre`, and x, y relative to it."""
    left, right = max(0, int(centre[0] - reach)), min(where.width, int(centre[0] + reach) + 2)
    top, bottom = max(0, int(centre[1] - reach)), min(where.height, int(centre[1] + reach) + 2)
    if right - left < 2 or bottom - top < 2:
        return None
    x = np.arange(left, right, dtype=np.float32)[None, :] + 0.5 - np.float32(centre[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - np.float32(centre[1])
    return slice(top, bottom), slice(left, right), x, y


def _blob(x: Plane, y: Plane, radius: float, rough: float, soft: float, rng: np.random.Generator) -> Plane:
    """A roundish mask 0 to 1: `rough` is how far the outline strays, `soft` the width of its edge, both relative to the radius."""
    angle = np.arctan2(y, x)
    outline = np.ones_like(angle)
    for k in range(1, 6):
        outline += float(rng.normal(0, rough / (k - 0.5))) * np.cos(k * angle + float(rng.uniform(0, 6.28)))
    edge = max(soft, 0.8 / max(radius, 0.5))
    away = np.asarray(np.hypot(x, y) / (np.float32(radius) * outline), np.float32)
    return step(away, 1 + edge / 2, 1 - edge / 2)


def _lay(picture: Picture, rows: slice, columns: slice, mask: Plane, colour: Points | Picture, extent: Extent) -> None:
    """Mixes `colour` into the picture. Lit as its surroundings are: a lesion at the dim rim is dim."""
    target = picture[rows, columns]
    light = np.float32(np.clip(target[..., 0].mean() / 0.72, 0.5, 1.15))
    target += mask[..., None] * (np.asarray(colour, np.float32) * light - target)
    extent.include(columns.start, rows.start, mask)


def _bleed(picture: Picture, rows: slice, columns: slice, thickness: Plane, extent: Extent) -> None:
    """A layer of blood, 0 to about 1 thick: it dims what lies below and keeps its texture."""
    picture[rows, columns] *= np.exp(-thickness[..., None] * BLOOD)
    extent.include(columns.start, rows.start, thickness)


def _haemorrhage(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, extent: Extent
) -> None:
    patch = _patch(centre, diameter * 0.9, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    small = diameter < 0.10 * where.dd
    mask = _blob(x, y, diameter / 2, 0.06 if small else 0.17, 0.9 if small else 0.7, rng)
    if not small:
        # Blots are several leaks run together.
        for _ in range(int(rng.integers(1, 4))):
            dx, dy = rng.normal(0, 0.26 * diameter, 2)
            np.maximum(mask, _blob(x - dx, y - dy, diameter * rng.uniform(0.16, 0.30), 0.16, 0.9, rng), out=mask)
    mottled = 1 + 0.16 * smooth_noise(rng, (mask.shape[1], mask.shape[0]), max(2.0, diameter * 0.25))
    _bleed(picture, rows, columns, np.clip(mask * rng.uniform(0.62, 1.05) * mottled, 0, 1.3), extent)


def _flame(picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, extent: Extent) -> None:
    temporal, up = where.nasal * (where.disc[0] - centre[0]) / where.dd, (where.disc[1] - centre[1]) / where.dd
    along = flow(np.array([temporal, up])) if np.hypot(temporal, up) > 1.2 else np.array([temporal, up])
    angle = np.arctan2(-along[1], -where.nasal * along[0]) + rng.normal(0, 0.10)
    patch = _patch(centre, diameter * 0.9, where)
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
    _bleed(picture, rows, columns, 1 - np.exp(-1.1 * total), extent)


def _hard_exudate(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, extent: Extent
) -> None:
    patch = _patch(centre, diameter * 1.1 + 0.1 * where.dd, where)
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
        inner = _patch((centre[0] + dx, centre[1] + dy), radius * 2 + 2, where)
        if inner is None:
            continue
        down = slice(max(inner[0].start, rows.start) - rows.start, inner[0].stop - rows.start)
        across = slice(max(inner[1].start, columns.start) - columns.start, inner[1].stop - columns.start)
        local = mask[down, across]
        speck = _blob(x[:, across] - np.float32(dx), y[down] - np.float32(dy), radius, 0.22, 0.8, rng) * np.float32(rng.uniform(0.6, 0.95))
        np.maximum(local, speck, out=local)
    waxy = 1 + 0.07 * smooth_noise(rng, (mask.shape[1], mask.shape[0]), max(2.0, where.dd * 0.03))
    _lay(picture, rows, columns, np.clip(mask * waxy, 0, 0.95), EXUDATE * np.float32(rng.uniform(0.94, 1.03)), extent)


def _soft_exudate(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, extent: Extent
) -> None:
    patch = _patch(centre, diameter * 1.1, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    lean = rng.uniform(0, np.pi)
    u, v = x * np.cos(lean) + y * np.sin(lean), -x * np.sin(lean) + y * np.cos(lean)
    mask = _blob(u, v * rng.uniform(1.1, 1.6), diameter / 2, 0.14, 1.5, rng)
    cloud = 1 + 0.22 * smooth_noise(rng, (mask.shape[1], mask.shape[0]), max(2.0, diameter * 0.3))
    _lay(picture, rows, columns, np.clip(mask * 0.60 * cloud, 0, 0.8), COTTON, extent)


def _druse(picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, extent: Extent) -> None:
    patch = _patch(centre, diameter * 1.2, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    mask = _blob(x, y, diameter / 2, 0.06, 0.9, rng) * np.float32(rng.uniform(0.42, 0.72))
    _lay(picture, rows, columns, mask, DRUSE, extent)


def _new_vessels(
    picture: Picture, centre: tuple[float, float], diameter: float, where: Layout, rng: np.random.Generator, extent: Extent
) -> None:
    """A tangle of fine loops: restless walks with sharp turns from one root."""
    reach = diameter / 2
    patch = _patch(centre, reach * 1.5 + 3, where)
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
    _bleed(picture, rows, columns, mask, extent)


_DRAW = {
    "hard_exudate": _hard_exudate,
    "dot_haemorrhage": _haemorrhage,
    "blot_haemorrhage": _haemorrhage,
    "flame_haemorrhage": _flame,
    "microaneurysm": _haemorrhage,
    "soft_exudate": _soft_exudate,
    "drusen": _druse,
    "neovascularisation": _new_vessels,
}
