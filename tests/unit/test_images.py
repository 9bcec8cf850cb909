"""Decoding of every kind of file the intake accepts, and one clear line for every kind it refuses. All pictures are made here."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from agent.errors import ImageError
from agent.settings import Intake
from tools.decoding import decode, to_eight_bits
from tools.images import read_image_file
from tools.quality import judge

LIMITS = Intake()
NAME = "Doe^Jane"


def picture(width: int = 120, height: int = 80) -> Image.Image:
    """Red left half, green right half, a white square in the upper left corner: every flip and turn can be told."""
    image = Image.new("RGB", (width, height), (200, 20, 20))
    pen = ImageDraw.Draw(image)
    pen.rectangle((width // 2, 0, width, height), fill=(20, 180, 20))
    pen.rectangle((0, 0, 19, 19), fill=(255, 255, 255))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def dicom(pixels: np.ndarray[Any, Any] | None, photometric: str = "RGB", **more: Any) -> bytes:
    """A small ophthalmic photograph object. `more` adds or, with None, removes elements."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.77.1.5.1")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = more.pop("syntax", ExplicitVRLittleEndian)
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.PatientName, dataset.PatientID = NAME, "12345"
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    if pixels is not None:
        dataset.Rows, dataset.Columns = pixels.shape[:2]
        dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
        if pixels.ndim == 3:
            dataset.PlanarConfiguration = 0
        dataset.PhotometricInterpretation = photometric
        dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
        dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
        dataset.PixelData = pixels.tobytes()
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def close(image: Image.Image, expected: Image.Image, tolerance: float = 6) -> bool:
    return image.size == expected.size and float(np.abs(np.asarray(image, float) - np.asarray(expected, float)).mean()) < tolerance


@pytest.mark.parametrize(
    ("kind", "media_type", "options"),
    [
        ("JPEG", "image/jpeg", {"quality": 95}),
        ("PNG", "image/png", {}),
        ("TIFF", "image/tiff", {}),
        ("TIFF", "image/tiff", {"compression": "tiff_lzw"}),
        ("TIFF", "image/tiff", {"compression": "jpeg"}),
        ("GIF", "image/gif", {}),
        ("BMP", "image/bmp", {}),
        ("WEBP", "image/webp", {"lossless": True}),
    ],
)
def test_formats_decode_to_plain_rgb(kind: str, media_type: str, options: dict[str, Any]) -> None:
    found = decode(encoded(picture(), kind, **options), LIMITS)
    assert found.media_type == media_type
    assert type(found.pixels) is Image.Image
    assert found.pixels.mode == "RGB"
    assert found.pixels.info == {}
    assert close(found.pixels, picture())
    assert found.laterality == "unknown"


