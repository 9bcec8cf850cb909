"""From boxes to findings, with a detector that sees what it is told to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from agent.imaging import Box, ImageFindings, ImageRef
from agent.values import Laterality
from tools.localizer.anatomy import SURE_DISC
from tools.localizer.assembly import Detection, DetectorLocalizer, best_scores
from tools.localizer.findings import findings_from
from tools.renderer import Rendered, Scene, render

THRESHOLDS = {"optic_disc": 0.2, "fovea": 0.4, "hard_exudates": 0.3, "haemorrhage": 0.5}


class Told(DetectorLocalizer):
    """Finds the given boxes on every photograph; drusen are a class it knows but never shows."""

    def __init__(self, *detections: Detection, min_score: float | None = None, caution: str = "") -> None:
        super().__init__(min_score)
        self._detections = list(detections)
        self._caution = caution

    @property
    def identity(self) -> str:
        return "told"

    @property
    def caution(self) -> str:
        return self._caution

    def detect(self, pixels: Image.Image, field: Box | None = None) -> list[Detection]:
        return self._detections

    def threshold(self, name: str) -> float | None:
        return THRESHOLDS.get(name)

    def image_level(self, detections: Sequence[Detection]) -> dict[str, float]:
        return best_scores(detections, ["hard_exudate", "haemorrhage"])


@pytest.fixture(scope="module")
def eye() -> Rendered:
    return render(Scene(width=600), seed=4)


def seen(name: str, score: float, x: float, y: float, side: float = 0.04) -> Detection:
    return Detection(name, score, score, Box(x1=x - side, y1=y - side, x2=x + side, y2=y + side))


def look(localizer: DetectorLocalizer, pixels: Image.Image, laterality: Laterality = "unknown") -> ImageFindings:
    image = ImageRef(
        number=1, sha256="0" * 64, media_type="image/png", width=pixels.width, height=pixels.height, laterality=laterality
    )
    return localizer.localize(image, pixels)


def disc_of(eye: Rendered, score: float) -> Detection:
    return Detection("optic_disc", score, score, eye.optic_disc)


def test_each_class_is_shown_from_its_own_threshold(eye: Rendered) -> None:
    told = Told(
        disc_of(eye, 0.9), seen("hard_exudates", 0.31, 0.4, 0.5), seen("hard_exudates", 0.29, 0.3, 0.3),
        seen("haemorrhage", 0.49, 0.5, 0.3), seen("haemorrhage", 0.5, 0.5, 0.7), seen("drusen", 0.99, 0.4, 0.4),
    )  # fmt: skip
    findings = look(told, eye.image)
    assert [(one.label, one.score) for one in findings.lesions] == [("haemorrhage", 0.5), ("hard_exudate", 0.31)]
    assert findings.image_level == {"hard_exudate": 0.31, "haemorrhage": 0.5}
    assert findings.areas.keys() == findings.counts.keys() == {"hard_exudate", "haemorrhage"}
    assert findings.optic_disc_diameter_px is not None


def test_a_score_of_ones_own_replaces_every_threshold_but_never_shows_what_is_switched_off(eye: Rendered) -> None:
    boxes = disc_of(eye, 0.05), seen("hard_exudates", 0.1, 0.4, 0.5), seen("haemorrhage", 0.02, 0.5, 0.3), seen("drusen", 0.99, 0.4, 0.4)
    findings = look(Told(*boxes, min_score=0.05), eye.image)
    assert [one.label for one in findings.lesions] == ["hard_exudate"]
    assert findings.optic_disc_score == 0.05
    assert {one.label for one in look(Told(*boxes, min_score=0.0), eye.image).lesions} == {"hard_exudate", "haemorrhage"}
    assert look(Told(*boxes, min_score=1.0), eye.image).lesions == ()


def test_a_high_score_of_ones_own_hides_no_anatomy(eye: Rendered) -> None:
    told = look(Told(disc_of(eye, 0.8), seen("hard_exudates", 0.9, 0.4, 0.5), min_score=0.95), eye.image)
    assert told.lesions == ()
    assert told.optic_disc_score == 0.8
    assert told.optic_disc_diameter_px is not None


def test_of_nested_boxes_the_better_one_is_shown_unless_all_are_asked_for(eye: Rendered) -> None:
    bundle = Detection("hard_exudates", 0.6, 0.6, Box(x1=0.3, y1=0.4, x2=0.5, y2=0.6))
    speck = Detection("hard_exudates", 0.9, 0.9, Box(x1=0.35, y1=0.45, x2=0.4, y2=0.5))
    assert [one.score for one in look(Told(disc_of(eye, 0.9), bundle, speck), eye.image).lesions] == [0.9]
    assert len(look(Told(disc_of(eye, 0.9), bundle, speck, min_score=0.5), eye.image).lesions) == 2


def test_what_cannot_be_measured_is_told_why(eye: Rendered) -> None:
    assert "not sure enough" in look(Told(disc_of(eye, SURE_DISC - 0.01)), eye.image).note
    centred = Detection("optic_disc", 0.9, 0.9, Box(x1=0.46, y1=0.45, x2=0.54, y2=0.55))
    assert "side of the fovea" in look(Told(centred), eye.image).note


def test_nothing_is_measured_from_a_doubtful_disc_or_fovea(eye: Rendered) -> None:
    fovea = eye.fovea
    doubtful = look(Told(disc_of(eye, SURE_DISC - 0.01), seen("haemorrhage", 0.9, 0.5, 0.3)), eye.image)
    assert doubtful.optic_disc is not None
    assert (doubtful.fovea, doubtful.optic_disc_diameter_px, doubtful.lesions[0].disc_distance_dd) == (None, None, None)
    low = look(Told(disc_of(eye, 0.9), seen("fovea", 0.1, *fovea), min_score=0.01), eye.image)
    assert (low.fovea_source, low.fovea_score) == ("estimated", 0.1)
    assert low.fovea_box is not None
    sure = look(Told(disc_of(eye, 0.9), seen("fovea", 0.8, *fovea)), eye.image)
    assert (sure.fovea_source, sure.fovea_score) == ("detected", 0.8)
    assert sure.fovea == pytest.approx(fovea)


def test_of_two_discs_the_better_one_counts(eye: Rendered) -> None:
    findings = look(Told(seen("optic_disc", 0.6, 0.3, 0.3), disc_of(eye, 0.9)), eye.image)
    assert (findings.optic_disc, findings.optic_disc_score) == (eye.optic_disc, 0.9)


def test_an_exudate_in_the_disc_is_the_disc(eye: Rendered) -> None:
    centre = eye.optic_disc.centre
    findings = look(Told(disc_of(eye, 0.9), seen("hard_exudates", 0.9, *centre), seen("haemorrhage", 0.9, *centre)), eye.image)
    assert [one.label for one in findings.lesions] == ["haemorrhage"]


def test_what_is_seen_on_an_ungradable_photograph_is_shown(eye: Rendered) -> None:
    dark = Image.fromarray((np.asarray(eye.image) * 0.2).astype(np.uint8))
    findings = look(Told(disc_of(eye, 0.9), seen("haemorrhage", 0.9, 0.5, 0.3)), dark)
    assert findings.gradability.status == "ungradable"
    assert [one.label for one in findings.lesions] == ["haemorrhage"]
    assert findings.image_level["haemorrhage"] == 0.9
    assert "what is not boxed may be there all the same" in findings.note
    assert findings_from((findings,)) == ()


def test_what_a_reader_must_know_of_the_scores_is_noted(eye: Rendered) -> None:
    assert "scores are raw" in look(Told(caution="scores are raw"), eye.image).note
    assert "scores are raw" not in look(Told(caution="scores are raw"), Image.new("RGB", (300, 200), "white")).note


def test_a_file_that_contradicts_the_picture_is_noted(eye: Rendered) -> None:
    other: Laterality = "left" if eye.optic_disc.centre[0] > 0.5 else "right"
    findings = look(Told(disc_of(eye, 0.9)), eye.image, other)
    assert findings.laterality == other
    assert "mirrored or mislabelled" in findings.note
