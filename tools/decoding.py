"""Bytes to upright 8-bit RGB. What a file is, its content decides; its name is never asked.

JPEG, PNG, TIFF, GIF, BMP, WebP and DICOM ophthalmic photography. Choices made once, here:
- EXIF orientation is applied; EXIF that cannot be read counts as upright.
- Of an animated or multi-page file the first frame is the picture.
- Transparency is laid over black, the surround of a fundus photograph.
- More than 8 bits: scaled by the smallest usual bit depth (8, 10, 12, 14, 16) that holds the brightest value, so that a 12-bit
  camera in a 16-bit file does not come out black.
"""

from __future__ import annotations

import io
import struct
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from agent.errors import ImageError
from agent.values import Laterality, Modality

if TYPE_CHECKING:
    from agent.settings import Intake

# Damaged metadata is answered here, in one line and in our words; Pillow's own remarks about it would go to stderr.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.\w+ImagePlugin")

EXIF_ORIENTATION = 0x0112
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise on damaged files, besides its own UnidentifiedImageError (an OSError).
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error, OverflowError, Warning)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Upright RGB pixels and what else may leave the file: its media type and, from DICOM, which eye and which kind of picture."""

    pixels: Image.Image
    media_type: str
    laterality: Laterality = "unknown"
    modality: Modality = "unknown"
    several_frames: bool = False


def decode(data: bytes, limits: Intake) -> Decoded:
    """Decodes fully, checking size before spending memory. Raises `ImageError` with one clear line."""
    if not data:
        raise ImageError("the file is empty: nothing to read")
    if len(data) > limits.max_image_bytes:
        raise ImageError(f"the file has {len(data):,} bytes, more than the {limits.max_image_bytes:,} accepted (intake.max_image_bytes)")
    if data[128:132] == b"DICM":
        from tools.dicom import decode_dicom  # pydicom costs 0.2 s to import: only for those who bring DICOM

        return decode_dicom(data, limits)
    media_type, plugin = _kind(data)
    try:
        # The plugin is called directly: Image.open would warn or refuse by a process-wide limit instead of the caller's.
        picture = plugin(io.BytesIO(data))
    except DAMAGE as error:
        raise ImageError(f"the {_short(media_type)} header is damaged or cut short: export the picture again") from error
    check_size(picture.width, picture.height, limits)
    try:
        sixteen_bits = any("RGB;16" in str(tile.args) for tile in picture.tile)
        picture.load()
        deep = _dark_of_sixteen_bits(picture, plugin(io.BytesIO(data))) if sixteen_bits else None
        upright = _upright(picture if deep is None else deep, picture)
        rgb = _rgb(upright)
    except MemoryError as error:
        raise ImageError(f"not enough memory to decode {picture.width} x {picture.height} pixels") from error
    except DAMAGE as error:
        raise ImageError(f"the {_short(media_type)} data is truncated or corrupt: export the picture again") from error
    return Decoded(rgb, media_type, several_frames=_several(picture))


def check_size(width: int, height: int, limits: Intake) -> None:
    """Refuses decompression bombs and pictures too small to be judged, from the header alone. Raises `ImageError`."""
    if width * height > limits.max_image_pixels:
        raise ImageError(
            f"the picture claims {width} x {height} pixels, more than the {limits.max_image_pixels:,} accepted (intake.max_image_pixels)"
        )
    if min(width, height) < limits.min_image_side:
        raise ImageError(
            f"the picture has only {width} x {height} pixels; its smaller side needs at least {limits.min_image_side} (intake.min_image_side)"
        )


def to_eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Intensities of any numeric type to 0..255, by the bit depth they need; floats and negatives by their range.

    >>> to_eight_bits(np.array([0, 2048, 4095], np.uint16)).tolist()
    [0, 128, 255]
    >>> to_eight_bits(np.array([0.0, 0.5, np.nan])).tolist()
    [0, 255, 0]
    """
    if values.dtype == np.uint8:
        same: NDArray[np.uint8] = values
        return same
    scaled = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(scaled.min()), float(scaled.max())
    if np.issubdtype(values.dtype, np.floating) or low < 0:
        span = high - low
        return ((scaled - low) * (255 / span)).astype(np.uint8) if span > 0 else np.zeros(values.shape, np.uint8)
    bits = next((b for b in (8, 10, 12, 14, 16, 32) if high < 2**b), 32)
    eight: NDArray[np.uint8] = (scaled * (255 / (2**bits - 1)) + 0.5).astype(np.uint8)
    return eight


def _kind(data: bytes) -> tuple[str, Callable[[io.BytesIO], ImageFile]]:
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg", JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png", PngImageFile
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "image/tiff", TiffImageFile
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif", GifImageFile
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", WebPImageFile
    if data.startswith(b"BM"):
        return "image/bmp", BmpImageFile
    raise ImageError("not a picture Fovea reads: bring JPEG, PNG, TIFF or DICOM (also GIF, BMP, WebP)")


def _short(media_type: str) -> str:
    return media_type.removeprefix("image/").upper()


def _dark_of_sixteen_bits(picture: ImageFile, again: ImageFile) -> Image.Image | None:
    """A picture of 16 bits a colour in the depth it uses; None where it uses all of it.

    Pillow keeps the upper bytes: 12-bit colour would come out black. Read again (`again`: opened, not loaded) with the byte order
    turned round, it gives the lower bytes.
    """
    if picture.mode != "RGB" or not 0 < max(high for _, high in cast(tuple[tuple[int, int], ...], picture.getextrema())) < 64:
        return None
    again.tile = [tile._replace(args=_turned(tile.args)) for tile in again.tile]
    again.load()
    return Image.fromarray(to_eight_bits(np.asarray(picture).astype(np.uint16) << 8 | np.asarray(again)))


def _turned(args: Any) -> Any:
    """A decoder's arguments with the raw mode of 16-bit colour in the other byte order; others as they are."""
    if isinstance(args, tuple):
        return tuple(_turned(one) for one in args)
    orders = {"RGB;16L": "RGB;16B", "RGB;16B": "RGB;16L", "RGB;16N": "RGB;16B" if sys.byteorder == "little" else "RGB;16L"}
    return orders.get(args, args) if isinstance(args, str) else args


def _several(picture: ImageFile) -> bool:
    try:
        return bool(getattr(picture, "is_animated", False))
    except DAMAGE:  # the first frame decoded; what follows it is broken
        return True


def _upright(picture: Image.Image, described: Image.Image) -> Image.Image:
    """The picture turned as the metadata of `described` says."""
    try:
        orientation = described.getexif().get(EXIF_ORIENTATION, 1)
    except DAMAGE:
        return picture  # the pixels decoded; only their metadata is broken
    transposition = TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None
    return picture.transpose(transposition) if transposition is not None else picture


def _rgb(picture: Image.Image) -> Image.Image:
    """A plain RGB image: never a file object, never palette, alpha, CMYK or more than 8 bits."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        grey = to_eight_bits(np.asarray(picture))
        return Image.fromarray(grey).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        alpha = picture.convert("RGBA")
        black = Image.new("RGB", alpha.size)
        black.paste(alpha.convert("RGB"), mask=alpha.getchannel("A"))
        return black
    # copy() and convert() both return a plain image that holds neither the file nor its metadata.
    rgb = picture.copy() if picture.mode == "RGB" else picture.convert("RGB")
    rgb.info = {}
    return rgb
