"""The run time around the network: what it reads, what it makes of raw output, and how it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.errors import LocalizerError
from agent.imaging import Box, ImageRef
from tools.localizer.card import load_card
from tools.localizer.detector import SHIPPED, OnnxLocalizer
from tools.localizer.preprocess import SURROUND, square_of
from tools.renderer import LesionGroup, Scene, render

WHOLE = Box(x1=0, y1=0, x2=1, y2=1)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped weights and card, to be damaged."""
    for suffix in (".onnx", ".json"):
        shutil.copy(SHIPPED.with_suffix(suffix), tmp_path)
    return tmp_path / SHIPPED.name


def change(weights: Path, **fields: Any) -> None:
    card = weights.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | fields))


def refuses(weights: Path, *words: str) -> None:
    localizer = OnnxLocalizer(weights, threads=1)  # making one reads nothing
    with pytest.raises(LocalizerError) as caught:
        _ = localizer.identity
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_missing_weights_and_cards_are_named(copy: Path) -> None:
    card = copy.with_suffix(".json").read_bytes()
    copy.with_suffix(".json").unlink()
    refuses(copy, "fovea-localizer.json", "beside the weights")
    copy.with_suffix(".json").write_bytes(card)
    copy.unlink()
    refuses(copy, str(copy), "cannot be read")


@pytest.mark.parametrize("content", [b"", b"not a network at all"])
def test_a_truncated_or_replaced_file_is_told_from_its_card(copy: Path, content: bytes) -> None:
    copy.write_bytes(content or copy.read_bytes()[:100_000])
    refuses(copy, "damaged or replaced")


@pytest.mark.parametrize("content", [b"not a network at all", b""])
def test_a_file_that_is_no_network_is_refused_though_the_card_agrees(copy: Path, content: bytes) -> None:
    copy.write_bytes(content)
    change(copy, sha256=hashlib.sha256(content).hexdigest())
    refuses(copy, "ONNX Runtime cannot use it")


def test_a_card_that_promises_another_input_is_refused(copy: Path) -> None:
    change(copy, image_size=640)
    refuses(copy, "its card promises [1, 3, 640, 640]")


@pytest.mark.parametrize("names", [("optic_disc", "cat", "haemorrhage"), ("drusen", "haemorrhage"), ("optic_disc", "optic_disc")])
def test_other_classes_are_refused(copy: Path, names: tuple[str, ...]) -> None:
    change(copy, classes=[{"name": name, "slope": 1, "offset": 0, "threshold": 0.5} for name in names])
    refuses(copy, "expected 'optic_disc'", "lesions out of", names[0])


@pytest.mark.parametrize("text", ["", "{", '{"name": "x"}', "[]"])
def test_a_malformed_card_is_refused(copy: Path, text: str) -> None:
    copy.with_suffix(".json").write_text(text)
    refuses(copy, "not a detector card")


def test_a_network_with_other_outputs_than_classes_is_refused(copy: Path) -> None:
    classes = json.loads(copy.with_suffix(".json").read_text())["classes"]
    change(copy, classes=classes[:-1])
    refuses(copy, f"1 x {4 + len(classes) - 1} x candidates")


def test_a_fit_over_the_photograph_needs_classes_the_card_has(copy: Path) -> None:
    change(copy, signals={"drusen": {"weights": {"cat": 1.0}, "offset": 0.0}})
    refuses(copy, "'cat'", "no classes of the card")


def test_identity_is_name_and_fingerprint_of_the_weights() -> None:
    digest = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert OnnxLocalizer().identity == f"fovea-localizer {digest[:12]}"


def test_importing_the_run_time_loads_neither_network_library() -> None:
    code = "import sys, tools.localizer.detector as d; d.OnnxLocalizer(); print({'onnxruntime', 'torch', 'ultralytics'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (2000, 2000)])
