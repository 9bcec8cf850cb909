"""From a retina to a photograph: illumination, media opacity, blur, sensor noise, tint, and the round aperture on black."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tools.renderer.fundus import Picture
from tools.renderer.geometry import Layout, Plane, blurred, mix, shine, smooth_noise, step
from tools.renderer.lookalikes import in_camera
from tools.renderer.scene import Camera, Scene


def photograph(
    picture: Picture, scene: Scene, where: Layout, rng: np.random.Generator, other: np.random.Generator
) -> Image.Image:
    """8-bit RGB. Changes `picture` in place. `other` feeds what was added later, so that older scenes keep their pictures."""
    camera = scene.camera
    size, scale = (where.width, where.height), where.width / 1600
    x, y = where.grid()
    across = np.sqrt((x - where.cx) ** 2 + (y - where.cy) ** 2) * np.float32(1 / where.radius)
    direction = float(rng.uniform(0, 2 * np.pi))
    slope = ((x - where.cx) * float(np.cos(direction)) + (y - where.cy) * float(np.sin(direction))) / where.radius
    light = 1.16 - camera.falloff * across**2.2 - camera.shade * (0.5 + 0.5 * slope) * across
    light = light * (1 + 0.03 * smooth_noise(rng, size, where.radius * 0.9))
    picture *= light[..., None]
    # A little stray light from the cornea towards the rim, as every camera has.
    rim = np.exp(-(((across - 1.0) / 0.07) ** 2)) * np.float32(rng.uniform(0.02, 0.07))
    shine(picture, rim, np.array([0.9, 0.75, 0.6], np.float32))
    if camera.casts:
        _casts(picture, camera.casts, where, other)
    blur = camera.blur * scale
    if camera.haze:
        _haze(picture, camera.haze, where, rng)
        blur = float(np.hypot(blur, 9 * scale * camera.haze))
    for channel in range(3):
        # Longitudinal chromatic aberration: red is focused deepest and comes out softest.
        picture[..., channel] = blurred(picture[..., channel], blur * (1.25 if channel == 0 else 1.0))
    in_camera(picture, scene.look_alikes, where, other)
    picture *= np.array(camera.tint, np.float32) * np.float32(camera.exposure)
    if any(camera.veil):
        # Light scatters where there is light: less over dense blood, which would turn violet otherwise.
        red = picture[..., 0]
        share = np.minimum(red / np.float32(red[::8, ::8].mean() + 1e-6), np.float32(1.3))
        shine(picture, share, np.array(camera.veil, np.float32) * np.float32(camera.exposure))
    if camera.blue_limit < 9:
        np.minimum(picture[..., 2], picture[..., 1] * np.float32(camera.blue_limit) + np.float32(0.02), out=picture[..., 2])
    _shoulder(picture)
    aperture = step(_rim(across, camera, where, other), 1 + 1.6 / where.radius, 1 - 2.4 / where.radius)
    if camera.cut < 1:
        aperture = aperture * step(np.abs(y - where.cy) - where.radius * camera.cut, 1.5, -1.5)
    picture *= aperture[..., None]
    shine(picture, 1 - aperture, np.array([0.012, 0.009, 0.009], np.float32))
    if camera.noise:
        coarse = smooth_noise(rng, size, 2.2 * max(scale, 0.5))
        strength = np.float32(camera.noise) * (0.25 + 0.75 * aperture)
        for channel, weight in enumerate((0.7, 0.8, 1.2)):
            fine = rng.standard_normal(across.shape, dtype=np.float32)
            picture[..., channel] += strength * np.float32(weight) * (0.55 * fine + 0.45 * coarse)
    if camera.sharpen:
        for channel in range(3):
            plane = picture[..., channel]
            plane += np.float32(camera.sharpen) * (plane - blurred(np.ascontiguousarray(plane), 2.2 * scale))
    np.clip(picture, 0, 1, out=picture)
    picture *= np.float32(255)
    picture += np.float32(0.5)
    return Image.merge("RGB", [Image.fromarray(picture[..., channel].astype(np.uint8)) for channel in range(3)])


def _rim(across: Plane, camera: Camera, where: Layout, rng: np.random.Generator) -> Plane:
    """The distance from the centre with the orientation mark bent out of (tooth, tab) or into (dent) the circle."""
    if camera.mark == "none":
        return across
    x, y = where.grid()
    at, wide = rng.uniform(-0.7, 0.7) + (np.pi if rng.random() < 0.2 else 0), rng.uniform(0.012, 0.05)
    off = np.abs((np.arctan2(y - where.cy, x - where.cx) - at + np.pi) % (2 * np.pi) - np.pi) / wide
    if camera.mark == "tooth":
        bump = np.clip(1 - np.abs(off - 0.5) * 2, 0, 1) * 0.045
    elif camera.mark == "tab":
        bump = (off < 1) * rng.uniform(0.03, 0.08)
    else:
        bump = -np.clip(1 - off, 0, 1) * rng.uniform(0.03, 0.10)
    bent: Plane = (across / (1 + bump)).astype(np.float32)
    return bent


def _casts(picture: Picture, strength: float, where: Layout, rng: np.random.Generator) -> None:
    """Wide patches of another hue, as uneven light through the pupil leaves them."""
    size = (where.width, where.height)
    lighter, hue = smooth_noise(rng, size, where.radius * 0.9), smooth_noise(rng, size, where.radius * 1.2)
    lean = np.array([0.06, -0.08, -0.12], np.float32) * np.float32(rng.choice([-1, 1]))
    for channel in range(3):
        picture[..., channel] *= np.clip(1 + np.float32(strength) * (np.float32(0.16) * lighter + hue * lean[channel]), 0.3, 2)


def _shoulder(picture: Picture) -> None:
    """Rolls bright values off towards 1 instead of clipping them, as film curves do."""
    knee = np.float32(0.78)
    room = 1 - knee
    for channel in range(3):
        plane = picture[..., channel]
        over = plane > knee
        if over.any():
            plane[over] = knee + room * (1 - np.exp((knee - plane[over]) / room))


def _haze(picture: Picture, haze: float, where: Layout, rng: np.random.Generator) -> None:
    """Cloudy media: contrast goes, a milky veil comes, uneven as cataracts are."""
    uneven = np.clip(1 + 0.22 * smooth_noise(rng, (where.width, where.height), where.radius * 0.8), 0.4, 1.5)
    veil = np.clip(haze * uneven, 0, 0.97).astype(np.float32)
    mean = picture[::8, ::8].mean(axis=(0, 1))
    milk = 0.55 * mean + 0.45 * np.array([0.74, 0.62, 0.44], np.float32)
    mix(picture, veil, milk)