UPRIGHT: dict[int, Callable[[Image.Image], Image.Image]] = {
    1: lambda i: i,
    2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
    4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
    6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
    7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
    8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = UPRIGHT[orientation](picture())  # as a turned camera would have stored the upright scene
    options: dict[str, Any] = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    found = decode(encoded(stored, kind, exif=exif, **options), LIMITS)
    assert close(found.pixels, picture())


def test_nonsense_orientation_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert close(decode(encoded(picture(), "PNG", exif=exif), LIMITS).pixels, picture())


def test_broken_exif_neither_loses_the_picture_nor_talks(tmp_path: Path) -> None:
    """In a process of its own: the test run turns warnings into errors, the product must not even print them."""
    data = encoded(picture(), "JPEG", quality=95)
    broken = b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\xff" * 20
    segment = b"\xff\xe1" + (len(broken) + 2).to_bytes(2, "big") + broken
    place = tmp_path / "broken-exif.jpg"
    place.write_bytes(data[:2] + segment + data[2:])
    code = (
        "import sys; from tools.decoding import decode; from agent.settings import Intake\n"
        "print(decode(open(sys.argv[1], 'rb').read(), Intake()).pixels.size)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(place)], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("(120, 80)", "")


def test_colour_modes_become_rgb() -> None:
    assert close(decode(encoded(picture().convert("CMYK"), "JPEG", quality=95), LIMITS).pixels, picture(), 12)
    assert close(decode(encoded(picture().convert("P"), "PNG"), LIMITS).pixels, picture(), 30)
    grey = decode(encoded(picture().convert("L"), "JPEG"), LIMITS).pixels
    assert grey.mode == "RGB"
    assert len(set(grey.getpixel((60, 60)))) == 1  # type: ignore[arg-type]
    assert decode(encoded(picture().convert("1"), "PNG"), LIMITS).pixels.mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_over_black(mode: str) -> None:
    image = picture().convert(mode)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (60, 0, 120, 80))
    image.putalpha(alpha)
    found = decode(encoded(image, "PNG"), LIMITS).pixels
    assert found.getpixel((100, 40)) == (0, 0, 0)
    assert found.getpixel((5, 5)) == (255, 255, 255)


def test_palette_transparency_lies_over_black() -> None:
    image = picture().convert("P", palette=Image.Palette.ADAPTIVE)
    green = image.getpixel((100, 40))
    found = decode(encoded(image, "PNG", transparency=green), LIMITS).pixels
    assert found.getpixel((100, 40)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    second = Image.new("RGB", (120, 80), (0, 0, 255))
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(picture(), kind, save_all=True, append_images=[second], **options)
    assert close(decode(data, LIMITS).pixels, picture())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("top", "bits"), [(4095, 12), (65535, 16), (1000, 10)])
def test_sixteen_bits_scale_by_the_depth_they_use(kind: str, top: int, bits: int) -> None:
    ramp = np.linspace(0, top, 120 * 80).astype(np.uint16).reshape(80, 120)
    found = np.asarray(decode(encoded(Image.fromarray(ramp), kind), LIMITS).pixels)
    assert found.max() == round(top * 255 / (2**bits - 1))
    assert found[40, 60, 0] == pytest.approx(found.max() / 2, abs=2)


def deep_tiff(pixels: np.ndarray[Any, Any], order: str, deflated: bool) -> bytes:
    """A TIFF of 16 bits a colour, which Pillow reads and does not write."""
    height, width, _ = pixels.shape
    strip = pixels.astype(f"{order}u2").tobytes()
    strip = zlib.compress(strip) if deflated else strip
    bits = 8 + len(strip) + len(strip) % 2
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 8 if deflated else 1), (262, 3, 2), (273, 4, 8), (277, 3, 3)]
    tags += [(278, 4, height), (279, 4, len(strip)), (284, 3, 1)]
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", bits + 6) + strip + b"\0" * (len(strip) % 2)
    out += struct.pack(order + "3H", 16, 16, 16) + struct.pack(order + "H", len(tags))
    for tag, kind, value in tags:
        out += struct.pack(order + "HHI", tag, kind, 3 if tag == 258 else 1)
        out += struct.pack(order + "HH", value, 0) if kind == 3 and tag != 258 else struct.pack(order + "I", value)
    return out + struct.pack(order + "I", 0)