def test_the_square_holds_the_picture_centred_and_leads_back(size: tuple[int, int]) -> None:
    square = square_of(Image.new("RGB", size, (255, 0, 0)), 256, WHOLE)
    assert square.pixels.shape == (1, 3, 256, 256)
    red = square.pixels[0, 0] == 1.0
    assert int(red.sum()) == pytest.approx(256 * 256 * min(size) / max(size), rel=0.01)
    assert set(np.unique(square.pixels[0, 0]).round(4)) <= {np.float32(1), np.float32(SURROUND / 255).round(4)}
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert square.left + columns[0] * square.step_x == pytest.approx(0, abs=1e-6)
    assert square.left + (columns[-1] + 1) * square.step_x == pytest.approx(1, abs=1e-6)
    assert square.top + rows[0] * square.step_y == pytest.approx(0, abs=1e-6)
    assert square.top + (rows[-1] + 1) * square.step_y == pytest.approx(1, abs=1e-6)


def test_the_square_shows_the_field_of_view_only() -> None:
    picture = Image.new("RGB", (400, 200))
    picture.paste((0, 255, 0), (100, 0, 300, 200))
    square = square_of(picture, 128, Box(x1=0.25, y1=0, x2=0.75, y2=1))
    assert (square.pixels[0, 1] == 1).all()
    assert square.frame == (0.25, 0, 0.75, 1)
    assert square.left + 64 * square.step_x == pytest.approx(0.5)


def test_a_field_too_small_to_be_one_is_ignored() -> None:
    assert square_of(Image.new("RGB", (400, 200)), 64, Box(x1=0.5, y1=0.5, x2=0.51, y2=0.51)).frame == (0, 0, 1, 1)


