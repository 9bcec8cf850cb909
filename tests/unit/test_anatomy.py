"""Geometry of the retina, and the findings made of it."""

from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.imaging import Box, Gradability, ImageFindings, ImageRef, Lesion, LesionLabel, Quadrant
from tools.localizer.anatomy import (
    FOVEA_BELOW_DD,
    FOVEA_TEMPORAL_DD,
    FOVEA_UNCERTAINTY_DD,
    UNPLACED,
    Found,
    counts,
    distance_dd,
    edge_distance_dd,
    landmarks,
    nasal_side,
    off_disc,
    place,
)
from tools.localizer.burden import areas, nearest_exudate, union_area
from tools.localizer.card import NO_VISIBLE_LESION
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
    return Lesion(number=number, label=label, score=score, box=square(0.5, 0.5), quadrant=quadrant, fovea_edge_dd=fovea)


def seen(
    *lesions: Lesion,
    status: Literal["gradable", "limited", "ungradable"] = "gradable",
    modality: Literal["cfp", "oct"] = "cfp",
    doubt: float | None = None,
    **level: float,
) -> ImageFindings:
    return ImageFindings(
        image=IMAGE,
        modality=modality,
        gradability=Gradability(status=status),
        laterality="right",
        fovea_uncertainty_dd=doubt,
        lesions=lesions,
        image_level=level,
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


def test_exudate_that_only_the_uncertainty_brings_near_is_possible() -> None:
    def near(edge: float, score: float = 0.9) -> tuple[str, float] | None:
        return ids(seen(lesion(1, "hard_exudate", score, fovea=edge), doubt=0.4)).get("exudate_near_fovea")

    assert near(0.0) == ("present", pytest.approx(0.9, abs=1e-3))
    assert near(1.3) is not None
    assert near(1.3)[0] == "possible"  # type: ignore[index]
    assert near(1.41) is None
    assert near(0.9, SURE - 0.01)[0] == "possible"  # type: ignore[index]
    weights = [near(edge)[1] for edge in (0.2, 0.6, 1.0, 1.2, 1.4)]  # type: ignore[index]
    assert weights == sorted(weights, reverse=True)
    assert weights[2] == 0.45, "as likely inside as outside"


def test_a_sure_exudate_within_reach_is_present_whatever_lies_farther() -> None:
    found = ids(seen(lesion(1, "hard_exudate", 0.95, fovea=1.2), lesion(2, "hard_exudate", 0.75, fovea=0.0), doubt=0.3))
    assert found["exudate_near_fovea"] == ("present", pytest.approx(0.75, abs=1e-3))


def test_the_calibrated_chance_of_no_lesion_is_what_the_finding_weighs() -> None:
    clear = ids(seen(hard_exudate=0.5, haemorrhage=0.5, **{NO_VISIBLE_LESION: 0.9}))
    assert clear == {"no_retinal_lesion_seen": ("present", 0.9)}


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


# --- a fovea the detector saw ---------------------------------------------------------------------------------------------


def at(temporal: float, below: float) -> tuple[float, float]:
    """A point so many disc diameters from RIGHT_DISC, towards the left of the picture and down."""
    return 0.76 - temporal * 120 / WIDTH, 0.48 + below * 120 / HEIGHT


@pytest.mark.parametrize(("temporal", "below"), [(2.3, 0.2), (1.6, 0.0), (3.4, 0.3), (2.0, 1.3), (2.0, -1.3)])
def test_a_plausible_fovea_is_taken_as_seen(temporal: float, below: float) -> None:
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC, fovea_seen=(at(temporal, below), 0.8))
    assert (retina.fovea, retina.fovea_source, retina.fovea_score) == (at(temporal, below), "detected", 0.8)
    assert (retina.laterality, retina.fovea_uncertainty_dd) == ("right", FOVEA_UNCERTAINTY_DD["detected"])


