"""Where image bytes live: two implementations of the `ImageStore` port, one in memory and one in a directory.

Both validate and decode once, in `put`; the decoded pixels stay in a small cache bounded by bytes, so the `pixels` that follows is
free. Images handed out are shared: treat them as read-only and copy before drawing. Safe to call from any thread.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

from PIL import Image
from pydantic import ValidationError

from agent.errors import ImageError
from agent.imaging import ImageRef
from agent.settings import Intake
from tools.decoding import Decoded, decode

CACHE_BYTES = 256 * 2**20
MEMORY_BYTES = 1024 * 2**20


def read_image_file(path: str, limits: Intake) -> bytes:
    """The bytes of a local image file. Raises `ImageError`, naming the file: missing, no regular file, unreadable or too large."""
    place = Path(path)
    try:
        if place.is_dir():
            raise ImageError(f"{path!r} is a directory: name one image file")
        status = place.stat()
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe or a device could wait for ever.
            raise ImageError(f"{path!r} is not a regular file: name one image file")
        size = status.st_size
        if size > limits.max_image_bytes:
            raise ImageError(f"{path!r} has {size:,} bytes, more than the {limits.max_image_bytes:,} accepted (intake.max_image_bytes)")
        with place.open("rb") as file:
            # One byte more than allowed: a growing file has no honest size beforehand.
            data = file.read(limits.max_image_bytes + 1)
    except FileNotFoundError as error:
        raise ImageError(f"{path!r} does not exist") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > limits.max_image_bytes:
        raise ImageError(f"{path!r} has more than the {limits.max_image_bytes:,} bytes accepted (intake.max_image_bytes)")
    if not data:
        raise ImageError(f"{path!r} is empty: nothing to read")
    return data


class PixelCache:
    """Least recently used pixels by sha256, bounded by decoded bytes; the newest image stays even when it alone is larger."""

    def __init__(self, capacity: int = CACHE_BYTES) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._images: OrderedDict[str, Image.Image] = OrderedDict()
        self._bytes = 0

    def get(self, sha256: str) -> Image.Image | None:
        with self._lock:
            image = self._images.get(sha256)
            if image is not None:
                self._images.move_to_end(sha256)
            return image

    def put(self, sha256: str, image: Image.Image) -> None:
        with self._lock:
            if sha256 in self._images:
                return
            self._images[sha256] = image
            self._bytes += _size(image)
            while self._bytes > self._capacity and len(self._images) > 1:
                _, dropped = self._images.popitem(last=False)
                self._bytes -= _size(dropped)


    def drop(self, sha256: str) -> None:
        with self._lock:
            image = self._images.pop(sha256, None)
            if image is not None:
                self._bytes -= _size(image)


def _size(image: Image.Image) -> int:
    return image.width * image.height * 4  # Pillow keeps RGB in four bytes


def examine(data: bytes, number: int, limits: Intake) -> tuple[ImageRef, Decoded]:
    """The reference and the decoded pixels of one image. Raises `ImageError`, naming it by its number."""
    try:
        decoded = decode(data, limits)
    except ImageError as error:
        raise ImageError(f"image {number}: {error}") from error
    ref = ImageRef(
        number=number,
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=decoded.media_type,
        width=decoded.pixels.width,
        height=decoded.pixels.height,
        laterality=decoded.laterality,
        stated_modality=decoded.modality,
        several_frames=decoded.several_frames,
    )
    return ref, decoded


def _kept(data: bytes, decoded: Decoded) -> bytes:
    """What is kept: the bytes handed in, except that of DICOM only the pixels are, because its header names the patient."""
    if decoded.media_type != "application/dicom":
        return data
    out = io.BytesIO()
    decoded.pixels.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _missing(sha256: str) -> ImageError:
    return ImageError(f"the image store holds no image {sha256[:12]!r}: hand the image in again")


class MemoryImageStore:
    """Images for the life of the process. Beyond `capacity` encoded bytes the least recently used are forgotten."""

    def __init__(self, limits: Intake | None = None, capacity: int = MEMORY_BYTES, cache: PixelCache | None = None) -> None:
        self._limits = limits or Intake()
        self._capacity = capacity
        self._cache = cache or PixelCache()
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[ImageRef, bytes]] = OrderedDict()
        self._bytes = 0

    def put(self, data: bytes, number: int = 1) -> ImageRef:
        """Validates, decodes and keeps `data`. Raises `ImageError`, naming the image by its number and the reason."""
        known = self._find(hashlib.sha256(data).hexdigest())
        if known is not None:
            return known[0].model_copy(update={"number": number})
        ref, decoded = examine(data, number, self._limits)
        kept = _kept(data, decoded)
        self._cache.put(ref.sha256, decoded.pixels)
        with self._lock:
            if ref.sha256 not in self._held:
                self._held[ref.sha256] = (ref, kept)
                self._bytes += len(kept)
            while self._bytes > self._capacity and len(self._held) > 1:
                _, (_, dropped) = self._held.popitem(last=False)
                self._bytes -= len(dropped)
        return ref

    def reference(self, sha256: str, number: int = 1) -> ImageRef:
        """The reference of an image already held. Raises `ImageError` when it is not."""
        known = self._find(sha256)
        if known is None:
            raise _missing(sha256)
        return known[0].model_copy(update={"number": number})

    def pixels(self, sha256: str) -> Image.Image:
        """Upright RGB pixels, shared: copy before drawing. Raises `ImageError` when the store does not hold the image."""
        known = self._find(sha256)
        if known is None:
            raise _missing(sha256)
        cached = self._cache.get(sha256)
        if cached is None:
            cached = decode(known[1], self._limits).pixels
            self._cache.put(sha256, cached)
        return cached

    def data(self, sha256: str) -> bytes:
        """The bytes that are kept. Raises `ImageError` when the store does not hold the image."""
        known = self._find(sha256)
        if known is None:
            raise _missing(sha256)
        return known[1]

    def remove(self, sha256: str) -> None:
        """Forgets the image, its pixels too; one that is not held is none to forget."""
        self._cache.drop(sha256)
        with self._lock:
            known = self._held.pop(sha256, None)
            if known is not None:
                self._bytes -= len(known[1])

    def _find(self, sha256: str) -> tuple[ImageRef, bytes] | None:
        with self._lock:
            known = self._held.get(sha256)
            if known is not None:
                self._held.move_to_end(sha256)
            return known


class DiskImageStore:
    """Images in a directory, as `<first two hex>/<sha256>` beside `<sha256>.json`, the reference. Files are 0600, directories 0700.

    Writes go to a temporary file in the same directory and are renamed, so a reader never sees half an image and a crash leaves
    none. The name is the sha256 of what was handed in.
    """

    def __init__(self, root: Path, limits: Intake | None = None, cache: PixelCache | None = None) -> None:
        self._root = root
        self._limits = limits or Intake()
        self._cache = cache or PixelCache()

    def put(self, data: bytes, number: int = 1) -> ImageRef:
        """Validates, decodes and keeps `data`. Raises `ImageError`, also when the directory cannot be written."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self._cache.get(sha256) is not None and self._place(sha256).with_suffix(".json").exists():
            return self.reference(sha256, number)
        ref, decoded = examine(data, number, self._limits)
        self._cache.put(sha256, decoded.pixels)
        place = self._place(sha256)
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(place, _kept(data, decoded))
            self._write(place.with_suffix(".json"), ref.model_copy(update={"number": 1}).model_dump_json().encode())
        except OSError as error:
            raise ImageError(f"image {number}: cannot be kept in {str(self._root)!r}: {error.strerror}") from error
        return ref

    def reference(self, sha256: str, number: int = 1) -> ImageRef:
        """The reference of an image already held. Raises `ImageError` when it is not."""
        place = self._place(sha256).with_suffix(".json")
        try:
            ref = ImageRef.model_validate_json(place.read_bytes())
        except (OSError, ValidationError) as error:
            raise _missing(sha256) from error
        return ref.model_copy(update={"number": number})

    def pixels(self, sha256: str) -> Image.Image:
        """Upright RGB pixels, shared: copy before drawing. Raises `ImageError` when the store does not hold the image."""
        cached = self._cache.get(sha256)
        if cached is None:
            try:
                data = self._place(sha256).read_bytes()
            except OSError as error:
                raise _missing(sha256) from error
            cached = decode(data, self._limits).pixels
            self._cache.put(sha256, cached)
        return cached

    def data(self, sha256: str) -> bytes:
        """The bytes that are kept. Raises `ImageError` when the store does not hold the image."""
        try:
            return self._place(sha256).read_bytes()
        except OSError as error:
            raise _missing(sha256) from error

    def remove(self, sha256: str) -> None:
        """Deletes the image and its reference, and forgets its pixels; one that is not held is none to delete.

        Raises `ImageError` when it cannot be deleted.
        """
        place = self._place(sha256)
        self._cache.drop(sha256)
        try:
            # The reference first: a removal that is cut short leaves bytes nobody is shown, and the next one finishes it.
            place.with_suffix(".json").unlink(missing_ok=True)
            place.unlink(missing_ok=True)
        except OSError as error:
            raise ImageError(f"image {sha256[:12]!r} cannot be deleted from {str(self._root)!r}: {error.strerror}") from error

    def _place(self, sha256: str) -> Path:
        # The name comes from outside: anything but 64 hex digits could point out of the directory.
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise _missing(sha256)
        return self._root / sha256[:2] / sha256

    @staticmethod
    def _write(place: Path, data: bytes) -> None:
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=".partial-")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(place)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
