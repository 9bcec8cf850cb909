"""What every `Localizer` keeps its word on: the double and the shipped detector pass the same suite."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from agent.imaging import ImageFindings, ImageRef
from agent.ports import Localizer
from agent.settings import Intake
from tests.doubles import StillLocalizer
from tests.torchvision_cpu import importable
from tools.localizer.batch import localize_files
from tools.localizer.dataset import read
from tools.localizer.detector import OnnxLocalizer
from tools.localizer.findings import findings_from
from tools.localizer.labelled import Labelled, read_names
from tools.localizer.opening import open_localizer
from tools.localizer.rendered import evaluate_rendered
from tools.localizer.scorecard import Read, scorecard
from tools.renderer import LesionGroup, Scene, render

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "fundus_lesions_idrid_codras"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="the development photographs (IDRiD) are not on this machine")
ILL = Scene(
    width=1000,
    lesions=(LesionGroup(kind="hard_exudate", count=15), LesionGroup(kind="blot_haemorrhage", count=15, region="everywhere")),
)


def ultralytics() -> Localizer:
    if not importable():
        pytest.skip("ultralytics is not installed: pip install -e '.[train]'")
    return open_localizer("ultralytics", threads=1)


@pytest.fixture(scope="module", params=[StillLocalizer, lambda: OnnxLocalizer(threads=1), ultralytics], ids=["still", "onnx", "ultralytics"])
def localizer(request: pytest.FixtureRequest) -> Localizer:
    made: Callable[[], Localizer] = request.param
    return made()


@pytest.fixture(scope="module")
def onnx() -> OnnxLocalizer:
    return OnnxLocalizer(threads=1)


@pytest.fixture(scope="module")
def ill() -> Image.Image:
    return render(ILL, seed=5).image


@pytest.fixture(scope="module")
def normal() -> Image.Image:
    return render(Scene(width=1000), seed=6).image


def reference(pixels: Image.Image, number: int = 3) -> ImageRef:
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return ImageRef(number=number, sha256=digest, media_type="image/png", width=pixels.width, height=pixels.height)


def look(localizer: Localizer, pixels: Image.Image) -> ImageFindings:
    return localizer.localize(reference(pixels), pixels)


def document() -> Image.Image:
    page = Image.new("RGB", (800, 1000), "white")
    pen = ImageDraw.Draw(page)
    for line in range(40):
        pen.text((60, 40 + 22 * line), "Visual acuity 6/9, intraocular pressure 14 mmHg, no pain.", fill="black")
    return page


def test_it_says_who_it_is(localizer: Localizer) -> None:
    assert localizer.identity
    assert localizer.identity == localizer.identity.strip()


def test_the_same_pixels_give_the_same_findings(localizer: Localizer, ill: Image.Image) -> None:
    assert look(localizer, ill) == look(localizer, ill.copy())


def test_four_threads_see_what_one_sees(localizer: Localizer, ill: Image.Image, normal: Image.Image) -> None:
    pictures = [ill, normal] * 4
    alone = [look(localizer, one) for one in pictures[:2]] * 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda one: look(localizer, one), pictures)) == alone


def test_pixels_are_left_as_they_were(localizer: Localizer, ill: Image.Image) -> None:
    before = ill.tobytes()
    look(localizer, ill)
    assert ill.tobytes() == before


@pytest.mark.parametrize("scene", [ILL, Scene(width=700, laterality="left", centred_on="disc")])
def test_findings_are_about_this_image_and_consistent(localizer: Localizer, scene: Scene) -> None:
    pixels = render(scene, seed=8).image
    findings = look(localizer, pixels)
    assert findings.image == reference(pixels)
    assert [one.number for one in findings.lesions] == list(range(1, len(findings.lesions) + 1))
    scores = [one.score for one in findings.lesions]
    assert scores == sorted(scores, reverse=True)
    assert sum(sum(row.values()) for row in findings.counts.values()) == len(findings.lesions)
    assert (findings.optic_disc is None) == (findings.optic_disc_score is None)
    for one in findings.lesions:
        assert 0 <= one.box.x1 < one.box.x2 <= 1
        assert 0 <= one.box.y1 < one.box.y2 <= 1
        assert one.score <= findings.image_level[one.label]


@pytest.mark.parametrize("colour", ["black", "white", "#c04010"])
def test_a_picture_that_is_no_fundus_passes_without_boxes(localizer: Localizer, colour: str) -> None:
    findings = look(localizer, Image.new("RGB", (400, 300), colour))
    assert findings.lesions == ()
    assert findings.modality == "cfp" or findings.note
    assert findings.modality == "cfp" or findings.optic_disc is None


def test_the_detector_passes_documents_and_noise_with_a_reason(onnx: OnnxLocalizer) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    for pixels in (document(), noise):
        findings = look(onnx, pixels)
        assert findings.modality != "cfp"
        assert (findings.lesions, findings.optic_disc, findings.fovea, findings.image_level) == ((), None, None, {})
        assert "colour fundus photographs only" in findings.note


def test_the_detector_reads_drawn_eyes(onnx: OnnxLocalizer) -> None:
    measured = evaluate_rendered(onnx, each=2, width=1000)
    assert measured["disc_found"] == 1
    assert measured["laterality_right"] == 1
    assert measured["fovea_error_dd"] < 0.5
    assert min(measured["auroc"].values()) > 0.9


def test_an_ungradable_photograph_is_looked_at_and_its_silence_means_nothing(onnx: OnnxLocalizer, ill: Image.Image) -> None:
    clear = look(onnx, ill)
    dark = Image.fromarray((np.asarray(ill) * 0.2).astype(np.uint8))
    findings = look(onnx, dark)
    assert (clear.gradability.status, findings.gradability.status) == ("gradable", "ungradable")
    assert findings.image_level.keys() == clear.image_level.keys()
    assert "what is not boxed may be there all the same" in findings.note
    assert "what is not boxed" not in clear.note
    assert findings_from((findings,)) == (), "nothing is reasoned from it"


@with_data
def test_the_validation_fold_is_read_as_the_card_says() -> None:
    """A third of the fold, so that it stays quick; the bounds are loose for that reason."""
    localizer = OnnxLocalizer(threads=1, min_score=0.0)
    names = read_names(None)
    drawn = [
        Labelled(str(one.path), tuple((names[index], box) for index, box in one.boxes), stated=True)
        for one in read(DATA)
        if one.fold == "val"
    ][::3]
    results = localize_files((one.path for one in drawn), localizer, Intake())
    card = scorecard([Read(one, seen.findings) for one, seen in zip(drawn, results, strict=True) if seen.findings], names, localizer)
    assert card["photographs"] == len(drawn) > 20
    assert card["optic_disc"]["share_shown"] > 0.95
    assert card["classes"]["hard_exudate"]["ap50"] > 0.3
    assert card["classes"]["haemorrhage"]["ap50"] > 0.2
    assert card["image_level"]["hard_exudate"]["auroc"] > 0.9
    assert card["image_level"]["haemorrhage"]["auroc"] > 0.75
