"""DICOM ophthalmic photography (SOP classes 1.2.840.10008.5.1.4.1.1.77.1.5.*) to pixels and laterality, and nothing else.

Uncompressed and JPEG-baseline transfer syntaxes, 8 to 16 bit, monochrome, palette, RGB and YBR; of several frames the first.
Only Laterality (0020,0060) and Image Laterality (0020,0062) are read besides the pixel description: no patient tag leaves here,
and no error message quotes one.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from agent.domain import Laterality
from agent.errors import ImageError
from agent.settings import Intake
from tools.decoding import Decoded, check_size, to_eight_bits

LATERALITIES: dict[str, Laterality] = {"R": "right", "L": "left", "B": "both"}
DAMAGE = (
    AttributeError, ValueError, TypeError, KeyError, IndexError, OSError, EOFError, struct.error, RuntimeError, NotImplementedError, Warning,
)  # fmt: skip


def decode_dicom(data: bytes, limits: Intake) -> Decoded:
    """Raises `ImageError` for damaged files, objects without pixels, unknown compressions and sizes outside the limits."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        has_pixels = "PixelData" in dataset and len(dataset.PixelData) > 0
    except (InvalidDicomError, *DAMAGE) as error:
        raise ImageError("the DICOM header is damaged or cut short: export the object again") from error
    if not has_pixels:
        raise ImageError("the DICOM object holds no pixel data: bring the image itself, not a report or a presentation state")
    try:
        width, height = int(dataset.Columns), int(dataset.Rows)
        photometric = str(dataset.PhotometricInterpretation)
        syntax = dataset.file_meta.TransferSyntaxUID
    except DAMAGE as error:
        raise ImageError("the DICOM object does not describe its pixels (rows, columns, photometric interpretation)") from error
    check_size(width, height, limits)
    try:
        # raw=False: pydicom itself brings YBR to RGB.
        frame = pixel_array(dataset, index=0, raw=False)
        if photometric == "PALETTE COLOR":
            frame = apply_color_lut(frame, dataset)
    except MemoryError as error:
        raise ImageError(f"not enough memory to decode {width} x {height} pixels") from error
    except DAMAGE as error:
        raise ImageError(
            f"the DICOM pixel data cannot be decoded (transfer syntax {syntax.name}): truncated, or export it uncompressed"
        ) from error
    return Decoded(_picture(frame, photometric), "application/dicom", _laterality(dataset))


def _picture(frame: NDArray[Any], photometric: str) -> Image.Image:
    eight = to_eight_bits(frame)
    if eight.ndim == 3 and eight.shape[2] == 3:
        return Image.fromarray(np.ascontiguousarray(eight))
    if eight.ndim != 2:
        raise ImageError(f"the DICOM pixel data has an unexpected shape {eight.shape}")
    if photometric == "MONOCHROME1":
        eight = 255 - eight
    return Image.fromarray(np.ascontiguousarray(eight)).convert("RGB")


def _laterality(dataset: pydicom.Dataset) -> Laterality:
    """Image Laterality first: it is about this image, Laterality about the series."""
    for keyword in ("ImageLaterality", "Laterality"):
        try:
            value = str(dataset.get(keyword, "") or "").strip().upper()
        except DAMAGE:
            continue
        if value in LATERALITIES:
            return LATERALITIES[value]
    return "unknown"
