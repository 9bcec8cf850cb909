"""The renderer: the same scene twice is the same picture, and the truth it returns is where it says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from agent.imaging import Box
from tools.renderer import Camera, Disc, LesionGroup, Rendered, Scene, render
from tools.renderer.examples import EXAMPLES, main
from tools.renderer.scene import LABELS, Kind

EXAMPLE_FILES = Path(__file__).parents[2] / "examples"


def small(seed: int = 4, **changes: object) -> Rendered:
    return render(Scene(width=640).model_copy(update=changes), seed)


def pixels(image: Image.Image, box: Box, grow: float = 0.0) -> np.ndarray:  # type: ignore[type-arg]
    a = np.asarray(image, float)
    h, w = a.shape[:2]
    dx, dy = grow * (box.x2 - box.x1), grow * (box.y2 - box.y1)
    return a[max(0, int((box.y1 - dy) * h)) : int(np.ceil((box.y2 + dy) * h)), max(0, int((box.x1 - dx) * w)) : int(np.ceil((box.x2 + dx) * w))]


def test_same_scene_and_seed_same_bytes() -> None:
    lesions = tuple(LesionGroup(kind=kind, count=2) for kind in LABELS)
    assert small(lesions=lesions).image.tobytes() == small(lesions=lesions).image.tobytes()
    assert small(lesions=lesions).image.tobytes() != small(5, lesions=lesions).image.tobytes()


def test_adding_a_lesion_moves_nothing_else() -> None:
    plain, marked = small(), small(lesions=(LesionGroup(kind="blot_haemorrhage", count=1, region="superior_temporal"),))
    box = marked.lesions[0].box
    different = (np.asarray(plain.image, int) != np.asarray(marked.image, int)).any(axis=2)
    rows, columns = np.nonzero(different)
    assert rows.size
    h, w = different.shape
    assert box.y1 * h - 6 <= rows.min()
    assert rows.max() <= box.y2 * h + 6
    assert box.x1 * w - 6 <= columns.min()
    assert columns.max() <= box.x2 * w + 6


@pytest.mark.parametrize("laterality", ["right", "left"])
@pytest.mark.parametrize("centred_on", ["macula", "disc"])
def test_anatomy_lies_on_its_side(laterality: str, centred_on: str) -> None:
    found = small(laterality=laterality, centred_on=centred_on)
    assert found.laterality == laterality
    disc_x = found.optic_disc.centre[0]
    assert (disc_x > found.fovea[0]) == (laterality == "right")
    diameter = (found.optic_disc.x2 - found.optic_disc.x1) * 640
    assert 2.2 < abs(disc_x - found.fovea[0]) * 640 / diameter < 3.1
    centre = found.fovea[0] if centred_on == "macula" else disc_x
    assert centre == pytest.approx(0.5, abs=0.06)


def test_disc_is_bright_fovea_dark_surround_black() -> None:
    found = small()
    a = np.asarray(found.image, float)
    disc = pixels(found.image, found.optic_disc)[..., 1].mean()
    y, x = int(found.fovea[1] * a.shape[0]), int(found.fovea[0] * a.shape[1])
    fovea = a[y - 6 : y + 6, x - 6 : x + 6, 1].mean()
    inside = a[100:330, 220:420, 1].mean()
    assert disc > 1.2 * inside
    assert fovea < 0.9 * inside
    assert a[:20, :20].mean() < 12


BRIGHT: set[Kind] = {"hard_exudate", "soft_exudate", "drusen"}


@pytest.mark.parametrize("kind", list(LABELS))
def test_every_lesion_is_where_its_box_says(kind: Kind) -> None:
    group = LesionGroup(kind=kind, count=6, region="macula", size=1.4)
    plain, marked = render(Scene(width=1200), 8), render(Scene(width=1200, lesions=(group,)), 8)
    assert len(marked.lesions) == 6
    for lesion in marked.lesions:
        assert (lesion.kind, lesion.label) == (kind, LABELS[kind])
        change = pixels(marked.image, lesion.box)[..., 1].mean() - pixels(plain.image, lesion.box)[..., 1].mean()
        assert change > 2 if kind in BRIGHT else change < -2
        assert 0 < lesion.box.x1 < lesion.box.x2 < 1


@pytest.mark.parametrize("region", ["superior_temporal", "inferior_temporal", "superior_nasal", "inferior_nasal"])
@pytest.mark.parametrize("laterality", ["right", "left"])
def test_quadrants(region: str, laterality: str) -> None:
    found = small(laterality=laterality, lesions=(LesionGroup(kind="dot_haemorrhage", count=8, region=region),))  # type: ignore[arg-type]
    for lesion in found.lesions:
        x, y = lesion.box.centre
        assert (y < found.fovea[1]) == region.startswith("superior")
        nasal = x > found.fovea[0] if laterality == "right" else x < found.fovea[0]
        assert nasal == region.endswith("nasal")


def test_lesions_around_the_disc_are_around_the_disc() -> None:
    found = small(centred_on="disc", lesions=(LesionGroup(kind="flame_haemorrhage", count=8, region="disc"),))
    across = found.optic_disc.x2 - found.optic_disc.x1
    for lesion in found.lesions:
        dx = (lesion.box.centre[0] - found.optic_disc.centre[0]) / across
        dy = (lesion.box.centre[1] - found.optic_disc.centre[1]) / (across * 1.5)
        assert np.hypot(dx, dy) < 1.7


def test_haze_takes_contrast_and_swelling_takes_the_cup() -> None:
    clear, hazy = small(), small(camera=Camera(haze=0.8))
    inside = (slice(120, 300), slice(220, 420))
    assert np.asarray(hazy.image)[inside].std() < 0.7 * np.asarray(clear.image)[inside].std()
    normal, swollen = small(disc=Disc(cup_to_disc_ratio=0.6)), small(disc=Disc(cup_to_disc_ratio=0.6, swelling=0.9))
    assert pixels(swollen.image, normal.optic_disc)[..., 2].max() < pixels(normal.image, normal.optic_disc)[..., 2].max()
    assert swollen.optic_disc.x2 - swollen.optic_disc.x1 > 1.15 * (normal.optic_disc.x2 - normal.optic_disc.x1)


def test_pale_disc_is_paler() -> None:
    normal, pale = small(), small(disc=Disc(pallor=0.9))
    blue = [pixels(r.image, r.optic_disc)[..., 2].mean() for r in (normal, pale)]
    assert blue[1] > 1.2 * blue[0]


def test_scenes_are_strict() -> None:
    with pytest.raises(ValidationError):
        Scene(width=20)
    with pytest.raises(ValidationError):
        LesionGroup(kind="bruise", count=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="non-negative"):
        render(Scene(width=160), seed=-1)


@pytest.mark.parametrize("width", [128, 333, 2000])
def test_any_width(width: int) -> None:
    lesions = tuple(LesionGroup(kind=kind, count=2, region="everywhere") for kind in LABELS)
    found = render(Scene(width=width, lesions=lesions), 1)
    assert found.image.size == (width, round(width * 2 / 3))


def test_examples_are_redrawn(tmp_path: Path) -> None:
    """Byte for byte on one machine; another processor or JPEG library may round a pixel differently, no more."""
    main(str(tmp_path / "once"))
    main(str(tmp_path / "again"))
    for name in EXAMPLES:
        drawn = (tmp_path / "once" / f"{name}.jpg").read_bytes()
        assert drawn == (tmp_path / "again" / f"{name}.jpg").read_bytes()
        assert len(drawn) <= 400_000
        now, kept = Image.open(io.BytesIO(drawn)), Image.open(EXAMPLE_FILES / f"{name}.jpg")
        assert now.size == kept.size == (1600, 1067)
        difference = np.abs(np.asarray(now, float) - np.asarray(kept, float)).mean()
        assert difference < 1, f"{name}.jpg differs: run python -m tools.renderer.examples examples"
