"""The overlay: nothing of the input changes, everything found is drawn, labels keep apart."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from agent.imaging import Box, Gradability, ImageFindings, ImageRef, Lesion, LesionLabel
from tools.labels import place_labels
from tools.overlay import STYLES, _facts, draw
from tools.renderer import LesionGroup, Scene, render


def findings(image: Image.Image, lesions: tuple[Lesion, ...] = (), **more: object) -> ImageFindings:
    values: dict[str, object] = {
        "image": ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=image.width, height=image.height),
        "modality": "cfp",
        "gradability": Gradability(status="gradable"),
        "lesions": lesions,
    }
    return ImageFindings.model_validate(values | more)


def lesion(number: int, label: LesionLabel, x: float, y: float, side: float = 0.05) -> Lesion:
    return Lesion(number=number, label=label, score=0.9, box=Box(x1=x, y1=y, x2=x + side, y2=y + side))


def changed(before: Image.Image, after: Image.Image) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray((np.asarray(before, int) != np.asarray(after, int)).any(axis=2))


def test_the_input_stays_and_the_size_too() -> None:
    image = Image.new("RGB", (900, 600), (120, 60, 30))
    before = image.tobytes()
    out = draw(image, findings(image, (lesion(1, "haemorrhage", 0.4, 0.4),)))
    assert image.tobytes() == before
    assert out.size == image.size
    assert out is not image


@pytest.mark.parametrize("ground", [(5, 5, 5), (250, 240, 230), (180, 90, 40), (90, 15, 10), (240, 228, 66)])
@pytest.mark.parametrize("label", list(STYLES))
def test_every_class_stands_out_on_every_ground(ground: tuple[int, int, int], label: LesionLabel) -> None:
    image = Image.new("RGB", (900, 600), ground)
    out = np.asarray(draw(image, findings(image, (lesion(1, label, 0.4, 0.4, 0.1),))), int)
    edge = out[300, 340:380].sum(axis=1)  # across the left side of the box at x = 360
    assert edge.max() - edge.min() > 250


def test_colours_and_letters_are_all_different() -> None:
    assert len({s.letter for s in STYLES.values()}) == len({s.colour for s in STYLES.values()}) == len(STYLES)


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    image = Image.new("RGB", (1600, 1067), (120, 60, 30))
    crowd = tuple(lesion(i + 1, "hard_exudate", 0.40 + 0.03 * (i % 5), 0.40 + 0.045 * (i // 5), 0.02) for i in range(15))
    everyone = changed(image, draw(image, findings(image, crowd)))
    # Were labels to cover each other, fewer pixels would carry the label's ground and ink than the labels drawn singly.
    ink = np.all(np.asarray(draw(image, findings(image, crowd))) == STYLES["hard_exudate"].colour, axis=2)
    singly = [np.all(np.asarray(draw(image, findings(image, (one,)))) == STYLES["hard_exudate"].colour, axis=2)[:950].sum() for one in crowd]
    assert everyone.any()
    assert ink[:950].sum() > 0.9 * sum(singly)


def test_labels_stay_inside_at_the_border() -> None:
    image = Image.new("RGB", (800, 533), (120, 60, 30))
    for x, y in ((0.0, 0.0), (0.95, 0.0), (0.0, 0.95), (0.95, 0.95)):
        out = np.asarray(draw(image, findings(image, (lesion(1, "haemorrhage", x, y),))))
        assert np.all(out == STYLES["haemorrhage"].colour, axis=2).sum() > 120


def test_disc_and_fovea_are_drawn_where_they_are() -> None:
    image = Image.new("RGB", (1000, 667), (120, 60, 30))
    out = draw(image, findings(image, optic_disc=Box(x1=0.7, y1=0.4, x2=0.8, y2=0.55), fovea=(0.45, 0.5)))
    marks = changed(image, out)
    assert marks[333, 445:456].any()
    assert marks[300:330, 695:710].any()
    assert not marks[200:480, 500:680].any()


def test_without_lesions_the_note_is_shown() -> None:
    image = Image.new("RGB", (640, 480), (60, 60, 60))
    out = draw(image, findings(image, modality="oct", note="optical coherence tomography is not read by the localizer " * 5))
    assert changed(image, out)[400:].any()
    assert not changed(image, out)[:300].any()


def test_small_and_odd_pictures_do_not_break() -> None:
    for size in ((64, 64), (64, 3000), (3000, 64)):
        image = Image.new("RGB", size, (120, 60, 30))
        assert draw(image, findings(image, (lesion(1, "drusen", 0.4, 0.4),))).size == size


def test_a_crowded_fundus_is_drawn() -> None:
    truth = render(Scene(width=800, lesions=(LesionGroup(kind="dot_haemorrhage", count=120, region="everywhere"),)), seed=2)
    lesions = tuple(Lesion(number=i + 1, label=t.label, score=0.5, box=t.box) for i, t in enumerate(truth.lesions))
    assert len(lesions) > 100
    assert changed(truth.image, draw(truth.image, findings(truth.image, lesions))).mean() > 0.02


def crowd(count: int, side: float = 0.012) -> tuple[Lesion, ...]:
    rng = np.random.default_rng(4)
    places = rng.uniform(0.2, 0.8, (count, 2))
    return tuple(lesion(i + 1, "haemorrhage" if i % 3 else "hard_exudate", float(x), float(y), side) for i, (x, y) in enumerate(places))


def legend(image: Image.Image, found: ImageFindings) -> np.ndarray:  # type: ignore[type-arg]
    """Where a pale ground was dimmed as the panel dims it (outlines and labels are wholly black or coloured)."""
    drawn = np.asarray(draw(image, found), int)
    dimmed = (np.asarray(image, float) * (255 - 190) / 255).round()
    return np.asarray((np.abs(drawn - dimmed) <= 2).all(axis=2))


@pytest.mark.parametrize("size", [(300, 200), (1600, 1067), (200, 300)])
def test_the_legend_covers_no_lesion_where_it_can_help_it(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 150, 120))
    spots = [lesion(1, "drusen", 0.02, 0.9), lesion(2, "drusen", 0.9, 0.9), lesion(3, "hard_exudate", 0.02, 0.02), lesion(4, "drusen", 0.9, 0.04)]
    found = findings(image, tuple(spots), nearest_exudate_dd=1.2, nearest_exudate_range_dd=(0.8, 1.6), fovea=(0.5, 0.5))
    panel = legend(image, found)
    assert panel.sum() > 400
    for one in spots:
        x1, y1, x2, y2 = (round(v * side) for v, side in zip((one.box.x1, one.box.y1, one.box.x2, one.box.y2), size * 2, strict=True))
        assert not panel[y1:y2, x1:x2].any()


def test_a_hundred_and_fifty_lesions_all_have_their_numbers_and_none_is_covered() -> None:
    size = (1600.0, 1067.0)
    frames = [(x.box.x1 * size[0], x.box.y1 * size[1], x.box.x2 * size[0], x.box.y2 * size[1]) for x in crowd(150)]
    places = place_labels(frames, [(44.0, 20.0)] * 150, size, 2)
    kept = [place[0] for place in places if place]
    assert len(kept) == 150
    for i, a in enumerate(kept):
        assert min(a[:2]) >= 0
        assert a[2] <= size[0]
        assert a[3] <= size[1]
        shared = [max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1])) for b in kept[:i]]
        assert sum(shared) <= 0.15 * 44 * 20 + 1e-6


def test_a_tiny_picture_says_how_many_labels_it_has_no_room_for() -> None:
    image = Image.new("RGB", (300, 200), (120, 60, 30))
    frames = [(x.box.x1 * 300, x.box.y1 * 200, x.box.x2 * 300, x.box.y2 * 200) for x in crowd(150)]
    places = place_labels(frames, [(24.0, 12.0)] * 150, (300, 200), 1)
    assert 20 < sum(place is not None for place in places) < 150
    assert places[0] is not None, "the surest lesion keeps its number"
    out = draw(image, findings(image, crowd(150)))
    assert changed(image, out).mean() < 0.75, "the picture itself must stay visible"


def test_a_seen_fovea_has_a_closed_ring_and_an_estimated_one_a_broken_one() -> None:
    image = Image.new("RGB", (1000, 667), (120, 60, 30))
    shares = {}
    for source in ("detected", "estimated"):
        found = findings(
            image, optic_disc=Box(x1=0.7, y1=0.4, x2=0.8, y2=0.55), optic_disc_diameter_px=100.0,
            fovea=(0.45, 0.5), fovea_source=source, fovea_uncertainty_dd=0.4,
        )  # fmt: skip
        marks = changed(image, draw(image, found))
        angles = np.arange(0, 360, 2) * np.pi / 180
        on_ring = [marks[round(333.5 + 40 * np.sin(a)) - 1 : round(333.5 + 40 * np.sin(a)) + 2, round(450 + 40 * np.cos(a))].any() for a in angles]
        shares[source] = float(np.mean(on_ring))
        assert not marks[355:365, 450].any(), "between cross and ring the retina stays free"
    assert shares["detected"] == 1
    assert 0.4 < shares["estimated"] < 0.9


def test_the_ring_scales_with_a_reduced_copy() -> None:
    image = Image.new("RGB", (1000, 667), (120, 60, 30))
    found = findings(image, optic_disc_diameter_px=200.0, fovea=(0.5, 0.5), fovea_source="detected", fovea_uncertainty_dd=0.5)
    small = image.resize((500, 333))
    marks = changed(small, draw(small, found))
    assert marks[166, 199:203].any()
    assert not marks[166, 140:190].any()


def test_no_metadata_of_the_input_stays_in_the_drawing() -> None:
    image = Image.new("RGB", (200, 200))
    image.info["comment"] = b"DOE^JANE"
    out = draw(image, findings(image))
    assert out.info == {}
    assert not out.getexif()


def test_six_thousand_pixels_and_a_crowd_take_no_age() -> None:
    image = Image.new("RGB", (6000, 4000), (120, 60, 30))
    start = time.perf_counter()
    draw(image, findings(image, crowd(150)))
    assert time.perf_counter() - start < 5  # about 0.4 s on a quiet core


def test_the_legend_tells_what_a_reader_does_not_see_and_each_reason_once() -> None:
    image = Image.new("RGB", (600, 400))
    bad = Gradability(status="limited", reasons=("the field is unevenly lit",))
    note = "colour fundus photograph, in a round aperture; the field is unevenly lit; the file states the left eye"
    assert _facts(findings(image, gradability=bad, note=note), 0) == ["limited: the field is unevenly lit", "the file states the left eye"]
    scan = findings(image, modality="oct", note="layered grey scan; the localizer reads colour fundus photographs only")
    assert len(_facts(scan, 0)) == 2
    near = findings(image, nearest_exudate_dd=0.42, nearest_exudate_range_dd=(0.07, 0.77))
    assert _facts(near, 3) == ["no room for 3 labels", "nearest exudate 0.4 DD from the fovea (0.1 to 0.8)"]