@pytest.mark.parametrize(
    ("temporal", "below"), [(1.4, 0.0), (3.6, 0.0), (-1.6, 0.2), (2.0, 1.5), (2.0, -1.5), (0.0, 2.0)], ids=str
)
def test_an_implausible_fovea_gives_way_to_the_estimate(temporal: float, below: float) -> None:
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC, fovea_seen=(at(temporal, below), 0.99))
    assert retina == landmarks(WIDTH, HEIGHT, None, RIGHT_DISC)
    assert (retina.fovea_source, retina.fovea_score) == ("estimated", None)
    assert retina.fovea_uncertainty_dd == FOVEA_UNCERTAINTY_DD["estimated"]


def test_a_photograph_centred_on_the_disc_gets_its_eye_from_the_fovea() -> None:
    disc = square(0.5, 0.5, 0.04)
    for x, eye in ((0.31, "right"), (0.69, "left")):
        retina = landmarks(WIDTH, HEIGHT, None, disc, fovea_seen=((x, 0.5), 0.7))
        assert (retina.laterality, retina.nasal, retina.fovea) == (eye, eye, (x, 0.5))
    assert landmarks(WIDTH, HEIGHT, None, disc).laterality == "unknown"


def test_without_a_disc_a_detected_fovea_stands_alone() -> None:
    retina = landmarks(WIDTH, HEIGHT, None, None, stated="left", fovea_seen=((0.5, 0.5), 0.7))
    assert (retina.fovea, retina.nasal, retina.disc_diameter) == ((0.5, 0.5), "left", None)
    (one,) = place([Found("hard_exudate", 0.9, square(0.3, 0.3))], retina)
    assert (one.quadrant, one.fovea_distance_dd, one.fovea_edge_dd) == ("superior_nasal", None, None)
    assert (areas([one], retina), nearest_exudate([one], retina)) == ({}, None)
    assert landmarks(WIDTH, HEIGHT, None, RIGHT_DISC, 0.1, fovea_seen=((0.5, 0.5), 0.7)).disc is None


@pytest.mark.parametrize("fovea", [None, (at(2.3, 0.2), 0.8)])
def test_a_file_that_states_the_other_eye_is_contradicted_in_the_note(fovea: tuple[tuple[float, float], float] | None) -> None:
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC, stated="left", fovea_seen=fovea)
    assert (retina.laterality, retina.nasal) == ("left", "right")
    assert "looks like a right eye" in retina.note
    assert "states the left" in retina.note
    for agreed in ("right", "both", "unknown"):
        assert landmarks(WIDTH, HEIGHT, None, RIGHT_DISC, stated=agreed, fovea_seen=fovea).note == ""  # type: ignore[arg-type]


def test_the_stated_eye_and_a_fovea_together_outweigh_the_side_of_the_field() -> None:
    """A nasal field: the disc lies right of the middle, the fovea farther right, and the file says left."""
    disc = square(0.64, 0.5, 0.03)
    retina = landmarks(WIDTH, HEIGHT, None, disc, stated="left", fovea_seen=((0.78, 0.5), 0.8))
    assert (retina.fovea_source, retina.nasal, retina.note) == ("detected", "left", "")
    assert landmarks(WIDTH, HEIGHT, None, disc, fovea_seen=((0.78, 0.5), 0.8)).fovea_source == "estimated"


@given(x=st.floats(0, 1), y=st.floats(0, 1))
def test_every_fovea_has_a_source_and_an_uncertainty(x: float, y: float) -> None:
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC, fovea_seen=((x, y), 0.5))
    assert retina.fovea is not None
    assert retina.fovea_source in FOVEA_UNCERTAINTY_DD
    distance = distance_dd(retina.fovea, RIGHT_DISC.centre, retina)
    assert distance is not None
    assert 1.49 <= distance <= 3.51


# --- areas, edges, the disc -----------------------------------------------------------------------------------------------


