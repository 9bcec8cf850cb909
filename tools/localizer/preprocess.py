"""From an upright photograph to the square the detector reads, and back. Plain numpy and Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from agent.domain import Box
from tools.quality import judge

GREY = 114
"""What fills the square beside the photograph: the value the detector was trained with."""
MARGIN = 0.0
Bounds = tuple[float, float, float, float]
WHOLE: Bounds = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Square:
    """The detector's input and the way back from it.

    `pixels`: float32, 1 x 3 x size x size, RGB, 0 to 1. A point (x, y) of the square, in pixels, lies at
    (left + x * step_x, top + y * step_y) of the photograph, in fractions.
    """

    pixels: npt.NDArray[np.float32]
    left: float
    top: float
    step_x: float
    step_y: float


def crop_to_field(pixels: Image.Image, field: Box | None = None) -> tuple[Image.Image, Bounds]:
    """The photograph cropped to its field of view (`field`, or what `tools.quality` finds), and the crop in fractions of the image."""
    found = field or judge(pixels).field_of_view
    x1, y1, x2, y2 = (found.x1, found.y1, found.x2, found.y2) if found else WHOLE
    width, height = pixels.size
    corners = round(x1 * width), round(y1 * height), round(x2 * width), round(y2 * height)
    if corners[2] - corners[0] < 32 or corners[3] - corners[1] < 32:  # a field this small is a misreading
        return pixels, WHOLE
    return pixels.crop(corners), (corners[0] / width, corners[1] / height, corners[2] / width, corners[3] / height)
