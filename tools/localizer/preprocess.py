"""From an upright photograph to the square the detector reads, and the way back. Plain numpy and Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from agent.imaging import Box
from tools.quality import judge

SURROUND = 0
"""What fills the square beside the photograph: black, as the surround of a field of view is, and as the detector was trained."""
SMALLEST_FIELD = 32
Bounds = tuple[float, float, float, float]
WHOLE: Bounds = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Square:
    """The detector's input and the way back from it.

    `pixels`: float32, 1 x 3 x size x size, RGB, 0 to 1. The point (x, y) of the square, in its pixels, lies at
    (left + x * step_x, top + y * step_y) of the photograph, in fractions; `frame` is the part of the photograph the square shows.
    """

    pixels: npt.NDArray[np.float32]
    left: float
    top: float
    step_x: float
    step_y: float
    frame: Bounds


def crop_to_field(pixels: Image.Image, field: Box | None = None) -> tuple[Image.Image, Bounds]:
    """The photograph cropped to its field of view, and the crop in fractions of the photograph.

    `field` is the field of view; without it `tools.quality` looks for one. A retina then has the same scale for the detector,
    whatever black frame its camera left around it.
    """
    found = field or judge(pixels).field_of_view
    x1, y1, x2, y2 = (found.x1, found.y1, found.x2, found.y2) if found else WHOLE
    width, height = pixels.size
    left, top, right, bottom = round(x1 * width), round(y1 * height), round(x2 * width), round(y2 * height)
    if min(right - left, bottom - top) < SMALLEST_FIELD or (left, top, right, bottom) == (0, 0, width, height):
        return pixels, WHOLE  # so small a field is a misreading
    return pixels.crop((left, top, right, bottom)), (left / width, top / height, right / width, bottom / height)


def square_of(pixels: Image.Image, size: int, field: Box | None = None, out: npt.NDArray[np.float32] | None = None) -> Square:
    """Crops to the field of view, scales its longer side to `size` and centres it on black.

    `out`, float32, 3 x size x size, takes the pixels instead of new memory: asking the kernel for twelve megabytes of it anew for each
    photograph costs as much time as filling them. Its content is then that of the last square made.
    """
    crop, frame = crop_to_field(pixels, field)
    scale = size / max(crop.size)
    width, height = (max(1, round(side * scale)) for side in crop.size)
    coloured = crop if crop.mode == "RGB" else crop.convert("RGB")  # convert() would copy what is RGB already
    picture = coloured.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pad_x, pad_y = (size - width) // 2, (size - height) // 2
    canvas = np.empty((3, size, size), dtype=np.float32) if out is None else out
    black = np.float32(SURROUND / 255)
    canvas[:, :pad_y], canvas[:, pad_y + height :] = black, black
    inside = canvas[:, pad_y : pad_y + height]
    inside[:, :, :pad_x], inside[:, :, pad_x + width :] = black, black
    for plane, band in zip(inside, picture.split(), strict=True):
        np.multiply(np.asarray(band), np.float32(1 / 255), out=plane[:, pad_x : pad_x + width])
    step_x, step_y = (frame[2] - frame[0]) / width, (frame[3] - frame[1]) / height
    return Square(canvas[None], frame[0] - pad_x * step_x, frame[1] - pad_y * step_y, step_x, step_y, frame)
