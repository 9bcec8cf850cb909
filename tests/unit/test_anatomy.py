"""Geometry of the retina, and the findings made of it."""

from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import Box, Gradability, ImageFindings, ImageRef, Lesion, LesionLabel, Quadrant
from tools.localizer.anatomy import FOVEA_BELOW_DD, FOVEA_TEMPORAL_DD, UNPLACED, Found, counts, distance_dd, landmarks, place
from tools.localizer.findings import NEAR_FOVEA_DD, SURE, findings_from

WIDTH, HEIGHT = 1500, 1000
RIGHT_DISC = Box(x1=0.72, y1=0.42, x2=0.80, y2=0.54)
IMAGE = ImageRef(number=2, sha256="a" * 64, media_type="image/png", width=WIDTH, height=HEIGHT)
QUADRANTS: tuple[Quadrant, ...] = ("superior_temporal", "inferior_temporal", "superior_nasal", "inferior_nasal")


def mirrored(box: Box) -> Box:
    return Box(x1=1 - box.x2, y1=box.y1, x2=1 - box.x1, y2=box.y2)


def square(x: float, y: float, side: float = 0.02) -> Box:
    return Box(x1=x - side, y1=y - side, x2=x + side, y2=y + side)


def lesion(
    number: int, label: LesionLabel = "haemorrhage", score: float = 0.8, quadrant: Quadrant | None = None, fovea: float | None = None
) -> Lesion:
    return Lesion(number=number, label=label, score=score, box=square(0.5, 0.5), quadrant=quadrant, fovea_distance_dd=fovea)


def seen(
    *lesions: Lesion,
    status: Literal["gradable", "limited", "ungradable"] = "gradable",
    modality: Literal["cfp", "oct"] = "cfp",
    **level: float,
) -> ImageFindings:
    return ImageFindings(
        image=IMAGE, modality=modality, gradability=Gradability(status=status), laterality="right", lesions=lesions, image_level=level
    )


def ids(findings: ImageFindings) -> dict[str, tuple[str, float]]:
    return {one.finding_id: (one.presence, one.weight) for one in findings_from([findings])}


def test_a_disc_on_the_right_is_a_right_eye_with_its_fovea_temporal_and_below() -> None:
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC)
    assert (retina.laterality, retina.nasal) == ("right", "right")
    assert retina.disc_diameter == 120
    assert retina.fovea is not None
    assert retina.fovea[0] * WIDTH == pytest.approx(0.76 * WIDTH - FOVEA_TEMPORAL_DD * 120)
    assert retina.fovea[1] * HEIGHT == pytest.approx(0.48 * HEIGHT + FOVEA_BELOW_DD * 120)


@given(x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9))
def test_a_mirrored_photograph_is_the_other_eye_with_the_same_quadrants_and_distances(x: float, y: float) -> None:
    right, left = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC), landmarks(WIDTH, HEIGHT, None, mirrored(RIGHT_DISC))
    assert (right.laterality, left.laterality) == ("right", "left")
    box = square(x, y)
    assert right.fovea is not None
    if abs(box.centre[0] - right.fovea[0]) < 1e-6:
        return  # on the border of two quadrants
    (one,), (other,) = place([Found("drusen", 0.5, box)], right), place([Found("drusen", 0.5, mirrored(box))], left)
    assert one.quadrant == other.quadrant
    assert one.fovea_distance_dd == pytest.approx(other.fovea_distance_dd, abs=0.011)


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [(0.3, 0.2, "superior_temporal"), (0.3, 0.8, "inferior_temporal"), (0.9, 0.2, "superior_nasal"), (0.9, 0.8, "inferior_nasal")],
)
def test_quadrants_of_a_right_eye(x: float, y: float, name: Quadrant) -> None:
    (one,) = place([Found("drusen", 0.5, square(x, y))], landmarks(WIDTH, HEIGHT, None, RIGHT_DISC))
    assert one.quadrant == name


def test_the_field_of_view_not_the_picture_says_where_the_centre_is() -> None:
    field = Box(x1=0.6, y1=0.0, x2=1.0, y2=1.0)  # the retina fills the right part of the picture
    disc = Box(x1=0.62, y1=0.45, x2=0.68, y2=0.55)
    assert landmarks(WIDTH, HEIGHT, field, disc).laterality == "left"
    assert landmarks(WIDTH, HEIGHT, None, disc).laterality == "right"


