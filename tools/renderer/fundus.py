"""The healthy background and the optic disc: colour, choroidal texture, macular pigment, nerve fibres, vessels laid over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.renderer import vessels as tree
from tools.renderer.geometry import Layout, Plane, absorb, blurred, dim, drawn_out, fractal, mix, shine, smooth_noise, step, window
from tools.renderer.scene import Scene

Picture = NDArray[np.float32]
BLOND = np.array([0.86, 0.47, 0.22], np.float32)
DARK = np.array([0.60, 0.28, 0.10], np.float32)
CHOROID = np.array([-0.14, -0.20, -0.22], np.float32)
# How strongly each channel is absorbed: haemoglobin stops green and blue, lets red pass.
VEIN = np.array([0.36, 0.86, 0.68], np.float32)
ARTERY = np.array([0.13, 0.68, 0.58], np.float32)
REFLEX = np.array([1.0, 0.62, 0.38], np.float32)


def background(scene: Scene, where: Layout, rng: np.random.Generator) -> Picture:
    """Retina and choroid without disc and vessels; linear-ish RGB 0 to 1, height x width x 3."""
    size = (where.width, where.height)
    base = BLOND * (1 - scene.pigment) + DARK * scene.pigment
    cloud = fractal(rng, size, where.dd * 1.8, 4)
    mottle = fractal(rng, size, where.dd * 0.16, 3, 0.8)
    grain = smooth_noise(rng, size, max(2.0, where.dd * 0.018))
    # Choroidal vessels: the bright ridges where two noises cross zero.
    warp = fractal(rng, size, where.dd * 0.55, 2)
    ridges = np.exp(-((smooth_noise(rng, size, where.dd * 0.30) + 0.5 * warp) ** 2) * 5)
    if scene.tessellation > 0.45:
        # Where they show plainly they are ribbons that run together, not loops.
        lean = float(rng.uniform(0, np.pi))
        first, second = (drawn_out(rng, size, where.dd * 0.17, 2.8, lean + off) for off in (0.0, float(rng.uniform(0.3, 0.7))))
        ribbons = np.maximum(np.exp(-((first + 0.35 * warp) ** 2) * 4), 0.8 * np.exp(-((second - 0.35 * warp) ** 2) * 5))
        ridges += (ribbons - ridges) * np.float32(min(1.0, (scene.tessellation - 0.45) * 5))
    light = 1 + 0.050 * cloud + 0.020 * mottle + 0.012 * grain
    # Stored plane by plane, seen as height x width x 3: numpy works through whole planes several times faster.
    picture: Picture = np.moveaxis(np.empty((3, where.height, where.width), np.float32), 0, -1)
    for channel in range(3):
        np.multiply(light, base[channel], out=picture[..., channel])
    periphery = step(where.distance(where.fovea), 0.8, 3.0)
    choroid = scene.tessellation * periphery * (ridges - 0.45)
    dim(picture, choroid, CHOROID)
    _macula(picture, where, rng)
    _nerve_fibres(picture, where, rng)
    return picture


def _macula(picture: Picture, where: Layout, rng: np.random.Generator) -> None:
    distance = where.distance(where.fovea) * (1 + 0.06 * smooth_noise(rng, (where.width, where.height), where.dd))
    wide, core = np.exp(-((distance / np.float32(1.15)) ** 2)), np.exp(-((distance / np.float32(0.30)) ** 2))
    pigment: Plane = (0.20 * wide + 0.30 * core).astype(np.float32)
    dim(picture, pigment, np.array([0.55, 1.0, 1.05], np.float32))
    patch = window(where.fovea, 0.2 * where.dd, where)
    if patch is not None:
        rows, columns = patch[:2]
        glint = np.exp(-((distance[rows, columns] / np.float32(0.035)) ** 2)) * np.float32(0.10)
        shine(picture[rows, columns], glint, np.array([1.0, 0.85, 0.6], np.float32))


def _nerve_fibres(picture: Picture, where: Layout, rng: np.random.Generator) -> None:
    """Faint arcuate striae, brightest above and below the disc."""
    t, v, curve = fibre_course(where)
    away = np.sqrt(t * t + v * v)
    streak = rays(rng, (curve + 8) / 16 + 0.002 * smooth_noise(rng, (where.width, where.height), where.dd * 0.3), 420)
    # |v| / away is the sine of the direction from the disc
    strength = np.float32(0.014) * np.exp(-((away - 1.0) ** 2) / np.float32(1.1)) * (0.3 + np.abs(v) / (away + np.float32(1e-6)))
    picture *= (1 + strength * streak + np.float32(0.7) * strength)[..., None]


def fibre_course(where: Layout) -> tuple[Plane, Plane, Plane]:
    """Distance temporal of and above the disc in DD (a row and a column), and a plane that is constant along a nerve fibre."""
    x, y = where.grid()
    t, v = where.nasal * (where.disc[0] - x) / where.dd, (where.disc[1] - y) / where.dd
    curve: Plane = v / np.sqrt(np.maximum(t, np.float32(0.1)))
    nasal = np.flatnonzero(t[0] <= 0.1)
    if nasal.size:
        columns = slice(int(nasal[0]), int(nasal[-1]) + 1)  # one run: t is monotonic along a row
        curve[:, columns] = 3 + np.arctan2(v, t[:, columns] - np.float32(0.1))
    return t, v, curve


def rays(rng: np.random.Generator, position: Plane, count: int) -> Plane:
    """About `count` irregular streaks over a `position` running 0 to 1; deviation about 1."""
    profile = rng.standard_normal(count + 1)
    profile[-1] = profile[0]
    return np.interp(position, np.linspace(0, 1, count + 1), profile).astype(np.float32)


def add_disc(picture: Picture, scene: Scene, where: Layout, rng: np.random.Generator) -> None:
    """Draws the disc in place: rim, cup, margins; a swollen disc loses its cup and its edge."""
    disc, reach = scene.disc, 1.6 * where.dd
    lightness = float(picture[::8, ::8, 0].mean()) / 0.72
    x, y = where.grid()
    near_x, near_y = np.abs(x[0] - where.disc[0]) < reach, np.abs(y[:, 0] - where.disc[1]) < reach
    columns, rows = (slice(int(i.argmax()), int(i.argmax() + i.sum())) for i in (near_x, near_y))
    picture, x, y = picture[rows, columns], x[:, columns], y[rows]
    size = (picture.shape[1], picture.shape[0])
    if 0 in size:  # the disc lies outside of the picture
        return
    t, v = where.nasal * (where.disc[0] - x) / where.dd, (where.disc[1] - y) / where.dd
    angle = np.arctan2(v, t)
    if disc.atrophy:
        _atrophy(picture, disc.atrophy, disc.size, t, v, angle, rng)
    t, v = t / disc.size, v / disc.size
    if disc.tilt:
        lean = np.deg2rad(disc.tilt_axis)
        along, aside = t * np.cos(lean) + v * np.sin(lean), -t * np.sin(lean) + v * np.cos(lean)
        along = along / (1 - 0.35 * disc.tilt)
        t, v = along * np.cos(lean) - aside * np.sin(lean), along * np.sin(lean) + aside * np.cos(lean)
    wobble = sum(float(rng.normal(0, 0.012)) * np.cos(k * angle + float(rng.uniform(0, 6.28))) for k in range(2, 6))
    # Vertical ovals are usual: 0.94 wide to 1.06 high.
    r = np.hypot(t / 0.94, v / 1.06) * 2 / (1 + 0.24 * disc.swelling) + wobble
    edge = 0.07 + 0.26 * disc.swelling
    inside = step(r, 1 + edge * 0.6, 1 - edge)
    halo = np.exp(-(np.maximum(r - 1, 0) ** 2) / (0.02 + 0.22 * disc.swelling))
    rim = np.array([1.02, 0.58, 0.31], np.float32)
    rim = rim * (1 - disc.pallor) + np.array([0.97, 0.87, 0.70], np.float32) * disc.pallor
    rim = rim * (1 - 0.55 * disc.hyperaemia) + np.array([1.04, 0.49, 0.33], np.float32) * (0.55 * disc.hyperaemia)
    cup = np.array([1.0, 0.86, 0.62], np.float32)
    texture = 1 + 0.030 * fractal(rng, size, where.dd * 0.10, 3)
    radial = rays(rng, angle / (2 * np.pi) + 0.5, 90)
    texture = texture + (0.012 + 0.05 * disc.swelling) * radial * step(r, 0.3, 0.9)
    # The temporal rim is thinner and paler, the nasal one full of fibres and vessels.
    paler = (0.10 * step(t.astype(np.float32), -0.2, 0.45))[..., None] * np.array([0.15, 0.9, 0.9], np.float32)
    colour = (rim * (1 + paler)) * texture[..., None]
    depth = disc.cup_to_disc_ratio * (1 - disc.swelling)
    if depth > 0.05:
        cr = np.hypot((t - 0.03) / 0.94, (v + 0.01) / 1.0) * 2 / depth
        hollow = 0.85 * step(cr, 1.25, 0.55)
        colour = colour * (1 - hollow[..., None]) + cup * hollow[..., None]
    # a thin scleral crescent, mostly temporal
    ring = np.exp(-(((r - 1.06) / 0.05) ** 2)) * (0.10 + 0.16 * step(t.astype(np.float32), -0.1, 0.5)) * (1 - disc.swelling)
    picture += ring[..., None] * np.array([0.30, 0.28, 0.18], np.float32)
    veil = np.clip(0.55 * disc.swelling * halo * (1 - inside) * (1 + 0.22 * radial), 0, 0.9)
    grey = np.array([0.97, 0.74, 0.52], np.float32) * lightness
    picture += veil[..., None] * (grey - picture)
    blend = inside[..., None] * (0.94 - 0.14 * disc.swelling)
    picture += blend * (colour * (disc.glow * lightness**0.5) - picture)


def _atrophy(picture: Picture, width: float, size: float, t: Plane, v: Plane, angle: Plane, rng: np.random.Generator) -> None:
    """Peripapillary atrophy: a pale crescent of bare sclera beside the disc, a mottled dark zone around it."""
    towards = float(rng.normal(0, 0.7))
    reach = np.float32(size / 2) + np.float32(width) * (0.5 + 0.5 * np.cos(angle - towards)) ** np.float32(rng.uniform(0.8, 4))
    ragged = reach + 0.035 * smooth_noise(rng, (picture.shape[1], picture.shape[0]), max(2.0, picture.shape[1] * 0.02))
    away = np.hypot(t, v)
    grow = np.float32(rng.uniform(0.05, 0.18))
    zone = step(away - ragged - grow, 0.05, -0.05) * np.float32(rng.uniform(0, 0.25))
    dim(picture, zone, np.array([0.8, 0.9, 0.9], np.float32))
    pale = step(away - ragged, 0.05, -0.07) * np.float32(rng.uniform(0.35, 0.8))
    mottled = pale * np.clip(1 + 0.15 * smooth_noise(rng, (picture.shape[1], picture.shape[0]), max(2.0, picture.shape[1] * 0.03)), 0, 1.2)
    mix(picture, mottled, np.array([0.95, 0.70, 0.45], np.float32))


def add_vessels(picture: Picture, grown: list[tree.Vessel], scene: Scene, where: Layout) -> None:
    """Absorbs light where blood is, then lays the central light reflex on the wide vessels."""
    hidden = np.float32(1)
    if scene.disc.swelling:
        # Swollen fibres bury the vessels at the margin of the disc, here and there.
        r = where.distance(where.disc) * 2
        hidden = 1 - 0.62 * scene.disc.swelling * np.exp(-(((r - 1.15) / 0.38) ** 2))
    for kind, absorbs, gleam in (("vein", VEIN, 0.05), ("artery", ARTERY, 0.13)):
        blood, reflex = tree.draw(grown, where, "vein" if kind == "vein" else "artery")
        shadow = 0.22 * blurred(blood, 0.02 * where.dd)
        absorb(picture, (blood + shadow) * (hidden * np.float32(scene.vessel_contrast)), absorbs)
        shine(picture, reflex * (hidden * np.float32(gleam)), REFLEX)
