"""DICOM ophthalmic photography (SOP classes 1.2.840.10008.5.1.4.1.1.77.1.5.*) to pixels and laterality, and nothing else.

Uncompressed and JPEG-baseline transfer syntaxes, 8 to 16 bit, monochrome, palette, RGB and YBR; of several frames the first, of a
tomogram's slices the middle one, which crosses the fovea in the usual protocol.
Only Laterality (0020,0060), Image Laterality (0020,0062) and the SOP class are read besides the pixel description: no patient tag
leaves here, and neither an error message nor a warning of pydicom's quotes one.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from agent.errors import ImageError
from agent.settings import Intake
from agent.values import Laterality
from tools.decoding import Decoded, check_size, to_eight_bits

# pydicom's remarks about odd values quote them: neither stderr nor a log is a place for what may be a patient's name.
warnings.filterwarnings("ignore", module=r"pydicom(\..*)?")
logging.getLogger("pydicom").propagate = False

TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
LATERALITIES: dict[str, Laterality] = {"R": "right", "L": "left", "B": "both"}
DAMAGE = (
    BytesLengthException, AttributeError, ValueError, TypeError, KeyError, IndexError, OSError, EOFError, struct.error, RuntimeError,
    NotImplementedError, Warning,
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
        syntax = _syntax_name(str(dataset.file_meta.TransferSyntaxUID))
        tomogram = str(dataset.get("SOPClassUID", "")) == TOMOGRAPHY
        index = int(dataset.get("NumberOfFrames", 1) or 1) // 2 if tomogram else 0
    except DAMAGE as error:
        raise ImageError("the DICOM object does not describe its pixels (rows, columns, photometric interpretation)") from error
    check_size(width, height, limits)
    try:
        # raw=False: pydicom itself brings YBR to RGB.
        frame = pixel_array(dataset, index=index, raw=False)
        if photometric == "PALETTE COLOR":
            frame = apply_color_lut(frame, dataset)
    except MemoryError as error:
        raise ImageError(f"not enough memory to decode {width} x {height} pixels") from error
    except DAMAGE as error:
        raise ImageError(
            f"the DICOM pixel data cannot be decoded (transfer syntax {syntax}): truncated, or export it uncompressed"
        ) from error
    return Decoded(_picture(frame, photometric), "application/dicom", _laterality(dataset), "oct" if tomogram else "unknown", _several(dataset))


def _syntax_name(uid: str) -> str:
    """The standard's name of a transfer syntax; of any other not even the number, which is free text to whoever wrote the file."""
    name = UID(uid).name  # of an unknown one its own text
    return name if name != uid else "unknown"


def _picture(frame: NDArray[Any], photometric: str) -> Image.Image:
    eight = to_eight_bits(frame)
    if eight.ndim == 3 and eight.shape[2] == 3:
        return Image.fromarray(np.ascontiguousarray(eight))
    if eight.ndim != 2:
        raise ImageError(f"the DICOM pixel data has an unexpected shape {eight.shape}")
    if photometric == "MONOCHROME1":
        eight = 255 - eight
    return Image.fromarray(np.ascontiguousarray(eight)).convert("RGB")


def _several(dataset: pydicom.Dataset) -> bool:
    try:
        return int(dataset.get("NumberOfFrames", 1) or 1) > 1
    except DAMAGE:
        return False


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