@pytest.mark.parametrize(("score", "disc"), [(0.2, RIGHT_DISC), (0.9, square(0.5, 0.5, 0.05))])
def test_a_doubtful_or_central_disc_leaves_the_eye_unknown(score: float, disc: Box) -> None:
    retina = landmarks(WIDTH, HEIGHT, None, disc, score)
    assert (retina.laterality, retina.nasal, retina.fovea) == ("unknown", None, None)
    (one,) = place([Found("haemorrhage", 0.9, square(0.3, 0.3))], retina)
    assert one.quadrant is None
    assert counts([one]) == {"haemorrhage": {UNPLACED: 1}}


def test_a_stated_eye_is_kept_and_orients_a_photograph_centred_on_the_disc() -> None:
    retina = landmarks(WIDTH, HEIGHT, None, square(0.5, 0.5, 0.05), stated="left")
    assert (retina.laterality, retina.nasal) == ("left", "left")
    assert retina.fovea is not None
    assert retina.fovea[0] > 0.5
    mirrored_file = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC, stated="left")
    assert mirrored_file.laterality == "left"
    assert mirrored_file.nasal == "right", "the picture decides where temporal is"


def test_a_fovea_outside_the_picture_is_unknown() -> None:
    disc = Box(x1=0.05, y1=0.3, x2=0.45, y2=0.9)  # larger than any disc, on the left
    assert landmarks(WIDTH, HEIGHT, None, disc).fovea is None


def test_without_a_disc_there_are_no_distances() -> None:
    retina = landmarks(WIDTH, HEIGHT, None, None)
    assert distance_dd((0.1, 0.1), (0.2, 0.2), retina) is None
    (one,) = place([Found("drusen", 0.4, square(0.2, 0.2))], retina)
    assert (one.disc_distance_dd, one.fovea_distance_dd) == (None, None)


def test_numbers_follow_the_score_and_ties_do_not_depend_on_the_order_given() -> None:
    found = [Found("drusen", 0.5, square(x, 0.5)) for x in (0.7, 0.2, 0.4)] + [Found("haemorrhage", 0.9, square(0.1, 0.1))]
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC)
    forwards, backwards = place(found, retina), place(found[::-1], retina)
    assert forwards == backwards
    assert [one.number for one in forwards] == [1, 2, 3, 4]
    assert [round(one.box.centre[0], 2) for one in forwards] == [0.1, 0.2, 0.4, 0.7]


def test_findings_name_the_labels_with_the_best_score() -> None:
    found = ids(seen(lesion(1, score=0.8), lesion(2, score=0.6), lesion(3, "hard_exudate", SURE - 0.1), haemorrhage=0.8))
    assert found == {"hard_exudate": ("possible", 0.6), "retinal_haemorrhage": ("present", 0.8)}


def test_four_quadrants_need_all_four_and_weigh_as_much_as_the_weakest() -> None:
    everywhere = [lesion(n, score=1 - n / 10, quadrant=q) for n, q in enumerate(QUADRANTS, start=1)]
    assert "haemorrhages_four_quadrants" not in ids(seen(*everywhere[:3]))
    presence, weight = ids(seen(*everywhere))["haemorrhages_four_quadrants"]
    assert (presence, weight) == ("possible", 0.6)


def test_exudate_near_the_fovea_stops_at_one_disc_diameter() -> None:
    far, near = (lesion(1, "hard_exudate", fovea=NEAR_FOVEA_DD + d) for d in (0.01, 0.0))
    assert "exudate_near_fovea" not in ids(seen(far))
    assert "exudate_near_fovea" in ids(seen(near))
    assert "exudate_near_fovea" not in ids(seen(lesion(1, "haemorrhage", fovea=0.2)))


def test_no_lesion_is_said_only_of_a_gradable_photograph() -> None:
    clear = ids(seen(hard_exudate=0.1, haemorrhage=0.2))
    assert clear == {"no_retinal_lesion_seen": ("present", 0.72)}
    assert ids(seen(status="limited", hard_exudate=0.1)) == {}
    assert ids(seen(lesion(1), status="ungradable")) == {}
    assert ids(seen(modality="oct")) == {}


def test_findings_carry_image_eye_and_source() -> None:
    (finding,) = findings_from([seen(lesion(1))])
    assert (finding.image, finding.laterality, finding.source) == (2, "right", "localizer")
    assert not math.isnan(finding.weight)
