"""Imitates other fundus cameras on training photographs: all of them come from one camera, patients' photographs will not."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.uint8]


def imitate_camera(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """`pixels` (height x width x 3, any channel order) as another camera, media opacity or file might have shown them; same shape.

    One picture in eight is left alone. Otherwise: colour balance and tone of each channel; then, each with its own chance,
    saturation, uneven light, haze, blur, a coarser sensor, noise and JPEG.
    """
    if rng.random() < 0.125:
        return pixels
    picture = _tone(pixels, rng)
    if rng.random() < 0.3:
        picture = _saturation(picture, rng.uniform(0.5, 1.3))
    if rng.random() < 0.3:
        picture = _light(picture, rng)
    if rng.random() < 0.25:
        picture = _optics(picture, rng)
    if rng.random() < 0.2:
        picture = _noise(picture, rng.uniform(2, 9), rng)
    if rng.random() < 0.3:
        picture = _jpeg(picture, int(rng.integers(35, 90)))
    return picture


def _tone(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    ramp = np.linspace(0, 1, 256)
    gamma = float(np.exp(rng.normal(0, 0.25)))
    tables = [ramp ** (gamma * np.exp(rng.normal(0, 0.08))) * np.exp(rng.normal(0, 0.13)) for _ in range(3)]
    haze = rng.uniform(0, 0.25) if rng.random() < 0.15 else 0.0
    lifted = [np.clip(table * (1 - haze) + haze * 0.6, 0, 1) for table in tables]
    picture = np.empty_like(pixels)
    for channel, table in enumerate(lifted):
        picture[..., channel] = np.round(table * 255).astype(np.uint8)[pixels[..., channel]]
    return picture


def _saturation(pixels: Pixels, factor: float) -> Pixels:
    grey = pixels.mean(axis=2, keepdims=True, dtype=np.float32)
    return _to_bytes(grey + (pixels - grey) * np.float32(factor))


def _light(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    tilt_x, tilt_y, falloff = rng.uniform(-0.35, 0.35), rng.uniform(-0.35, 0.35), rng.uniform(-0.1, 0.5)
    gain = 1 + np.float32(tilt_x) * x + np.float32(tilt_y) * y - np.float32(falloff) * (x * x + y * y) / 2
    return _to_bytes(pixels * np.clip(gain, 0.25, 1.5).astype(np.float32)[..., None])


def _optics(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    picture = Image.fromarray(pixels)
    if rng.random() < 0.5:
        return np.array(picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.0)))))
    share = rng.uniform(0.4, 0.8)
    small = picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.BILINEAR)
    return np.array(small.resize(picture.size, Image.Resampling.BICUBIC))


def _noise(pixels: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    grain = rng.standard_normal(pixels.shape[:2], dtype=np.float32) * np.float32(sigma)
    return _to_bytes(pixels + grain[..., None])


def _jpeg(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def _to_bytes(values: npt.NDArray[np.float32]) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)
