"""Region detection and identification, the markup of boxes, and boxes from masks."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.imaging import Box, Gradability, ImageFindings, ImageRef, LesionLabel
from tools.grounding import MAX_BOXES, NAMES, Grounded, largest, marked, read_boxes
from tools.localizer.anatomy import Found, landmarks, place
from tools.masks import boxes_of_mask
from tools.regions import LESIONS, WORDS, answer_region_question, asked_for, find, fovea_box, identify

SIZE = (1500, 1000)
DISC = Box(x1=0.72, y1=0.42, x2=0.80, y2=0.54)


def square(x: float, y: float, half: float = 0.02) -> Box:
    return Box(x1=max(0, x - half), y1=max(0, y - half), x2=min(1, x + half), y2=min(1, y + half))


def seen(*found: Found, **more: Any) -> ImageFindings:
    retina = landmarks(*SIZE, None, DISC)
    values: dict[str, Any] = {
        "image": ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=SIZE[0], height=SIZE[1]),
        "modality": "cfp",
        "gradability": Gradability(status="gradable"),
        "optic_disc": DISC,
        "optic_disc_diameter_px": retina.disc_diameter,
        "fovea": retina.fovea,
        "fovea_source": retina.fovea_source,
        "fovea_uncertainty_dd": retina.fovea_uncertainty_dd,
        "laterality": retina.laterality,
        "lesions": place(found, retina),
        "image_level": dict.fromkeys(("hard_exudate", "haemorrhage"), 0.1),
    }
    return ImageFindings(**(values | more))


# --- where is it ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["Where is the optic disc?", "optic_disc", "Locate the OPTIC NERVE HEAD.", "box the optic disk, please"])
def test_the_disc_is_pointed_at(question: str) -> None:
    answer = find(seen(), question)
    assert answer.found
    assert answer.text == "<ref>Optic disc</ref><box>[[720, 420, 800, 540]]</box>."
    assert answer.boxes == (DISC,)


def test_every_synonym_singular_and_plural_means_its_label_and_no_other() -> None:
    for name, text in WORDS.items():
        for phrase in text.split(", "):
            for spelled in (phrase, phrase.upper(), f"{phrase}s", phrase.replace(" ", "-"), phrase.replace(" ", "_")):
                assert asked_for(f"Show me the {spelled} here.") == (name,), spelled
    assert asked_for("discuss the exudative problem of this man") == ()


def test_soft_exudates_are_not_hard_ones() -> None:
    both = seen(Found("hard_exudate", 0.9, square(0.3, 0.3)), Found("soft_exudate", 0.8, square(0.4, 0.6)))
    assert find(both, "Where are the soft exudates?").boxes == (square(0.4, 0.6),)
    assert find(both, "Where are the exudates?").boxes == (square(0.3, 0.3),)
    assert asked_for("hard and soft exudates") == ("hard_exudate", "soft_exudate")
    assert asked_for("any soft or hard exudate") == ("soft_exudate", "hard_exudate")


def test_many_lesions_are_answered_by_the_largest_ten() -> None:
    many = [Found("haemorrhage", 0.5, square(0.05 * i, 0.5, 0.001 * i)) for i in range(1, 16)]
    answer = find(seen(*many), "Find the haemorrhages")
    assert len(answer.boxes) == MAX_BOXES
    assert "the largest 10 of 15" in answer.text
    assert answer.boxes[0] == many[-1].box


def test_what_is_not_there_not_looked_for_or_not_known_has_each_its_answer() -> None:
    assert find(seen(), "hard exudates?").text == "Hard exudate: not found on this photograph."
    assert "not among what this localizer looks for" in find(seen(), "drusen").text
    assert "names nothing the localizer knows" in find(seen(), "Where is the hypopyon?").text
    for question in ("hard exudates?", "drusen", "Where is the hypopyon?"):
        answer = find(seen(), question)
        assert (answer.found, answer.boxes) == (False, ())
        assert "<box>" not in answer.text


def test_all_lesions_at_once_tells_only_those_that_are_there() -> None:
    answer = find(seen(Found("haemorrhage", 0.9, square(0.3, 0.3))), "Mark all lesions")
    assert answer.text.count("<ref>") == 1
    assert "not found" not in answer.text
    nothing = find(seen(), "Mark all lesions")
    assert "Hard exudate: not found" in nothing.text


def test_an_ungradable_photograph_says_that_silence_means_nothing() -> None:
    bad = seen(gradability=Gradability(status="ungradable", reasons=("too dark",)))
    assert "may be there all the same" in find(bad, "haemorrhages").text
    assert "too dark" in find(bad, "where is the optic disc").text
    limited = seen(gradability=Gradability(status="limited", reasons=("blur",)))
    assert "limited quality" in find(limited, "haemorrhages").text
    assert "limited" not in find(limited, "where is the optic disc").text


def test_other_modalities_answer_with_the_reason() -> None:
    scan = seen(modality="oct", note="layered grey scan")
    assert "layered grey scan" in find(scan, "optic disc").text
    assert not find(scan, "optic disc").found
    assert "layered grey scan" in identify(scan, DISC).text


def test_the_fovea_is_its_box_when_seen_and_its_uncertainty_when_estimated() -> None:
    estimated = find(seen(), "Where is the fovea?")
    assert "estimated" in estimated.text
    (box,) = estimated.boxes
    assert (box.x2 - box.x1) * SIZE[0] == pytest.approx(2 * 0.35 * 120)
    own = square(0.55, 0.5)
    detected = find(seen(fovea=(0.55, 0.5), fovea_source="detected", fovea_box=own), "macula")
    assert detected.boxes == (own,)
    assert "estimated" not in detected.text
    assert fovea_box(seen(fovea=None)) is None
    assert "no extent" in find(seen(optic_disc=None, optic_disc_diameter_px=None), "fovea").text


# --- what is it -----------------------------------------------------------------------------------------------------------


def test_the_disc_is_recognised_from_its_box() -> None:
    content = identify(seen(Found("haemorrhage", 0.9, square(0.3, 0.3))), DISC)
    assert (content.held[0].name, content.held[0].agreement) == ("optic_disc", 1.0)
    assert content.text.startswith("Optic disc, 100% of it inside the box")


def test_the_best_fit_comes_first_and_shares_are_of_the_union() -> None:
    spot = square(0.3, 0.3)
    overlapping = [Found("hard_exudate", 0.9, spot), Found("hard_exudate", 0.8, spot), Found("haemorrhage", 0.7, square(0.3, 0.3, 0.2))]
    content = identify(seen(*overlapping), spot)
    assert [one.name for one in content.held] == ["hard_exudate", "haemorrhage"]
    exudate, haemorrhage = content.held
    assert (exudate.covers, exudate.inside, exudate.agreement, exudate.lesions) == (1.0, 1.0, 1.0, (1, 2))
    assert haemorrhage.covers == 1.0
    assert haemorrhage.inside == pytest.approx(0.01)
    assert content.place == "superior_temporal"
    assert "superior temporal quadrant" in content.text


def test_a_box_around_a_cluster_is_that_cluster() -> None:
    cluster = [Found("microaneurysm", 0.9, square(0.3 + 0.05 * i, 0.3, 0.02)) for i in range(3)]
    (held,) = identify(seen(*cluster), Box(x1=0.28, y1=0.28, x2=0.42, y2=0.32)).held
    assert held.agreement == pytest.approx(held.covers)
    assert held.agreement > 0.8
    assert held.lesions == (1, 2, 3)


def test_an_empty_box_says_so_and_where_it_lies() -> None:
    content = identify(seen(), square(0.2, 0.8))
    assert content.held == ()
    assert content.text == "Nothing the localizer knows lies in this box. The box lies in the inferior temporal quadrant."


def test_what_only_touches_the_edge_is_not_in_the_box() -> None:
    beside = seen(Found("haemorrhage", 0.9, Box(x1=0.3, y1=0.3, x2=0.4, y2=0.4)))
    assert identify(beside, Box(x1=0.1, y1=0.1, x2=0.301, y2=0.4)).held == ()
    assert identify(beside, Box(x1=0.0, y1=0.0, x2=1, y2=1)).held != (), "a small lesion in a large box is in it"


@pytest.mark.parametrize("point", [(0.3, 0.3), (1.0, 1.0), (0.0, 0.0)])
def test_a_point_is_a_box_too(point: tuple[float, float]) -> None:
    x, y = point
    content = identify(seen(Found("drusen", 0.9, square(x, y))), Box(x1=x, y1=y, x2=x, y2=y))
    assert [one.name for one in content.held] == ["drusen"]


@settings(max_examples=60)
@given(st.tuples(*[st.floats(0, 1)] * 4), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 0.3)), max_size=6))
def test_shares_are_shares(corners: tuple[float, float, float, float], spots: list[tuple[float, float, float]]) -> None:
    x1, x2 = sorted(corners[:2])
    y1, y2 = sorted(corners[2:])
    found = [Found(LESIONS[i], 0.5, square(*spot)) for i, spot in enumerate(spots)]  # type: ignore[arg-type]
    for one in identify(seen(*found), Box(x1=x1, y1=y1, x2=x2, y2=y2)).held:
        assert 0 <= one.covers <= 1.0001
        assert 0 < one.inside <= 1.0001
        assert 0 <= one.agreement <= min(1.0001, max(one.covers, one.inside) + 1e-3)


def test_questions_with_a_box_ask_what_it_holds() -> None:
    findings = seen()
    for question in ("What is <box>[[720, 420, 800, 540]]</box>?", "What does [720, 420, 800, 540] hold?", "[[720,420,800,540]]"):
        answer = answer_region_question(findings, question)
        assert answer.found
        assert answer.text.startswith("Optic disc")
        assert answer.boxes == (DISC,)
    two = answer_region_question(findings, "[[720, 420, 800, 540], [0, 0, 100, 100]]")
    assert (len(two.boxes), two.text.count("The box lies in")) == (2, 2)
    for aside in ("Where is the optic disc [see note 3]?", "Where is the optic disc [1]?"):
        assert answer_region_question(findings, aside).boxes == (DISC,)
    assert answer_region_question(findings, "Where is the optic disc?") == find(findings, "Where is the optic disc?")
    with pytest.raises(ValueError, match="1200 is outside"):
        answer_region_question(findings, "What is in [[0, 0, 1200, 4]]?")


def test_an_answer_about_places_can_be_read_back() -> None:
    findings = seen(*[Found("haemorrhage", 0.5, square(0.1 * i, 0.5)) for i in range(1, 5)])
    answer = find(findings, "optic disc and haemorrhages")
    back = read_boxes(answer.text)
    assert [one.name for one in back] == ["Optic disc", "Haemorrhage"]
    assert [box.to_999() for one in back for box in one.boxes] == [box.to_999() for box in answer.boxes]


# --- markup ---------------------------------------------------------------------------------------------------------------

corners = st.tuples(*[st.integers(0, 999)] * 4)


@given(st.lists(corners, max_size=12))
def test_markup_is_read_as_it_was_written(numbers: list[tuple[int, int, int, int]]) -> None:
    boxes = tuple(Box.from_999((min(a, c), min(b, d), max(a, c), max(b, d))) for a, b, c, d in numbers)
    assert read_boxes(f"Seen: {marked('Drusen', boxes)} and more.") == [Grounded("Drusen", boxes)]


@pytest.mark.parametrize(
    "text",
    [
        "<box>[[10,20,30,40]]</box>",
        "<box> [ [ 10 , 20 , 30 , 40 ] ] </box>",
        "<box>[10, 20, 30, 40]</box>",
        "<box>10 20 30 40</box>",
        "<box>[[30, 40, 10, 20]]</box>",
        "<box>[[10.0, 20., 30, 40]]</box>",
        "<box>\n[[10, 20,\n30, 40],]\n</box>",
    ],
)
def test_loose_writing_is_read(text: str) -> None:
    ((box,),) = (one.boxes for one in read_boxes(text))
    assert box.to_999() == (10, 20, 30, 40)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<box>[[1, 2, 3]]</box>", "wants four numbers"),
        ("<box>[[1, 2, 3, 4, 5]]</box>", "wants four numbers"),
        ("<box>[[1, 2, 3, four]]</box>", "'four' is not an integer"),
        ("<box>[[1, 2, 3, 4.5]]</box>", "'4.5' is not an integer"),
        ("<box>[[1, 2, 3, nan]]</box>", "'nan' is not an integer"),
        ("<box>[[-1, 2, 3, 4]]</box>", "-1 is outside"),
        ("<box>[[1, 2, 3, 1001]]</box>", "1001 is outside"),
        ("<box>[[1, 2, 3, 99999999999999]]</box>", "not an integer"),
        ("<box>[[1, 2, 3, 4]] disc</box>", "more than lists"),
        ("<box>[[1, 2, 3, 4]]", "not closed"),
        ("<box>[[1, 2, 3, 4]]<ref>x</ref>", "not closed"),
    ],
)
def test_bad_numbers_have_a_clear_error(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        read_boxes(text)
    assert len(str(caught.value)) < 140


def test_an_empty_list_and_no_markup_are_no_error() -> None:
    assert read_boxes("<ref>Drusen</ref><box>[]</box>") == [Grounded("Drusen", ())]
    assert read_boxes("no boxes < here > [1]") == []


@settings(max_examples=300)
@given(st.text(alphabet="<>boxref/[], 0123459.-x\n", max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(isinstance(one, Grounded) for one in read_boxes(text))


def test_names_cover_every_label_and_the_largest_are_kept() -> None:
    assert set(NAMES) == {"optic_disc", "fovea", *LESIONS} == set(WORDS)
    assert [box.x1 for box in largest([square(0.5, 0.5, 0.1 * i) for i in range(1, 5)], 2)] == pytest.approx([0.1, 0.2])


# --- masks ----------------------------------------------------------------------------------------------------------------


def blank(height: int = 1000, width: int = 1500) -> np.ndarray[Any, Any]:
    return np.zeros((height, width), np.uint8)


def test_connected_specks_are_one_box_and_distant_ones_are_not() -> None:
    mask = blank()
    mask[100:120, 100:130] = 255
    mask[120:140, 130:160] = 255  # touches by a corner
    mask[100:140, 175:200] = 255  # 15 pixels away: within reach
    mask[700:760, 900:960] = 1
    assert [box.to_999() for box in boxes_of_mask(mask)] == [(600, 700, 640, 760), (67, 100, 133, 140)]


def test_small_areas_are_dropped_and_ten_kept_by_their_pixels() -> None:
    mask = blank()
    for i in range(12):
        mask[50:60 + i, 100 * i + 50 : 100 * i + 60 + i] = 1
    mask[500:502, 500:502] = 1
    boxes = boxes_of_mask(mask)
    assert len(boxes) == MAX_BOXES
    sides = [round((box.y2 - box.y1) * 1000) for box in boxes]
    assert sides == sorted(sides, reverse=True)
    assert min(sides) == 12, "the two smallest gave way"
    assert boxes_of_mask(mask, least_area=1e-6, most=99)[-1] == Box(x1=500 / 1500, y1=0.5, x2=502 / 1500, y2=0.502)


def test_pixels_not_the_box_decide_what_is_large() -> None:
    mask = blank()
    np.fill_diagonal(mask[:300, :300], 1)  # a thin line with a large box
    mask[600:640, 600:640] = 1
    assert boxes_of_mask(mask)[0].to_999() == (400, 600, 427, 640)


@pytest.mark.parametrize("mask", [blank(), np.zeros((0, 5)), np.zeros((3, 3), bool)])
def test_an_empty_mask_has_no_boxes(mask: np.ndarray[Any, Any]) -> None:
    assert boxes_of_mask(mask) == ()


def test_a_full_mask_is_the_whole_picture_and_noise_is_survived() -> None:
    assert boxes_of_mask(np.ones((40, 60))) == (Box(x1=0, y1=0, x2=1, y2=1),)
    noise = np.random.default_rng(0).random((1000, 1500)) > 0.98
    assert boxes_of_mask(noise)[0].to_999()[:2] < (100, 100)


def test_masks_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="3 dimensions"):
        boxes_of_mask(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="no numbers"):
        boxes_of_mask(np.full((4, 4), np.nan))


def test_a_mask_of_drawn_lesions_gives_the_boxes_they_were_drawn_in() -> None:
    label: LesionLabel = "hard_exudate"
    boxes = [square(0.2, 0.2, 0.03), square(0.7, 0.3, 0.05), square(0.4, 0.8, 0.02)]
    mask = blank()
    for box in boxes:
        mask[round(box.y1 * 1000) : round(box.y2 * 1000), round(box.x1 * 1500) : round(box.x2 * 1500)] = 1
    found = boxes_of_mask(mask)
    assert [box.to_999() for box in found] == [box.to_999() for box in largest(boxes)]
    assert identify(seen(Found(label, 0.9, boxes[1])), found[0]).held[0].agreement == pytest.approx(1, abs=1e-3)
