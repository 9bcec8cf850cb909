"""Lesions as photographs show them: irregular, mottled, often faint. `contrast` 1 is a plain one, 0.3 hardly to be seen.

Looked at beside the lesions of Indian screening photographs; sizes after the ETDRS standard photographs (Report 10, 1991):
a microaneurysm is at most 1/12 DD across, cotton wool spots are 1/4 to 1/2 DD.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from tools.renderer.fundus import Picture
from tools.renderer.geometry import Layout, Plane, Points, blob, blurred, fractal, smooth_noise, step, window
from tools.renderer.scene import Kind
from tools.renderer.sight import Footprint
from tools.renderer.vessels import flow

BLOOD = np.array([0.40, 1.05, 0.85], np.float32)
EXUDATE = np.array([0.98, 0.84, 0.36], np.float32)
COTTON = np.array([0.92, 0.80, 0.58], np.float32)
DRUSE = np.array([0.95, 0.73, 0.33], np.float32)
DIAMETER: dict[Kind, tuple[float, float]] = {
    "hard_exudate": (0.035, 0.55),
    "dot_haemorrhage": (0.07, 0.12),
    "blot_haemorrhage": (0.10, 0.42),
    "flame_haemorrhage": (0.16, 0.60),
    "preretinal_haemorrhage": (0.5, 1.5),
    "microaneurysm": (0.032, 0.078),
    "soft_exudate": (0.14, 0.45),
    "drusen": (0.026, 0.13),
    "neovascularisation": (0.25, 1.1),
}
"""Usual diameter of one lesion in DD (a patch, for hard exudates), smallest and largest."""

Place = tuple[float, float]
Draw = Callable[[Picture, Place, float, Layout, np.random.Generator, Footprint, float], None]


def fibre_angle(centre: Place, where: Layout) -> float:
    """Direction of the nerve fibres at a place, in radians of the picture."""
    temporal, up = where.nasal * (where.disc[0] - centre[0]) / where.dd, (where.disc[1] - centre[1]) / where.dd
    along: Points = flow(np.array([temporal, up])) if np.hypot(temporal, up) > 1.2 else np.array([temporal, up])
    return float(np.arctan2(-along[1], -where.nasal * along[0]))


def _cover(target: Picture, mask: Plane, colour: Picture) -> None:
    """Mixes a colour in, lit as its surroundings are: a lesion at the dim rim is dim."""
    light = np.float32(np.clip(np.median(target[..., 0]) / 0.72, 0.45, 1.15))
    target += mask[..., None] * (colour * light - target)


def _warped(x: Plane, y: Plane, radius: float, soft: float, rng: np.random.Generator, rough: float = 0.28) -> Plane:
    """An irregular spot, 0 to 1: a circle whose distance is bent by noise of its own size."""
    size = (x.shape[1], y.shape[0])
    bent = np.hypot(x, y) / np.float32(radius) + np.float32(rough) * fractal(rng, size, max(1.5, radius * 0.9), 2)
    return step(bent, 1 + soft / 2 + 0.4 / max(radius, 0.4), 1 - soft / 2 - 0.4 / max(radius, 0.4))


def _haemorrhage(
    picture: Picture, centre: Place, diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint, contrast: float
) -> None:
    patch = window(centre, diameter * 1.1 + 2, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    small = diameter < 0.11 * where.dd
    lean, narrow = rng.uniform(0, np.pi), rng.uniform(1.0, 1.2 if small else 1.8)
    u, w = x * np.cos(lean) + y * np.sin(lean), (-x * np.sin(lean) + y * np.cos(lean)) * narrow
    if small:
        mask = blob(u, w, diameter / 2, 0.05, rng.uniform(0.5, 1.1), rng)
    else:
        mask = _warped(u, w, diameter / 2, rng.uniform(0.3, 0.9), rng)
        for _ in range(int(rng.integers(0, 3))):
            dx, dy = rng.normal(0, 0.28 * diameter, 2)
            np.maximum(mask, blob(x - dx, y - dy, diameter * rng.uniform(0.1, 0.28), 0.15, 0.9, rng), out=mask)
    mottled = np.clip(1 + 0.18 * smooth_noise(rng, (mask.shape[1], mask.shape[0]), max(2.0, diameter * 0.3)), 0.3, 1.6)
    # What is tiny and still noticed is dense: a microaneurysm is a bead of blood, not a film.
    dense = rng.uniform(0.65, 1.2) if diameter < 0.076 * where.dd else rng.uniform(0.40, 0.95)
    thickness = mask * mottled * np.float32(contrast * dense)
    picture[rows, columns] *= np.exp(-thickness[..., None] * BLOOD)
    seen.include(columns.start, rows.start, mask)


def _flame(
    picture: Picture, centre: Place, diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint, contrast: float
) -> None:
    angle = fibre_angle(centre, where) + rng.normal(0, 0.12)
    patch = window(centre, diameter * 0.9, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    total = np.zeros((y.shape[0], x.shape[1]), np.float32)
    plump = rng.uniform(0.04, 0.14)
    for _ in range(int(rng.integers(5, 22))):
        shift, side = rng.normal(0, 0.13) * diameter, rng.normal(0, plump) * diameter
        own = angle + rng.normal(0, 0.07)
        half, thick = diameter * rng.uniform(0.15, 0.48), max(0.8, diameter * rng.uniform(0.02, 0.07))
        dx, dy = x - (shift * np.cos(angle) - side * np.sin(angle)), y - (shift * np.sin(angle) + side * np.cos(angle))
        u, v = (dx * np.cos(own) + dy * np.sin(own)) / half, (-dx * np.sin(own) + dy * np.cos(own)) / thick
        streak = np.exp(-((v / np.clip(1 - u * u, 0.05, 1)) ** 2)) * step(np.abs(u), 1.0, 0.3)
        total += (streak * rng.uniform(0.3, 0.8)).astype(np.float32)
    mask = 1 - np.exp(-1.3 * total)
    picture[rows, columns] *= np.exp(-(mask * np.float32(contrast * rng.uniform(0.5, 1.0)))[..., None] * BLOOD)
    seen.include(columns.start, rows.start, mask)


def _preretinal(
    picture: Picture, centre: Place, diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint, contrast: float
) -> None:
    """Blood under the hyaloid settles: a boat with a level deck. It hides the vessels."""
    patch = window(centre, diameter * 0.75 + 3, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    deep = rng.uniform(0.35, 0.8)
    lean = rng.normal(0, 0.12)
    u, w = x * np.cos(lean) + y * np.sin(lean), -x * np.sin(lean) + y * np.cos(lean)
    down = w + np.float32(diameter * deep * 0.4)
    hull = np.hypot(u / np.float32(diameter / 2), down / np.float32(diameter * deep)) + np.float32(0.05) * smooth_noise(
        rng, (x.shape[1], y.shape[0]), diameter * 0.25
    )
    mask = step(hull, 1.04, 0.94) * step(down, -0.02 * diameter, 0.03 * diameter)
    thick = mask * np.float32(min(contrast, 1.2) * rng.uniform(0.85, 1.15))
    target = picture[rows, columns]
    lit = np.float32(np.clip(np.median(target[..., 0]) / 0.72, 0.45, 1.15))
    blood = np.array([0.40, 0.10, 0.05], np.float32) * np.float32(rng.uniform(0.75, 1.15)) * lit
    settled = 1 + 0.12 * step(down, diameter * deep, 0)
    target += np.clip(thick, 0, 0.95)[..., None] * (blood * settled[..., None] - target)
    seen.include(columns.start, rows.start, mask)


def _hard_exudate(
    picture: Picture, centre: Place, diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint, contrast: float
) -> None:
    patch = window(centre, diameter * 1.0 + 0.08 * where.dd + 2, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    size = (x.shape[1], y.shape[0])
    mask = np.zeros((size[1], size[0]), np.float32)
    lean, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 2.6)
    tiny = diameter < 0.07 * where.dd
    form = rng.random()
    if not tiny and form < 0.55:
        # Specks and plaques where bent noise rises through a patch: ragged, confluent in the middle.
        u, w = x * np.cos(lean) + y * np.sin(lean), -x * np.sin(lean) + y * np.cos(lean)
        within = np.exp(-((u / np.float32(0.42 * diameter * stretch**0.5)) ** 2) - (w / np.float32(0.42 * diameter / stretch**0.5)) ** 2)
        grainy = fractal(rng, size, where.dd * rng.uniform(0.03, 0.10), 3, 0.75)
        mask = step(grainy * 0.75 + 2.2 * within, 1.75, 2.35) * within**0.25
    few = 1 if tiny else max(2, int(rng.uniform(0.2, 1.2) * 18 * (diameter / (0.25 * where.dd)) ** 1.1))
    for _ in range(few):
        away = 0.0 if tiny else diameter / 2 * np.sqrt(rng.uniform(0, 1))
        angle = rng.uniform(0, 2 * np.pi)
        a, b = away * np.cos(angle) * stretch**0.5, away * np.sin(angle) / stretch**0.5
        dx, dy = a * np.cos(lean) - b * np.sin(lean), a * np.sin(lean) + b * np.cos(lean)
        radius = where.dd * float(np.clip(rng.lognormal(-4.4, 0.55), 0.014 if tiny else 0.006, 0.045))
        inner = window((centre[0] + dx, centre[1] + dy), radius * 2 + 2, where)
        if inner is None:
            continue
        down = slice(max(inner[0].start, rows.start) - rows.start, inner[0].stop - rows.start)
        across = slice(max(inner[1].start, columns.start) - columns.start, inner[1].stop - columns.start)
        local = mask[down, across]
        own = rng.uniform(0, np.pi)
        sx, sy = x[:, across] - np.float32(dx), y[down] - np.float32(dy)
        u, w = sx * np.cos(own) + sy * np.sin(own), (-sx * np.sin(own) + sy * np.cos(own)) * rng.uniform(1.0, 1.9)
        speck = blob(u, w, radius, 0.25, 0.9, rng) * np.float32(rng.uniform(0.35, 1.0) if not tiny else 1.0)
        np.maximum(local, speck, out=local)
    waxy = np.clip(1 + 0.10 * smooth_noise(rng, size, max(2.0, where.dd * 0.03)), 0.6, 1.3)
    strength = np.clip(mask * waxy * np.float32(min(contrast, 1.0) * rng.uniform(0.65, 0.98)), 0, 0.96)
    # fat leaks seldom sharply: a faint yellow halo joins the specks
    halo = blurred(mask, 0.03 * where.dd) * np.float32(0.16 * min(contrast, 1.0))
    target = picture[rows, columns]
    tone = EXUDATE * np.array([1.0, rng.uniform(0.92, 1.08), rng.uniform(0.75, 1.5)], np.float32)
    _cover(target, np.maximum(strength, halo), tone)
    seen.include(columns.start, rows.start, mask)


def _soft_exudate(
    picture: Picture, centre: Place, diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint, contrast: float
) -> None:
    """A swollen bundle of fibres: fluffy, drawn out across the fibres, combed along them."""
    patch = window(centre, diameter * 1.1 + 2, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    size = (x.shape[1], y.shape[0])
    along = fibre_angle(centre, where) + rng.normal(0, 0.25)
    u, w = x * np.cos(along) + y * np.sin(along), -x * np.sin(along) + y * np.cos(along)
    broad = rng.uniform(0.8, 1.7)
    comb = np.interp(w.ravel() / diameter, np.linspace(-1.6, 1.6, 45), rng.standard_normal(45)).reshape(w.shape)
    fluff = fractal(rng, size, max(2.0, diameter * 0.28), 3, 0.7)
    away = np.hypot(u * broad**0.5, w / broad**0.5) / np.float32(diameter / 2)
    mask = step(away + (0.16 * fluff + 0.10 * comb).astype(np.float32), 1.25, rng.uniform(0.1, 0.5))
    veil = mask * np.clip(1 + 0.12 * fluff + 0.10 * comb, 0.4, 1.4) * np.float32(min(contrast, 1.1) * rng.uniform(0.45, 0.8))
    tone = COTTON * np.array([1.0, rng.uniform(0.92, 1.06), rng.uniform(0.8, 1.25)], np.float32)
    _cover(picture[rows, columns], np.clip(veil, 0, 0.92).astype(np.float32), tone)
    seen.include(columns.start, rows.start, mask)


def _druse(
    picture: Picture, centre: Place, diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint, contrast: float
) -> None:
    patch = window(centre, diameter * 1.2 + 2, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    hard = diameter < 0.06 * where.dd
    mask = blob(x, y, diameter / 2, 0.06, 0.9, rng) if hard else _warped(x, y, diameter / 2, rng.uniform(0.6, 1.4), rng, 0.18)
    tone = DRUSE * np.array([1.0, rng.uniform(0.94, 1.08), rng.uniform(0.8, 1.3)], np.float32)
    _cover(picture[rows, columns], mask * np.float32(min(contrast, 1.2) * rng.uniform(0.5, 0.85)), tone)
    seen.include(columns.start, rows.start, mask)


def _new_vessels(
    picture: Picture, centre: Place, diameter: float, where: Layout, rng: np.random.Generator, seen: Footprint, contrast: float
) -> None:
    """A net of fine loops that branch from one side: a fan elsewhere, a wheel on the disc."""
    reach = diameter / 2
    patch = window(centre, reach * 1.5 + 3, where)
    if patch is None:
        return
    rows, columns, x, y = patch
    over = 3
    canvas = Image.new("L", (x.shape[1] * over, y.shape[0] * over))
    pen = ImageDraw.Draw(canvas)
    thin = max(0.55, where.dd * rng.uniform(0.006, 0.012))
    stride = max(1.0, 0.03 * where.dd)
    root, fan = rng.uniform(0, 2 * np.pi), rng.uniform(1.2, 6.28)
    start = -0.7 * reach * np.array([np.cos(root), np.sin(root)]) if fan < 3.5 else np.zeros(2)
    todo = [(start[0], start[1], root + rng.uniform(-fan / 2, fan / 2), 1.0) for _ in range(int(rng.integers(4, 9)))]
    drawn = 0
    while todo and drawn < 40:
        px, py, heading, wide = todo.pop()
        drawn += 1
        bend, path = rng.normal(0, 0.2), [((px - x[0, 0]) * over, (py - y[0, 0]) * over)]
        for _ in range(int(rng.uniform(0.6, 1.6) * reach / stride)):
            bend = 0.75 * bend + rng.normal(0, 0.20)
            if np.hypot(px, py) > reach * rng.uniform(0.75, 1.0):
                bend += 0.5 * np.sin(np.arctan2(-py, -px) - heading)
            heading += bend
            px, py = px + stride * np.cos(heading), py + stride * np.sin(heading)
            path.append(((px - x[0, 0]) * over, (py - y[0, 0]) * over))
            if rng.random() < 0.12 and len(todo) < 20:
                todo.append((px, py, heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.3), wide * 0.8))
        pen.line(path, fill=int(255 * min(1.0, 0.55 + 0.45 * wide)), width=max(1, round(thin * over * wide)), joint="curve")
    fine = np.asarray(canvas.resize((x.shape[1], y.shape[0]), Image.Resampling.BOX), np.float32) / np.float32(255)
    thickness = (fine + np.float32(0.25) * blurred(fine, 0.02 * where.dd)) * np.float32(contrast * rng.uniform(0.75, 1.4))
    picture[rows, columns] *= np.exp(-thickness[..., None] * np.array([0.30, 0.95, 0.75], np.float32))
    seen.include(columns.start, rows.start, np.minimum(fine * 1.5, 1))


DRAW: dict[Kind, Draw] = {
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
