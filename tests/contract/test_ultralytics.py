"""The ultralytics localizer beside the shipped one, and with detectors a user brings. Skipped without the extra `train`."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.errors import LocalizerError
from tests.contract.test_localizer import ILL, look
from tests.torchvision_cpu import importable
from tools.localizer.detector import SHIPPED, OnnxLocalizer
from tools.renderer import Scene, render

if not importable():
    pytest.skip("ultralytics is not installed: pip install -e '.[train]'", allow_module_level=True)

from tools.localizer.ultralytics_localizer import RAW_THRESHOLD, UltralyticsLocalizer

pytestmark = pytest.mark.filterwarnings("default")  # ultralytics warns of its own affairs
NAMES = ("OD", "Hard_Exudates", "HEM")


@pytest.fixture(scope="module")
def shipped() -> UltralyticsLocalizer:
    return UltralyticsLocalizer(threads=1)


@pytest.fixture(scope="module")
def ill() -> Image.Image:
    return render(ILL, seed=5).image


def checkpoint(path: Path, names: tuple[str, ...], seed: int = 0) -> Path:
    """An untrained detector saved as training would save it."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(seed)
    model = YOLO("yolo26n.yaml")
    model.model.names = dict(enumerate(names))
    model.model.args = {**model.model.args, "imgsz": 320} if isinstance(model.model.args, dict) else {"imgsz": 320}
    torch.save({"model": model.model, "train_args": {"imgsz": 320, "task": "detect"}, "epoch": -1}, path)
    return path


def carded(path: Path, **props: Any) -> Path:
    """The shipped weights as a user's own: without a card, and with what ultralytics writes into an export."""
    import onnx

    model = onnx.load(SHIPPED)
    size = OnnxLocalizer().card.image_size
    del model.metadata_props[:]
    described = {"task": "detect", "stride": "32", "batch": "1", "imgsz": str([size, size])} | props
    onnx.helper.set_model_props(model, {key: str(value) for key, value in described.items()})
    onnx.save(model, path)
    return path


def own_names() -> dict[int, str]:
    return {index: one.name for index, one in enumerate(OnnxLocalizer().card.classes)}


def test_the_shipped_weights_see_the_same_through_both(shipped: UltralyticsLocalizer, ill: Image.Image) -> None:
    onnx = OnnxLocalizer(threads=1)
    for pixels in (ill, render(Scene(width=700), seed=6).image):
        one, other = look(onnx, pixels), look(shipped, pixels)
        assert one.image_level == pytest.approx(other.image_level, abs=2e-3)
        assert len(one.lesions) == pytest.approx(len(other.lesions), abs=1)
        assert (one.optic_disc is None) == (other.optic_disc is None)
        if one.optic_disc and other.optic_disc:
            assert one.optic_disc.centre == pytest.approx(other.optic_disc.centre, abs=2e-3)
        assert one.note == other.note
    assert shipped.identity == f"{onnx.identity}, ultralytics"


def test_threads_share_one_model(shipped: UltralyticsLocalizer, ill: Image.Image) -> None:
    normal = render(Scene(width=700), seed=6).image
    alone = {id(pixels): look(shipped, pixels) for pixels in (ill, normal)}
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pixels: (id(pixels), look(shipped, pixels)), [ill, normal] * 4))
    assert all(findings == alone[key] for key, findings in together)


def test_a_card_beside_a_copy_is_honoured(tmp_path: Path, ill: Image.Image) -> None:
    for suffix in (".onnx", ".json"):
        shutil.copy(SHIPPED.with_suffix(suffix), tmp_path / f"own{suffix}")
    localizer = UltralyticsLocalizer(tmp_path / "own.onnx", threads=1)
    assert localizer.caution == ""
    assert look(localizer, ill).lesions
    card = json.loads((tmp_path / "own.json").read_text()) | {"sha256": "0" * 64}
    (tmp_path / "own.json").write_text(json.dumps(card))
    with pytest.raises(LocalizerError, match="damaged or replaced"):
        _ = UltralyticsLocalizer(tmp_path / "own.onnx").identity


def test_weights_without_a_card_have_raw_scores_and_say_so(tmp_path: Path, ill: Image.Image) -> None:
    localizer = UltralyticsLocalizer(carded(tmp_path / "mine.onnx", names=own_names()), threads=1)
    assert "mine.onnx (raw scores)" in localizer.identity
    findings = look(localizer, ill)
    assert "scores are the network's own" in findings.note
    assert findings.lesions
    assert all(one.score >= RAW_THRESHOLD for one in findings.lesions)
    assert findings.image_level.keys() >= {"hard_exudate", "haemorrhage"}
    everything = look(UltralyticsLocalizer(tmp_path / "mine.onnx", threads=1, min_score=0.0), ill)
    assert len(everything.lesions) > len(findings.lesions)
    disc, true = findings.optic_disc, render(ILL, seed=5).optic_disc
    assert disc is not None
    assert disc.centre == pytest.approx(true.centre, abs=0.02), "boxes of the whole photograph in fractions of it"


def test_a_checkpoint_of_ones_own(tmp_path: Path, ill: Image.Image) -> None:
    localizer = UltralyticsLocalizer(checkpoint(tmp_path / "best.pt", NAMES), threads=1, min_score=0.0)
    assert localizer.identity.startswith("best.pt (raw scores) ")
    findings = look(localizer, ill)
    assert set(findings.image_level) == {"hard_exudate", "haemorrhage"}
    assert {one.label for one in findings.lesions} <= {"hard_exudate", "haemorrhage"}
    assert findings == look(localizer, ill)


@pytest.mark.parametrize("names", [("person", "OD"), ("EX", "hard_exudates"), ("0", "1", "2")])
def test_other_class_names_are_refused_with_what_is_accepted(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(LocalizerError) as caught:
        _ = UltralyticsLocalizer(checkpoint(tmp_path / "own.pt", names)).identity
    message = str(caught.value)
    assert str(tmp_path / "own.pt") in message
    assert "\n" not in message
    assert repr(names[0]) in message


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
@pytest.mark.parametrize("content", ["empty", "text", "cut", "zip"])
def test_a_file_that_holds_no_detector_is_refused_in_one_line(tmp_path: Path, suffix: str, content: str) -> None:
    path = tmp_path / f"own{suffix}"
    data = {"empty": b"", "text": b"not a network at all", "cut": SHIPPED.read_bytes()[:100_000], "zip": b"PK\x03\x04" + b"0" * 500}[content]
    path.write_bytes(data)
    with pytest.raises(LocalizerError) as caught:
        _ = UltralyticsLocalizer(path).identity
    message = str(caught.value)
    assert message.startswith(f"{path}: ultralytics cannot use it: ")
    assert "\n" not in message
    assert message.isascii() or not str(path).isascii()


@pytest.mark.parametrize(("name", "words"), [("gone.pt", "cannot be read"), ("gone.onnx", "cannot be read"), ("weights.h5", "as .pt or .onnx")])
def test_a_missing_or_foreign_file_is_named(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(LocalizerError, match=words):
        _ = UltralyticsLocalizer(tmp_path / name).identity


def test_pictures_of_other_kinds_pass(shipped: UltralyticsLocalizer) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    findings = look(shipped, noise)
    assert (findings.lesions, findings.image_level) == ((), {})
    assert "colour fundus photographs only" in findings.note


def test_nothing_is_printed(shipped: UltralyticsLocalizer, ill: Image.Image, capfd: pytest.CaptureFixture[str]) -> None:
    look(shipped, ill)
    UltralyticsLocalizer(threads=1).detect(ill)
    assert capfd.readouterr() == ("", "")
