"""Crops of lesion clusters: every lesion is shown once it matters, at full resolution, inside the photograph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from agent.imaging import Box, Gradability, ImageFindings, ImageRef, Lesion, LesionLabel
from tools.clusters import MOST as MOST_BOXES
from tools.clusters import clusters, gaps
from tools.crops import LEAST_SIDE, MOST, SPAN_DD, crop, regions

SIZE = (1600, 1200)
DD = 160.0


def lesion(number: int, x: float, y: float, side: float = 20, label: LesionLabel = "haemorrhage", edge: float | None = None) -> Lesion:
    """A square of `side` pixels centred at pixel (x, y)."""
    half_x, half_y = side / 2 / SIZE[0], side / 2 / SIZE[1]
    x, y = x / SIZE[0], y / SIZE[1]
    box = Box(x1=max(0, x - half_x), y1=max(0, y - half_y), x2=min(1, x + half_x), y2=min(1, y + half_y))
    return Lesion(number=number, label=label, score=0.5, box=box, fovea_edge_dd=edge)


def seen(*lesions: Lesion, size: tuple[int, int] = SIZE) -> ImageFindings:
    return ImageFindings(
        image=ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=size[0], height=size[1]),
        modality="cfp",
        gradability=Gradability(status="gradable"),
        optic_disc_diameter_px=DD,
        lesions=lesions,
    )


def test_neighbours_share_a_crop_and_a_lone_lesion_has_its_own() -> None:
    found = regions(seen(lesion(1, 300, 300), lesion(2, 380, 320), lesion(3, 1300, 900)), SIZE)
    assert [one.lesions for one in found] == [(1, 2), (3,)]
    assert [one.number for one in found] == [1, 2]
    assert found[0].labels == {"haemorrhage": 2}
    assert "2 haemorrhage; a cluster" in found[0].caption


def test_what_matters_most_comes_first() -> None:
    many = [lesion(n, 200 + 30 * n, 200) for n in range(1, 9)]
    exudate = lesion(9, 900, 600, label="hard_exudate", edge=0.8)
    vessels = lesion(10, 1400, 1000, label="neovascularisation")
    found = regions(seen(*many, exudate, vessels), SIZE)
    assert [one.lesions[0] for one in found] == [10, 9, 1]
    assert [one.because for one in found] == ["new vessels", "exudate within one disc diameter of the fovea", "a cluster of lesions"]
    far = lesion(9, 900, 600, label="hard_exudate", edge=1.2)
    assert [one.lesions[0] for one in regions(seen(*many, far), SIZE)] == [1, 9]


@pytest.mark.parametrize(("x", "y"), [(5, 5), (1595, 5), (5, 1195), (1595, 1195), (800, 600)])
def test_a_crop_at_the_border_is_square_and_inside(x: float, y: float) -> None:
    (one,) = regions(seen(lesion(1, x, y)), SIZE)
    width, height = (one.box.x2 - one.box.x1) * SIZE[0], (one.box.y2 - one.box.y1) * SIZE[1]
    assert width == pytest.approx(LEAST_SIDE)
    assert height == pytest.approx(LEAST_SIDE)


def test_a_picture_smaller_than_a_crop_is_shown_whole() -> None:
    small = (200, 150)
    findings = seen(lesion(1, 800, 600), size=small).model_copy(update={"optic_disc_diameter_px": None})
    (one,) = regions(findings, small)
    assert one.box == Box(x1=0, y1=0, x2=1, y2=1)


def test_at_most_ten_and_a_chain_across_the_fundus_is_divided() -> None:
    scattered = [lesion(i + 1, 120 + 340 * (i % 5), 100 + 320 * (i // 5)) for i in range(20)]
    assert len(regions(seen(*scattered), SIZE)) == MOST
    chain = [lesion(i + 1, 60 + 50 * i, 600) for i in range(30)]
    found = regions(seen(*chain), SIZE)
    assert len(found) > 2
    assert all((one.box.x2 - one.box.x1) * SIZE[0] <= (SPAN_DD + 0.5) * DD + 1 for one in found)
    assert {number for one in found for number in one.lesions} == set(range(1, 31))


def test_pixels_are_those_of_the_photograph_without_its_metadata() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    image.info["comment"] = b"DOE^JANE"
    ((region, picture),) = crop(image, seen(lesion(1, 800, 600)))
    x, y = round(region.box.x1 * SIZE[0]), round(region.box.y1 * SIZE[1])
    assert np.array_equal(np.asarray(picture), noise[y : y + LEAST_SIDE, x : x + LEAST_SIDE])
    assert picture.info == {}
    assert crop(image, seen()) == []


def test_a_reduced_copy_is_cropped_at_the_same_places() -> None:
    findings = seen(lesion(1, 300, 300, 200), lesion(2, 380, 320, 200), lesion(3, 1300, 900, 200))
    whole, half = regions(findings, SIZE, 64), regions(findings, (800, 600), 32)
    assert [one.lesions for one in whole] == [one.lesions for one in half]
    for a, b in zip(whole, half, strict=True):
        assert a.box.x1 == pytest.approx(b.box.x1, abs=0.003)


spots = st.lists(st.tuples(st.integers(0, SIZE[0]), st.integers(0, SIZE[1]), st.integers(1, 300)), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(spots)
def test_every_crop_lies_inside_and_every_lesion_is_shown_unless_ten_are_full(places: list[tuple[int, int, int]]) -> None:
    findings = seen(*(lesion(i + 1, x, y, side) for i, (x, y, side) in enumerate(places)))
    found = regions(findings, SIZE)
    assert 1 <= len(found) <= MOST
    for one in found:
        assert one.lesions
        assert one.box.x2 - one.box.x1 > 0
    if len(found) < MOST:
        assert {number for one in found for number in one.lesions} == set(range(1, len(places) + 1))


def test_gaps_are_between_edges() -> None:
    assert gaps([(0, 0, 10, 10), (13, 14, 20, 20), (5, 5, 6, 6)]).tolist() == [[0, 5, 0], [5, 0, pytest.approx(np.hypot(7, 8))], [0, pytest.approx(np.hypot(7, 8)), 0]]
    assert clusters([(0, 0, 10, 10), (13, 14, 20, 20)], 5) == [[0, 1]]
    assert clusters([(0, 0, 10, 10), (13, 14, 20, 20)], 4.9) == [[0], [1]]
    with pytest.raises(ValueError, match="at most"):
        clusters([(0, 0, 1, 1)] * (MOST_BOXES + 1), 1)
