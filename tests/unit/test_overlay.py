"""The overlay: nothing of the input changes, everything found is drawn, labels keep apart."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from agent.domain import Box, Gradability, ImageFindings, ImageRef, Lesion, LesionLabel
from tools.overlay import STYLES, draw
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
