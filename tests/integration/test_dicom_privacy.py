"""A DICOM photograph names its patient loudly; nothing that Fovea writes or says may repeat it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from agent.errors import ImageError
from agent.settings import Intake
from tests.unit.test_images import dicom
from tools.decoding import decode
from tools.renderer import LesionGroup, Scene, render

LOUD = "ZZYZX"
"""Stands in every value of a patient, a person or a place; nowhere else."""
IDENTIFYING = {
    "PatientName": f"{LOUD}^Name",
    "PatientID": f"{LOUD}1",
    "OtherPatientNames": f"{LOUD}^Other",
    "PatientAddress": f"{LOUD} Street 2",
    "PatientBirthName": f"{LOUD}^Birth",
    "PatientMotherBirthName": f"{LOUD}^Mother",
    "PatientTelephoneNumbers": f"{LOUD}3",
    "PatientComments": f"{LOUD} comments",
    "ReferringPhysicianName": f"{LOUD}^Referrer",
    "OperatorsName": f"{LOUD}^Operator",
    "InstitutionName": f"{LOUD} Hospital",
    "AccessionNumber": f"{LOUD}4",
    "StudyID": f"{LOUD}5",
    "StudyDescription": f"{LOUD} study",
    "SeriesDescription": f"{LOUD} series",
    "ImageComments": f"{LOUD} image",
    "DeviceSerialNumber": f"{LOUD}6",
}


def loud(jpeg: bool, width: int = 900) -> bytes:
    """A drawn eye with exudates as an ophthalmic photograph of a patient whose name is everywhere."""
    image = render(Scene(width=width, lesions=(LesionGroup(kind="hard_exudate", count=12),)), seed=5).image
    pixels = np.asarray(image)
    if not jpeg:
        return dicom(pixels, ImageLaterality="R", **IDENTIFYING)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, comment=f"{LOUD} in the JPEG itself")
    frame = encapsulate([out.getvalue()])
    return dicom(pixels, "YBR_FULL_422", syntax=JPEGBaseline8Bit, PixelData=frame, ImageLaterality="R", **IDENTIFYING)


def everything(done: subprocess.CompletedProcess[bytes], *places: Path) -> Iterator[tuple[str, bytes]]:
    yield "stdout", done.stdout
    yield "stderr", done.stderr
    for place in places:
        for file in place.rglob("*"):
            yield f"the name of {file}", file.name.encode()
            if file.is_file():
                yield str(file), file.read_bytes()


@pytest.fixture
def run(tmp_path: Path, index_directory: Path):  # type: ignore[no-untyped-def]
    env = {**os.environ, "FOVEA_DATA_DIRECTORY": str(tmp_path / "data"), "FOVEA_KNOWLEDGE__DIRECTORY": str(index_directory.parent)}

    def call(*args: str | Path) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "agent.cli", *map(str, args)]
        return subprocess.run(command, capture_output=True, env=env, cwd=tmp_path, timeout=240, check=False)

    return call


def test_consult_and_localize_repeat_no_tag(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    given = tmp_path / "in" / "photograph.dcm"
    given.parent.mkdir()
    given.write_bytes(loud(jpeg=True))
    assert given.read_bytes().count(LOUD.encode()) >= len(IDENTIFYING), "the file itself must shout"
    out = tmp_path / "out"
    done = run("consult", "--image", given, "--text", "A 60-year-old with diabetes.", "--json", "--trace", out / "t.json", "--overlay", out)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [image["image"]["laterality"] for image in report["images"]] == ["right"]
    written = {file.suffix for file in out.iterdir()}
    assert written == {".json", ".png"}
    seen = list(everything(done, out, tmp_path / "data"))
    assert all(LOUD.encode() not in data for _, data in seen), [name for name, data in seen if LOUD.encode() in data]
    (overlay,) = out.glob("*.png")
    with Image.open(overlay) as drawn:
        assert drawn.info == {}
        assert not drawn.getexif()

    done = run("localize", given, "--json", "--overlay", tmp_path / "out2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["anatomy"]["laterality"] == "right"
    seen = list(everything(done, tmp_path / "out2", tmp_path / "data"))
    assert len(seen) > 3
    assert all(LOUD.encode() not in data for _, data in seen)


def test_a_refused_file_names_no_one(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    given = tmp_path / "photograph.dcm"
    given.write_bytes(loud(jpeg=False)[:-200_000])
    done = run("localize", given)
    assert done.returncode != 0
    assert b"truncated" in done.stderr
    assert LOUD.encode() not in done.stdout + done.stderr


@pytest.mark.filterwarnings("ignore:Invalid value for VR")  # while the bad files are written
def test_no_damage_makes_an_error_quote_a_tag() -> None:
    """Bytes knocked out all over the header, and each element made to hold a name: read or refused, but never repeated."""
    data = loud(jpeg=False, width=300)
    header = data.index(b"\xe0\x7f\x10\x00")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for place in rng.integers(132, header + 12, 4):
            damaged[place] = int(rng.integers(0, 256))
        refused += _silent(bytes(damaged))
    assert refused > 10
    for keyword in ("PhotometricInterpretation", "ImageLaterality", "Laterality", "SOPClassUID", "BitsAllocated"):
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset[keyword] = pydicom.DataElement(keyword, {"SOPClassUID": "UI", "BitsAllocated": "LO"}.get(keyword, "CS"), LOUD)
        out = io.BytesIO()
        dataset.save_as(out)
        _silent(out.getvalue())


def _silent(data: bytes) -> bool:
    """Whether it was refused; the refusal repeats nothing, nor does what was read."""
    said, refused = "", False
    try:
        found = decode(data, Intake())
        said = f"{found.media_type} {found.laterality} {found.modality} {found.pixels.info}"
    except ImageError as error:
        said, refused = str(error), True
    assert LOUD not in said
    return refused