def deep_png(pixels: np.ndarray[Any, Any]) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize("factor", [257, 16, 4], ids=["16 bit", "12 bit", "10 bit"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF <", "TIFF >", "TIFF < deflated", "TIFF > deflated"])
def test_sixteen_bit_colour_scales_by_the_depth_it_uses(kind: str, factor: int) -> None:
    pixels = np.asarray(picture()).astype(np.uint16) * factor
    data = deep_png(pixels) if kind == "PNG" else deep_tiff(pixels, kind[5], "deflated" in kind)
    assert close(decode(data, LIMITS).pixels, picture(), 1.5)


def test_float_tiff_scales_by_its_range() -> None:
    ramp = np.linspace(-3, 5, 120 * 80).astype(np.float32).reshape(80, 120)
    found = np.asarray(decode(encoded(Image.fromarray(ramp), "TIFF"), LIMITS).pixels)
    assert (found.min(), found.max()) == (0, 255)


def test_to_eight_bits_of_a_constant_is_not_a_division_by_zero() -> None:
    assert to_eight_bits(np.full((2, 2), 3.5)).tolist() == [[0, 0], [0, 0]]
    assert to_eight_bits(np.array([-5, 5], np.int16)).tolist() == [0, 255]


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    place = tmp_path / "eye.dcm"
    place.write_bytes(encoded(picture(), "PNG"))
    assert decode(read_image_file(str(place), LIMITS), LIMITS).media_type == "image/png"


def refused(data: bytes, limits: Intake = LIMITS) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, limits)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert NAME not in text
    return text


def test_refuses_what_is_empty_or_no_image() -> None:
    assert "empty" in refused(b"")
    for data in (b"hello", b"%PDF-1.7 ...", b"\0" * 4096, b"<svg/>", os.urandom(3) + b"zz" * 500):
        assert "not a picture" in refused(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_refuses_truncated_files(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    text = refused(data[: max(16, int(len(data) * share))])
    assert kind in text


def test_refuses_flipped_bytes_or_reads_them_but_never_breaks() -> None:
    """Random damage may still decode; whatever else happens is an ImageError."""
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"):
        data = encoded(picture(), kind)
        for _ in range(40):
            damaged = bytearray(data)
            for place in rng.integers(8, len(data), 6):
                damaged[place] = int(rng.integers(0, 256))
            try:
                assert decode(bytes(damaged), LIMITS).pixels.mode == "RGB"
            except ImageError:
                continue


def test_refuses_too_many_bytes() -> None:
    assert "max_image_bytes" in refused(encoded(picture(), "PNG"), Intake(max_image_bytes=100))


def test_refuses_a_bomb_by_its_header() -> None:
    tiny = encoded(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(tiny) < 200_000
    assert "30000 x 30000" in refused(tiny)


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    code = (
        "import io, resource, sys; from PIL import Image; from tools.decoding import decode; from agent.settings import Intake\n"
        "from agent.errors import ImageError\n"
        "data = open(sys.argv[1], 'rb').read(); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: decode(data, Intake())\n"
        "except ImageError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    place = tmp_path / "bomb.png"
    place.write_bytes(out.getvalue())
    done = subprocess.run([sys.executable, "-c", code, str(place)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kilobytes; decoded it would be 900 MB
    assert done.stderr == ""


def test_refuses_too_small() -> None:
    assert "63" in refused(encoded(picture(63, 200), "PNG"))
    assert decode(encoded(picture(64, 200), "PNG"), LIMITS).pixels.size == (64, 200)


def test_a_large_picture_within_the_limits_warns_nobody() -> None:
    """Pillow's own process-wide limit would warn from 89 million pixels on; ours is the one that counts."""
    data = encoded(Image.new("1", (10_000, 9_500)), "PNG")
    assert decode(data, LIMITS).pixels.size == (10_000, 9_500)


# --- DICOM ---------------------------------------------------------------------------------------------------------------


def test_dicom_rgb_with_laterality() -> None:
    found = decode(dicom(np.asarray(picture()), ImageLaterality="L"), LIMITS)
    assert (found.media_type, found.laterality) == ("application/dicom", "left")
    assert close(found.pixels, picture(), 0.01)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"Laterality": "R"}, "right"),
        ({"ImageLaterality": "R", "Laterality": "L"}, "right"),
        ({"ImageLaterality": "B"}, "both"),
        ({"ImageLaterality": "U"}, "unknown"),
        ({"ImageLaterality": ""}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_dicom_laterality(tags: dict[str, str], expected: str) -> None:
    assert decode(dicom(np.asarray(picture()), **tags), LIMITS).laterality == expected


def test_dicom_sixteen_bit_monochrome() -> None:
    ramp = np.linspace(0, 4095, 120 * 80).astype(np.uint16).reshape(80, 120)
    found = np.asarray(decode(dicom(ramp, "MONOCHROME2"), LIMITS).pixels)
    inverted = np.asarray(decode(dicom(ramp, "MONOCHROME1"), LIMITS).pixels)
    assert (found.min(), found.max()) == (0, 255)
    assert np.array_equal(inverted, 255 - found)


def test_dicom_ybr_full_is_converted() -> None:
    ybr = np.asarray(picture().convert("YCbCr"))
    assert close(decode(dicom(ybr, "YBR_FULL"), LIMITS).pixels, picture(), 3)


def test_dicom_jpeg_baseline() -> None:
    frame = encoded(picture(), "JPEG", quality=95)
    data = dicom(np.asarray(picture()), "YBR_FULL_422", syntax=JPEGBaseline8Bit, PixelData=encapsulate([frame]))
    assert close(decode(data, LIMITS).pixels, picture())


def test_dicom_first_of_several_frames() -> None:
    frames = np.stack([np.asarray(picture()), np.zeros((80, 120, 3), np.uint8)])
    data = dicom(frames[0], NumberOfFrames=2, PixelData=frames.tobytes())
    assert close(decode(data, LIMITS).pixels, picture(), 0.01)


def test_dicom_sixteen_bit_colour_scales_by_the_depth_it_uses() -> None:
    pixels = np.asarray(picture()).astype(np.uint16)
    assert close(decode(dicom(pixels * 257), LIMITS).pixels, picture(), 0.01)
    assert close(decode(dicom(pixels * 16, BitsStored=12, HighBit=11), LIMITS).pixels, picture(), 1)


def subsampled(ybr: np.ndarray[Any, Any]) -> bytes:
    """Two lumas and one pair of chromas for each two neighbours, as YBR_FULL_422 is stored."""
    pairs = ybr.reshape(ybr.shape[0], -1, 2, 3)
    return np.stack([pairs[:, :, 0, 0], pairs[:, :, 1, 0], pairs[:, :, 0, 1], pairs[:, :, 0, 2]], axis=2).astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    "more",
    [
        {"photometric": "YBR_FULL_422", "PixelData": subsampled(np.asarray(picture().convert("YCbCr")))},
        {"photometric": "YBR_FULL", "PlanarConfiguration": 1, "PixelData": np.asarray(picture().convert("YCbCr")).transpose(2, 0, 1).tobytes()},
        {"photometric": "RGB", "PlanarConfiguration": 1, "PixelData": np.asarray(picture()).transpose(2, 0, 1).tobytes()},
    ],
)
def test_dicom_layouts_of_colour(more: dict[str, Any]) -> None:
    assert close(decode(dicom(np.asarray(picture()), **more), LIMITS).pixels, picture(), 3)


@pytest.mark.filterwarnings("ignore:.*codestream:UserWarning")  # pydicom remarks on the wrong label, as the product lets it do unheard
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("keep_rgb", [True, False])
def test_dicom_jpeg_is_read_by_what_it_holds_not_by_its_label(photometric: str, keep_rgb: bool) -> None:
    frame = encoded(picture(), "JPEG", quality=95, keep_rgb=keep_rgb)
    data = dicom(np.asarray(picture()), photometric, syntax=JPEGBaseline8Bit, PixelData=encapsulate([frame]))
    assert close(decode(data, LIMITS).pixels, picture(), 2)


@pytest.mark.parametrize(
    ("number", "modality"), [(1, "unknown"), (2, "unknown"), (4, "oct"), (5, "unknown"), (6, "unknown")], ids=lambda v: str(v)
)
def test_dicom_sop_classes_of_ophthalmic_pictures(number: int, modality: str) -> None:
    sop = f"1.2.840.10008.5.1.4.1.1.77.1.5.{number}"
    found = decode(dicom(np.asarray(picture().convert("L")), "MONOCHROME2", SOPClassUID=sop, Laterality="R"), LIMITS)
    assert (found.modality, found.laterality) == (modality, "right")


def test_of_a_tomogram_the_middle_slice_is_taken() -> None:
    slices = np.stack([np.full((80, 120), 40 * i, np.uint8) for i in range(5)])
    data = dicom(slices[0], "MONOCHROME2", NumberOfFrames=5, PixelData=slices.tobytes(), SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.5.4")
    assert decode(data, LIMITS).pixels.getpixel((5, 5)) == (80, 80, 80)


def test_a_stated_tomogram_passes_as_one_unless_it_is_in_colour() -> None:
    noise = np.random.default_rng(0).integers(40, 200, (200, 300), dtype=np.uint8)
    grey = Image.fromarray(noise).convert("RGB")
    assert judge(grey).modality == "other"
    assert judge(grey, "oct").modality == "oct"
    assert "file says" in judge(grey, "oct").note
    assert judge(Image.new("RGB", (300, 200)), "oct").modality == "other", "a black frame is a black frame"
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    assert judge(colour, "oct").modality == "other"


def test_odd_values_of_a_dicom_are_not_told_on_stderr(tmp_path: Path) -> None:
    """In a process of its own: pydicom warns of values that break the standard, and quotes them."""
    data = dicom(np.asarray(picture()), Laterality="R")
    odd = data.replace(b"\x20\x00\x60\x00CS\x02\x00R ", b"\x20\x00\x60\x00CS\x24\x00ROE^RICHARD is far too long for it  ")
    assert odd != data
    place = tmp_path / "odd.dcm"
    place.write_bytes(odd)
    code = (
        "import sys; from tools.decoding import decode; from agent.settings import Intake\n"
        "print(decode(open(sys.argv[1], 'rb').read(), Intake()).laterality)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(place)], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("unknown", "")


@pytest.mark.parametrize("size", [(20_000, 100), (100, 20_000)])
def test_a_very_wide_strip_is_read_and_judged_to_be_no_photograph(size: tuple[int, int]) -> None:
    ramp = Image.linear_gradient("L").resize(size).convert("RGB")
    found = decode(encoded(ramp, "PNG"), LIMITS).pixels
    assert found.size == size
    assert judge(found).modality == "other"


def test_one_pixel_is_refused_with_its_size() -> None:
    assert "1 x 1" in refused(encoded(Image.new("RGB", (1, 1)), "PNG"))
    assert "1 x 1" in refused(dicom(np.zeros((1, 1, 3), np.uint8)))


def test_dicom_refusals() -> None:
    pixels = np.asarray(picture())
    assert "no pixel data" in refused(dicom(None))
    assert "too" not in refused(dicom(pixels)[:300])
    assert "truncated" in refused(dicom(pixels)[:-5000])
    assert "max_image_pixels" in refused(dicom(pixels, Rows=60_000, Columns=60_000))
    assert "min_image_side" in refused(dicom(pixels[:40]))
    assert "does not describe" in refused(dicom(pixels, PhotometricInterpretation=None, Rows=None))


def test_dicom_unknown_compression_is_named() -> None:
    data = dicom(np.asarray(picture()), syntax=pydicom.uid.JPEGLSLossless, PixelData=encapsulate([b"\xff\xd8\xff\xf7" + b"\0" * 64]))
    assert "JPEG-LS" in refused(data)


def test_pydicom_is_only_imported_for_dicom() -> None:
    code = (
        "import io, sys; from PIL import Image; from tools.decoding import decode; from agent.settings import Intake\n"
        "out = io.BytesIO(); Image.new('RGB', (80, 80)).save(out, 'PNG'); decode(out.getvalue(), Intake())\n"
        "print('pydicom' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


# --- files ---------------------------------------------------------------------------------------------------------------


def unreadable(path: Path, limits: Intake = LIMITS) -> str:
    with pytest.raises(ImageError) as caught:
        read_image_file(str(path), limits)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_read_image_file(tmp_path: Path) -> None:
    data = encoded(picture(), "PNG")
    place = tmp_path / "eye.png"
    place.write_bytes(data)
    assert read_image_file(str(place), LIMITS) == data
    assert "max_image_bytes" in unreadable(place, Intake(max_image_bytes=10))
    assert "does not exist" in unreadable(tmp_path / "missing.png")
    assert "directory" in unreadable(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty" in unreadable(tmp_path / "empty.png")
    assert "cannot be read" in unreadable(place / "below.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_read_image_file_without_permission(tmp_path: Path) -> None:
    place = tmp_path / "locked.png"
    place.write_bytes(b"x")
    place.chmod(0)
    assert "cannot be read" in unreadable(place)


def test_read_image_file_with_a_null_byte() -> None:
    with pytest.raises(ImageError, match=r"cannot be read|does not exist"):
        read_image_file("eye\0.png", LIMITS)