def raw_output(*candidates: tuple[int, float, tuple[float, float, float, float]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(class, score, centre and size in pixels of the square) as the network would write them, among empty candidates."""
    raw = np.zeros((4 + len(load_card(SHIPPED.with_suffix(".json")).classes), len(candidates) + 50), dtype=np.float32)
    for column, (index, score, box) in enumerate(candidates):
        raw[:4, column] = box
        raw[4 + index, column] = score
    return raw


def test_raw_output_becomes_boxes_of_the_photograph() -> None:
    localizer = OnnxLocalizer()
    square = square_of(Image.new("RGB", (2048, 1024)), 1024, WHOLE)  # 1024 x 512: 256 above and below are surround
    boxes = localizer.postprocess(
        raw_output(
            (1, 0.9, (512, 512, 102.4, 51.2)),
            (1, 0.8, (514, 512, 102.4, 51.2)),  # the same lesion again
            (2, 0.7, (512, 512, 102.4, 51.2)),  # another class may share the place
            (0, 0.6, (100, 512, 50, 50)),
            (0, 0.5, (900, 512, 50, 50)),  # a second disc
            (2, 0.4, (0, 256, 100, 100)),  # reaches over the photograph's corner
            (2, 0.3, (512, 100, 50, 50)),  # lies on the surround
        ),
        square,
    )
    found = [(one.name, round(one.raw, 2)) for one in boxes]
    assert found == [("optic_disc", 0.6), ("hard_exudate", 0.9), ("haemorrhage", 0.7), ("haemorrhage", 0.4)]
    exudate, corner = boxes[1].box, boxes[3].box
    assert (exudate.x1, exudate.y1, exudate.x2, exudate.y2) == pytest.approx((0.45, 0.45, 0.55, 0.55), abs=1e-4)
    assert (corner.x1, corner.y1, corner.x2, corner.y2) == pytest.approx((0, 0, 50 / 1024, 50 / 512), abs=1e-4)


def test_scores_are_the_cards_probabilities_and_keep_their_order() -> None:
    localizer = OnnxLocalizer()
    card = load_card(SHIPPED.with_suffix(".json"))
    for one in card.classes:
        raws = np.linspace(0.001, 0.999, 50)
        probabilities = [one.probability(float(raw)) for raw in raws]
        assert probabilities == sorted(probabilities)
        assert one.probability(one.raw_threshold) == pytest.approx(one.threshold, abs=1e-3)
    square = square_of(Image.new("RGB", (1024, 1024)), 1024, WHOLE)
    (box,) = localizer.postprocess(raw_output((2, 0.4, (500, 500, 60, 60))), square)
    assert box.score == card.classes[2].probability(0.4)


def test_a_class_that_is_switched_off_is_never_shown(copy: Path) -> None:
    card = json.loads(copy.with_suffix(".json").read_text())
    change(copy, classes=[one | {"enabled": one["name"] != "haemorrhage"} for one in card["classes"]], signals={})
    pixels = render(Scene(width=700, lesions=(LesionGroup(kind="blot_haemorrhage", count=15, region="everywhere"),)), seed=3).image
    image = ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=pixels.width, height=pixels.height)
    usual = OnnxLocalizer(threads=1, min_score=0.0).localize(image, pixels)
    without = OnnxLocalizer(copy, threads=1, min_score=0.0).localize(image, pixels)
    assert "haemorrhage" in usual.counts
    assert "haemorrhage" not in without.counts
    assert "haemorrhage" not in without.image_level
    assert without.optic_disc == usual.optic_disc


def test_a_fovea_class_reaches_the_findings(copy: Path) -> None:
    """The shipped network's haemorrhages under another name: what is tested is the way from the card to the findings."""
    card = json.loads(copy.with_suffix(".json").read_text())
    renamed = [one | {"name": "fovea", "threshold": 0.0} if one["name"] == "haemorrhage" else one for one in card["classes"] if one["name"] != "fovea"]
    if len(renamed) != len(card["classes"]):
        renamed.append(next(one for one in card["classes"] if one["name"] == "fovea") | {"name": "haemorrhage"})
    change(copy, classes=renamed, signals={})
    localizer = OnnxLocalizer(copy, threads=1)
    index = [one.name for one in localizer.card.classes].index("fovea")
    square = square_of(Image.new("RGB", (1024, 1024)), localizer.card.image_size, WHOLE)
    raw = np.zeros((4 + len(renamed), 60), dtype=np.float32)
    raw[:4, 0], raw[:4, 1] = (500, 500, 60, 60), (200, 200, 60, 60)
    raw[4 + index, :2] = 0.4, 0.6
    assert [(one.name, round(one.raw, 1)) for one in localizer.postprocess(raw, square)] == [("fovea", 0.6)], "one at most"


def test_each_thread_has_its_own_input(copy: Path) -> None:
    pictures = [render(Scene(width=500 + 50 * n, lesions=(LesionGroup(kind="hard_exudate", count=3 * n + 1),)), seed=n).image for n in range(4)]
    localizer = OnnxLocalizer(threads=1)
    alone = [localizer.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(localizer.detect, pictures * 3)) == alone * 3
    assert localizer.preprocess(pictures[0]).pixels is not localizer.preprocess(pictures[0]).pixels


def test_memory_that_is_given_holds_nothing_of_the_last_picture() -> None:
    memory = np.full((3, 256, 256), 7.0, dtype=np.float32)
    for size in ((300, 200), (200, 300), (60, 300), (1000, 1000)):
        picture = Image.effect_noise(size, 80).convert("RGB")
        fresh, reused = square_of(picture, 256, WHOLE), square_of(picture, 256, WHOLE, memory)
        assert np.array_equal(fresh.pixels, reused.pixels)
        assert np.shares_memory(reused.pixels, memory)


def test_silence_gives_no_boxes() -> None:
    square = square_of(Image.new("RGB", (64, 64)), 1024, WHOLE)
    assert OnnxLocalizer().postprocess(raw_output(), square) == []


def test_a_stated_eye_reaches_the_findings_of_an_image_that_is_not_read() -> None:
    image = ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=300, height=200, laterality="left")
    findings = OnnxLocalizer().localize(image, Image.new("RGB", (300, 200), "white"))
    assert (findings.laterality, findings.image_level, findings.lesions) == ("left", {}, ())
    assert "colour fundus photographs only" in findings.note