def test_area_counts_overlaps_once_and_is_divided_among_quadrants() -> None:
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC)
    assert retina.fovea is not None
    x, y = retina.fovea
    across, down = 120 / WIDTH, 120 / HEIGHT  # one disc diameter
    about = Box(x1=x - across, y1=y - down, x2=x + across, y2=y + down)
    inner = Box(x1=x - across / 2, y1=y - down / 2, x2=x, y2=y)
    table = areas(place([Found("hard_exudate", 0.9, about), Found("hard_exudate", 0.8, inner)], retina), retina)
    assert table == {"hard_exudate": dict.fromkeys(table["hard_exudate"], 1.0)}
    assert set(table["hard_exudate"]) == set(QUADRANTS)


def test_area_of_an_eye_without_sides_is_unplaced() -> None:
    retina = landmarks(1000, 1000, None, square(0.5, 0.5, 0.05))
    table = areas(place([Found("drusen", 0.5, square(0.2, 0.2, 0.05))], retina), retina)
    assert table == {"drusen": {UNPLACED: 1.0}}


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_union_area_is_the_number_of_covered_cells(boxes: list[tuple[int, int, int, int]]) -> None:
    cells = {(i, j) for x, y, w, h in boxes for i in range(x, x + w) for j in range(y, y + h)}
    assert union_area([(x, y, x + w, y + h) for x, y, w, h in boxes]) == len(cells)


def test_the_nearest_exudate_is_measured_to_its_edge_with_a_range() -> None:
    retina = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC)
    assert retina.fovea is not None
    x, y = retina.fovea
    across = 120 / WIDTH
    wide = Box(x1=x + across, y1=y - 0.01, x2=x + 2 * across, y2=y + 0.01)
    found = [Found("hard_exudate", 0.5, wide), Found("haemorrhage", 0.9, square(x, y)), Found("hard_exudate", 0.9, square(0.1, 0.1))]
    lesions = place(found, retina)
    doubt = FOVEA_UNCERTAINTY_DD["estimated"]
    assert nearest_exudate(lesions, retina) == (1.0, (pytest.approx(1 - doubt), pytest.approx(1 + doubt)))
    inside = nearest_exudate(place([Found("hard_exudate", 0.5, square(x, y))], retina), retina)
    assert inside == (0.0, (0.0, doubt))
    assert nearest_exudate(place(found[1:2], retina), retina) is None


@given(x=st.floats(0.05, 0.95), y=st.floats(0.05, 0.95), side=st.floats(0.001, 0.05))
def test_an_edge_is_never_farther_than_the_centre(x: float, y: float, side: float) -> None:
    retina, box = landmarks(WIDTH, HEIGHT, None, RIGHT_DISC), square(x, y, side)
    assert retina.fovea is not None
    edge, centre = edge_distance_dd(retina.fovea, box, retina), distance_dd(retina.fovea, box.centre, retina)
    assert edge is not None
    assert centre is not None
    assert 0 <= edge <= centre + 0.011


def test_pale_lesions_centred_in_the_disc_are_dropped_and_others_kept() -> None:
    inside, rim = square(0.76, 0.48), Box(x1=0.79, y1=0.42, x2=0.86, y2=0.54)
    labels: tuple[LesionLabel, ...] = ("hard_exudate", "soft_exudate", "drusen", "haemorrhage", "neovascularisation", "microaneurysm")
    found = [Found(label, 0.9, box) for label in labels for box in (inside, rim)]
    kept = off_disc(found, RIGHT_DISC)
    assert [one.label for one in kept if one.box == inside] == ["haemorrhage", "neovascularisation", "microaneurysm"]
    assert sum(one.box == rim for one in kept) == len(labels)
    assert off_disc(found, None) == found


def test_in_a_wide_field_diameters_tell_the_side() -> None:
    """A disc a tenth of the field off its centre: near it in an ordinary photograph, three diameters away in a wide one."""
    ordinary, wide = square(0.60, 0.5, 0.06), square(0.60, 0.5, 0.02)
    assert nasal_side(None, ordinary) is None
    assert nasal_side(None, wide) == "right"
    assert nasal_side(None, square(0.51, 0.5, 0.02)) is None
