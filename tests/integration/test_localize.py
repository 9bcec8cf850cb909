"""`fovea localize` and `fovea localizer evaluate` as a user runs them: good files, bad files, and files that are something else."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tools.localizer.detector import SHIPPED
from tools.renderer import LesionGroup, Scene, render

Fovea = Callable[..., subprocess.CompletedProcess[str]]
ILL = Scene(width=700, lesions=(LesionGroup(kind="hard_exudate", count=12), LesionGroup(kind="blot_haemorrhage", count=12)))
NAMES = ["optic_disc", "fovea", "hard_exudate", "haemorrhage", "microaneurysm", "soft_exudate", "drusen", "neovascularisation"]


@pytest.fixture
def fovea(tmp_path: Path) -> Fovea:
    def run(*args: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent.cli", *map(str, args)]
        env = {**os.environ, "COLUMNS": "140", **extra}
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=env, timeout=240, cwd=tmp_path, check=False)

    return run


@pytest.fixture(scope="module")
def ill() -> Image.Image:
    return render(ILL, seed=3).image


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.splitlines()]  # type: ignore[arg-type]


def dicom(path: Path, pixels: Image.Image | None) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.ImageLaterality = "Loud^Patient", "ID-4711", "R"
    if pixels is not None:
        dataset.Columns, dataset.Rows = pixels.size
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel, dataset.PlanarConfiguration = "RGB", 3, 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PixelData = pixels.tobytes()
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def test_json_lines_of_a_directory_in_order_with_overlays(fovea: Fovea, tmp_path: Path, ill: Image.Image) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    ill.save(tmp_path / "in" / "b.png")
    render(Scene(width=700), seed=4).image.save(tmp_path / "in" / "a.jpg", quality=95)
    ill.save(tmp_path / "in" / "deep" / "b.png")
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    (tmp_path / "in" / ".hidden.txt").write_text("nor this")
    done = fovea("localize", "in", "--json", "--overlay", "out", "--workers", "2")
    rows = lines(done)
    assert done.returncode == 0, done.stderr
    assert [row["image"] for row in rows] == ["in/a.jpg", "in/b.png", "in/deep/b.png", "in/notes.txt"]
    assert set(rows[3]) == {"image", "error"}
    assert done.stderr.splitlines() == [
        "fovea: in/notes.txt: not a picture Fovea reads: bring JPEG, PNG, TIFF or DICOM (also GIF, BMP, WebP)",
        "fovea: 4 files: 3 measured, 0 passed on, 1 unread",
    ]
    clear, sick = rows[0], rows[1]
    for row in rows[:3]:
        assert set(row) == {"image", "modality", "gradability", "boxes", "image_level", "anatomy", "note", "overlay"}
        assert row["modality"] == "cfp"
        assert row["gradability"]["status"] == "gradable"
        assert {"laterality", "optic_disc", "fovea", "nearest_exudate_dd", "counts"} <= set(row["anatomy"])
        for box in row["boxes"]:
            assert box["label"] in NAMES
            x1, y1, x2, y2 = box["box"]
            assert 0 <= x1 < x2 <= 1
            assert 0 <= y1 < y2 <= 1
            assert 0 <= box["score"] <= 1
        with Image.open(tmp_path / row["overlay"]) as drawn:
            assert drawn.size == ill.size
        assert stat.S_IMODE((tmp_path / row["overlay"]).stat().st_mode) == 0o600
    assert {box["label"] for box in sick["boxes"]} >= {"optic_disc", "hard_exudate", "haemorrhage"}
    assert sick["image_level"]["hard_exudate"] > clear["image_level"]["hard_exudate"]
    assert sick["anatomy"]["optic_disc"]["diameter_px"] > 30
    assert sick["anatomy"]["fovea"]["source"] in ("estimated", "detected")
    assert sick["anatomy"]["nearest_exudate"] == "measured"
    assert clear["anatomy"]["nearest_exudate"] == "none_seen"
    for row in (clear, sick):
        chances = row["image_level"]
        assert chances["no_visible_lesion"] + max(chances["hard_exudate"], chances["haemorrhage"]) <= 1
    assert {**rows[2], "image": "", "overlay": ""} == {**sick, "image": "", "overlay": ""}, "the same bytes, the same findings"


def test_a_score_of_ones_own(fovea: Fovea, tmp_path: Path, ill: Image.Image) -> None:
    ill.save(tmp_path / "a.png")
    few, usual, many = (lines(fovea("localize", "a.png", "--json", *args))[0] for args in (("--min-score", "0.9"), (), ("--min-score", "0.01")))
    assert len(few["boxes"]) < len(usual["boxes"]) < len(many["boxes"])
    assert all(box["score"] >= 0.9 for box in few["boxes"] if box["label"] not in ("optic_disc", "fovea"))
    for part in ("laterality", "optic_disc", "fovea"):
        assert few["anatomy"][part] == usual["anatomy"][part] == many["anatomy"][part], "a score of one's own hides no anatomy"


def test_one_bad_entry_stops_nobody(fovea: Fovea, tmp_path: Path, ill: Image.Image) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    ill.save(folder / "a.png")
    shutil.copy(folder / "a.png", folder / f"{'b' * 250}.png")
    shutil.copy(folder / "a.png", folder / "c.png")
    done = fovea("localize", "in", "gone.png", "--json", "--overlay", "in/out")
    rows = lines(done)
    assert [("error" in row) for row in rows] == [False, False, False, True]
    assert len({row["overlay"] for row in rows[:3]}) == 3
    assert all((tmp_path / row["overlay"]).exists() for row in rows[:3])
    assert done.returncode == 2
    again = fovea("localize", "in", "--json", "--overlay", "in/out")
    assert len(lines(again)) == 3, "the directory of overlays is not read"


def test_nothing_readable_is_a_failure(fovea: Fovea, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).write_text("no picture")
    done = fovea("localize", "in", "--json")
    assert done.returncode == 2
    assert len(lines(done)) == 2
    assert "none of the 2 files could be read" in done.stderr


def test_a_reader_sees_rows_and_the_boxes_of_a_single_image(fovea: Fovea, tmp_path: Path, ill: Image.Image) -> None:
    ill.save(tmp_path / "a.png")
    one = fovea("localize", "a.png")
    assert one.returncode == 0, one.stderr
    assert "gradable" in one.stdout
    assert "inferior" in one.stdout
    assert "optic disc" in one.stdout
    two = fovea("localize", "a.png", "a.png")
    assert two.stdout.count("a.png") == 2
    assert "quadrant" not in two.stdout
    assert two.stdout.splitlines()[2] == two.stdout.splitlines()[3]


def bad_files(folder: Path, ill: Image.Image) -> dict[str, str]:
    """Writes one file of each unpleasant kind; name -> words of its note or error."""
    grey = np.asarray(ill.convert("L"), np.uint16)
    Image.new("RGB", (700, 467)).save(folder / "black.png")
    Image.fromarray(grey * 257).save(folder / "sixteen.tif")
    frames = [ill.resize((350, 233)), Image.new("RGB", (350, 233))]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:], duration=100)
    ill.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    turned = ill.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", quality=95, exif=exif)
    Image.new("RGB", (1, 1), "red").save(folder / "tiny.png")
    wide = Image.new("RGB", (20_000, 480))
    wide.paste(ill, (9_650, 0))
    wide.save(folder / "wide.jpg", quality=90)
    Image.new("RGB", (20_000, 100), (150, 70, 40)).save(folder / "strip.png")
    dicom(folder / "empty.dcm", None)
    dicom(folder / "photo.dcm", ill)
    document = np.full((600, 450, 3), 255, np.uint8)
    document[60:540:24, 40:400] = 0
    Image.fromarray(document).save(folder / "letter.png")
    buffer = io.BytesIO()
    ill.save(buffer, "JPEG")
    (folder / "cut.jpg").write_bytes(buffer.getvalue()[:4000])
    return {
        "animated.gif": "several pictures", "black.png": "the frame is black", "cmyk.jpg": "colour fundus", "cut.jpg": "truncated",
        "empty.dcm": "no pixel data", "letter.png": "reads colour fundus photographs only", "photo.dcm": "colour fundus",
        "sixteen.tif": "reads colour fundus photographs only", "strip.png": "reads colour fundus photographs only", "tiny.png": "1 x 1",
        "turned.jpg": "colour fundus", "wide.jpg": "",
    }  # fmt: skip


def test_every_unpleasant_file_has_a_clear_outcome(fovea: Fovea, tmp_path: Path, ill: Image.Image) -> None:
    (tmp_path / "in").mkdir()
    expected = bad_files(tmp_path / "in", ill)
    done = fovea("localize", "in", "--json", "--overlay", "out")
    rows = {Path(row["image"]).name: row for row in lines(done)}
    assert done.returncode == 0, "what was found in a directory is not the user's mistake"
    assert list(rows) == sorted(expected)
    for name, words in expected.items():
        row = rows[name]
        assert words in row.get("error", row.get("note")), name
        assert row.get("error") is None or row["error"].count("\n") == 0
    assert {name for name, row in rows.items() if "error" in row} == {"cut.jpg", "empty.dcm", "tiny.png"}
    passed = sum(row.get("modality", "cfp") != "cfp" for row in rows.values())
    assert done.stderr.splitlines()[3:] == [f"fovea: {len(expected)} files: {len(expected) - 3 - passed} measured, {passed} passed on, 3 unread"]
    for name in ("animated.gif", "cmyk.jpg", "turned.jpg", "photo.dcm"):
        assert rows[name]["modality"] == "cfp", name
    assert rows["photo.dcm"]["anatomy"]["laterality"] == "right"
    assert not any(word in done.stdout + done.stderr for word in ("Loud", "4711"))
    upright, turned = rows["cmyk.jpg"]["anatomy"]["optic_disc"], rows["turned.jpg"]["anatomy"]["optic_disc"]
    assert turned["centre"] == pytest.approx(upright["centre"], abs=0.01)
    for name in ("black.png", "letter.png", "sixteen.tif"):
        assert (rows[name]["boxes"], rows[name]["image_level"]) == ([], {}), name
    assert [rows[name]["modality"] for name in ("black.png", "letter.png", "sixteen.tif")] == ["other", "other", "ffa"], "grey is red-free"


def test_a_bad_file_that_was_named_is_an_error_after_the_others_were_done(fovea: Fovea, tmp_path: Path, ill: Image.Image) -> None:
    ill.save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = fovea("localize", "bad.png", "gone.png", "good.png", "--json")
    rows = lines(done)
    assert done.returncode == 2
    assert ["error" in row for row in rows] == [True, True, False]
    assert done.stderr.splitlines()[-1] == "fovea: 2 named files could not be read: see above"
    assert "gone.png: does not exist" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("localize",), "Missing argument"),
        (("localize", "empty", "--json"), "no files in empty"),
        (("localize", "a.png", "--min-score", "1.5"), "--min-score"),
        (("localize", "a.png", "--workers", "0"), "--workers"),
        (("localize", "a.png", "--implementation", "oracle"), "oracle"),
        (("localize", "a.png", "--overlay", "/dev/null/x"), "/dev/null/x"),
        (("localize", "a.png", "--weights", "gone.onnx"), "gone.onnx: the detector's weights cannot be read"),
            (("localize", "a.png", "--weights", "mine.pt"), "--implementation ultralytics"),
            (("localize", ""), "an empty path"),
            (("localize", "a.png", "--overlay", ""), "an empty path"),
            (("localize", ".", "--overlay", "."), "is read itself"),
        (("localize", "a.png", "--weights", "text.onnx"), "damaged or replaced"),
        (("localize", "a.png", "--weights", "names.onnx"), "'cat'"),
        (("localizer", "evaluate", "--images", "gone", "--labels", "empty"), "no such directory"),
        (("localizer", "evaluate", "--images", "empty", "--labels", "empty"), "holds no files"),
    ],
)
def test_usage_and_weights_fail_in_one_line(fovea: Fovea, tmp_path: Path, args: tuple[str, ...], words: str) -> None:
    Image.new("RGB", (200, 200)).save(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    card = json.loads(SHIPPED.with_suffix(".json").read_text())
    (tmp_path / "text.onnx").write_text("not a network")
    (tmp_path / "text.json").write_text(json.dumps(card))
    shutil.copy(SHIPPED, tmp_path / "names.onnx")
    card["classes"][1]["name"] = "cat"
    (tmp_path / "names.json").write_text(json.dumps(card))
    done = fovea(*args)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 4


@pytest.mark.skipif(importlib.util.find_spec("ultralytics") is not None, reason="the extra 'train' is installed")
@pytest.mark.parametrize("args", [("localize", "a.png"), ("localizer", "evaluate", "--images", ".", "--labels", ".")])
def test_without_its_extra_ultralytics_says_what_to_install(fovea: Fovea, tmp_path: Path, args: tuple[str, ...]) -> None:
    Image.new("RGB", (200, 200)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("")
    done = fovea(*args, "--implementation", "ultralytics")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fovea: ultralytics cannot be imported")
    assert done.stderr.endswith("pip install 'fovea[train]'\n")
    by_setting = fovea(*args, FOVEA_LOCALIZER__IMPLEMENTATION="ultralytics")
    assert (by_setting.returncode, by_setting.stderr) == (2, done.stderr)


def test_evaluation_of_drawn_eyes(fovea: Fovea, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    names = ("optic_disc", "hard_exudate", "haemorrhage")
    for seed, scene in enumerate((ILL, Scene(width=700), ILL.model_copy(update={"laterality": "left"}))):
        seen = render(scene, seed)
        seen.image.save(tmp_path / "images" / f"{seed}.png")
        boxes = [(0, seen.optic_disc), *((names.index(one.label), one.box) for one in seen.lesions)]
        text = [f"{n} {(b.x1 + b.x2) / 2} {(b.y1 + b.y2) / 2} {b.x2 - b.x1} {b.y2 - b.y1}\n" for n, b in boxes]
        (tmp_path / "labels" / f"{seed}.txt").write_text("".join(text))
    (tmp_path / "images" / "list.csv").write_text("no picture")
    done = fovea("localizer", "evaluate", "--images", "images", "--labels", "labels", "--json")
    card = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (card["photographs"], card["unread"], card["without_label_file"]) == (3, 1, 0)
    assert card["optic_disc"]["held"] == 3
    assert card["image_level"]["hard_exudate"]["auroc"] == 1.0
    assert set(card["classes"]["haemorrhage"]["froc"]["iou50"]["sensitivity"]) == {"1/8", "1/4", "1/2", "1", "2", "4", "8"}
    table = fovea("localizer", "evaluate", "--images", "images", "--labels", "labels")
    assert "Sensitivity by false alarms per photograph" in table.stdout
    assert "holds the drawn centre in 3 of 3" in table.stdout
    (tmp_path / "labels" / "1.txt").write_text("9 0.5 0.5 0.1 0.1\n")
    bad = fovea("localizer", "evaluate", "--images", "images", "--labels", "labels")
    assert bad.returncode == 2
    assert bad.stderr.startswith("fovea: labels/1.txt, line 1: class 9")
