"""The drawn training pictures: the same again from the same seed, true negatives without lesions, and labels a trainer can read."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.renderer import Camera, LesionGroup, LookAlike, Rendered, Scene, render
from tools.renderer.generator import SHARE_WITHOUT_LESIONS, random_scene
from tools.renderer.scene import LABELS, Kind
from tools.renderer.training_set import CLASSES, labels, write

WIDTH = 384


@cache
def sample(number: int) -> tuple[Scene, Rendered]:
    scene = random_scene(np.random.default_rng([7, number]), WIDTH)
    return scene, render(scene, number)


def test_scenes_are_reproducible_and_differ() -> None:
    first, again, other = (random_scene(np.random.default_rng(seed), 640) for seed in (1, 1, 2))
    assert first == again != other
    assert render(first, 3).image.tobytes() == render(again, 3).image.tobytes()


def test_scenes_are_varied() -> None:
    scenes = [random_scene(np.random.default_rng([1, n]), WIDTH) for n in range(400)]
    without = np.mean([not scene.lesions for scene in scenes])
    assert without == pytest.approx(SHARE_WITHOUT_LESIONS, abs=0.08)
    assert {group.kind for scene in scenes for group in scene.lesions} == set(LABELS)
    assert {scene.laterality for scene in scenes} == {"right", "left"}
    assert {scene.centred_on for scene in scenes} == {"macula", "disc", "between"}
    negatives = [scene for scene in scenes if not scene.lesions]
    alike = {look.kind for scene in negatives for look in scene.look_alikes}
    assert {"fibre_sheen", "foveal_ring", "crescent_glare", "dust", "laser_scars"} <= alike
    diseased = [len(scene.look_alikes) for scene in scenes if scene.lesions]
    # A picture must not betray its lesions by what is beside them.
    assert np.mean([len(scene.look_alikes) for scene in negatives]) == pytest.approx(np.mean(diseased), rel=0.15)


@pytest.mark.parametrize("number", range(12))
def test_labels_lie_within_the_picture_and_its_field(number: int) -> None:
    scene, drawn = sample(number)
    image = np.asarray(drawn.image, int)
    height, width = image.shape[:2]
    lines = [line.split() for line in labels(drawn).splitlines()]
    if not scene.lesions:
        assert {CLASSES[int(line[0])] for line in lines} <= {"optic_disc", "fovea"}
    for name, *numbers in lines:
        x, y, w, h, visibility = map(float, numbers)
        assert 0 <= int(name) < len(CLASSES)
        assert 0 <= visibility <= 1
        assert w > 0 < h
        assert x - w / 2 >= -1e-6 <= y - h / 2
        assert x + w / 2 <= 1 + 1e-6 >= y + h / 2
        assert drawn.field_of_view.x1 - 0.02 <= x <= drawn.field_of_view.x2 + 0.02
        # not on the black surround: the brightest pixel of the box is lit
        patch = image[int((y - h / 2) * height) : int((y + h / 2) * height) + 1, int((x - w / 2) * width) : int((x + w / 2) * width) + 1]
        assert patch.sum(axis=2).max() > 20


@pytest.mark.parametrize("kind", list(LABELS))
def test_natural_lesions_are_where_their_boxes_say(kind: Kind) -> None:
    group = LesionGroup(kind=kind, count=3, region="macula", natural=True, size=1.3)
    plain, marked = render(Scene(width=900), 8), render(Scene(width=900, lesions=(group,)), 8)
    change = np.abs(np.asarray(marked.image, int) - np.asarray(plain.image, int)).sum(axis=2)
    assert len(marked.lesions) == 3
    outside = change.copy()
    height, width = change.shape
    for lesion in marked.lesions:
        assert lesion.label == LABELS[kind]
        rows, columns = (slice(int(a * n), int(np.ceil(b * n))) for a, b, n in (
            (lesion.box.y1, lesion.box.y2, height), (lesion.box.x1, lesion.box.x2, width)))  # fmt: skip
        assert change[rows, columns].max() > 20
        margin = round(0.05 * width)
        outside[max(0, rows.start - margin) : rows.stop + margin, max(0, columns.start - margin) : columns.stop + margin] = 0
    assert outside.max() == 0


@pytest.mark.parametrize("kind", ["microaneurysm", "soft_exudate", "drusen", "hard_exudate", "blot_haemorrhage", "neovascularisation"])
def test_what_haze_hides_is_marked_faint(kind: Kind) -> None:
    group = LesionGroup(kind=kind, count=6, region="macula", natural=True)
    clear, hidden = (
        np.mean([lesion.visibility for lesion in render(Scene(width=1000, lesions=(group,), camera=camera), 3).lesions])
        for camera in (Camera(), Camera(haze=0.9, blur=8, exposure=0.4))
    )
    assert clear > 0.5
    assert hidden < 0.3


def test_a_lesion_as_pale_as_its_ground_is_not_seen() -> None:
    faint = LesionGroup(kind="drusen", count=6, natural=True, contrast=0.01)
    assert max(lesion.visibility for lesion in render(Scene(width=1000, lesions=(faint,)), 3).lesions) < 0.3


@pytest.mark.parametrize("kind", list(LookAlike.model_fields["kind"].annotation.__args__))  # type: ignore[union-attr]
def test_look_alikes_are_drawn_and_never_labelled(kind: str) -> None:
    look = LookAlike.model_validate({"kind": kind, "strength": 1.0, "count": 40 if kind == "laser_scars" else 6})
    plain, marked = render(Scene(width=600), 5), render(Scene(width=600, look_alikes=(look,)), 5)
    assert np.abs(np.asarray(marked.image, int) - np.asarray(plain.image, int)).max() > 12
    assert marked.lesions == ()
    assert marked.optic_disc == plain.optic_disc


def test_anatomy_outside_the_field_is_not_labelled() -> None:
    away = render(Scene(width=WIDTH, centred_on="macula", gaze=(1.8, 0), laterality="right", field_diameter=4), 1)
    assert away.disc_share == 0
    assert [line.split()[0] for line in labels(away).splitlines()] == [str(CLASSES.index("fovea"))]
    near = render(Scene(width=WIDTH, camera=Camera(aperture=0.9)), 1)
    assert near.disc_share == near.fovea_share == 1


def test_writer(tmp_path: Path) -> None:
    assert write(tmp_path / "one", 3, 256, 5, 1) == 3
    command = [sys.executable, "-m", "tools.renderer.training_set", str(tmp_path / "two")]
    done = subprocess.run(
        [*command, "--count", "3", "--width", "256", "--seed", "5", "--processes", "2"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("3 pictures")
    for number in range(3):
        for name in (f"images/{number:05}.jpg", f"labels/{number:05}.txt"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        with Image.open(tmp_path / "one" / f"images/{number:05}.jpg") as image:
            assert np.asarray(image).shape[1] == 256
    assert not list(tmp_path.rglob("*.part"))


def test_writer_stops_in_time(tmp_path: Path) -> None:
    assert write(tmp_path, 1000, 256, 1, 1, seconds=0.0) == 0
    written = write(tmp_path, 1000, 256, 1, 1, seconds=1.0)
    assert 0 < written < 1000
    names = sorted(path.stem for path in (tmp_path / "images").iterdir())
    assert names == [f"{n:05}" for n in range(written)] == sorted(path.stem for path in (tmp_path / "labels").iterdir())
