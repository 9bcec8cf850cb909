"""Many files through one localizer: order, bounds, errors, files found in directories."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from agent.errors import LocalizerError
from agent.imaging import Gradability, ImageFindings, ImageRef
from agent.settings import Intake
from tests.doubles import StillLocalizer
from tools.localizer.batch import AHEAD, files_of, localize_files

LIMITS = Intake()


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (64 + number, 64), (120, 60, 30)).save(path)
        paths.append(str(path))
    return paths


class Slow:
    """Takes longer for the first images than for the later ones, and counts how many it holds at once."""

    identity = "slow"

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def localize(self, image: ImageRef, pixels: Image.Image) -> ImageFindings:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05 if image.width < 66 else 0.005)
        with self.lock:
            self.now -= 1
        return ImageFindings(image=image, modality="cfp", gradability=Gradability(status="gradable"))


class Broken:
    identity = "broken"

    def localize(self, image: ImageRef, pixels: Image.Image) -> ImageFindings:
        raise LocalizerError("the weights are gone")


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_results_come_in_the_order_of_the_files(pictures: list[str], workers: int) -> None:
    slow = Slow()
    results = list(localize_files(pictures, slow, LIMITS, workers))
    assert [one.path for one in results] == pictures
    assert [one.findings.image.width for one in results if one.findings] == [64, 65, 66, 67, 68, 69]
    assert (1 if workers == 1 else 2) <= slow.most <= workers


def test_a_long_stream_is_read_as_it_is_needed_and_nothing_is_kept(pictures: list[str]) -> None:
    asked = 0

    def endless() -> Iterator[str]:
        nonlocal asked
        while True:
            asked += 1
            yield pictures[asked % len(pictures)]

    results = localize_files(endless(), StillLocalizer(), LIMITS, 2)
    for seen in range(1, 101):
        next(results)
        assert asked <= seen + AHEAD * 2
    results.close()  # type: ignore[attr-defined]
    assert not [one for one in threading.enumerate() if one.name.startswith("localize")]


def test_unreadable_files_take_their_place_in_the_order(pictures: list[str], tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague")
    (tmp_path / "empty.jpg").write_bytes(b"")
    paths = [pictures[0], str(tmp_path / "letter.txt"), str(tmp_path / "gone.jpg"), str(tmp_path / "empty.jpg"), pictures[1]]
    results = list(localize_files(paths, StillLocalizer(), LIMITS, 2))
    assert [one.findings is None for one in results] == [False, True, True, True, False]
    assert [one.path for one in results] == paths
    assert "not a picture Fovea reads" in results[1].error
    assert results[2].error == "does not exist"
    assert "empty" in results[3].error
    assert all("\n" not in one.error and one.path not in one.error for one in results)


def test_a_broken_localizer_ends_the_run(pictures: list[str]) -> None:
    with pytest.raises(LocalizerError, match="the weights are gone"):
        list(localize_files(pictures, Broken(), LIMITS, 2))


def test_a_look_sees_every_picture_that_could_be_read(pictures: list[str], tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    (tmp_path / "not.png").write_text("no")

    def look(path: str, findings: ImageFindings, pixels: Image.Image) -> None:
        seen[path] = pixels.size

    list(localize_files([*pictures, str(tmp_path / "not.png")], StillLocalizer(), LIMITS, 2, look))
    assert seen == {path: (64 + number, 64) for number, path in enumerate(pictures)}


def test_pixels_are_gone_when_their_result_is_there(pictures: list[str]) -> None:
    seen: list[weakref.ref[Image.Image]] = []

    def look(path: str, findings: ImageFindings, pixels: Image.Image) -> None:
        seen.append(weakref.ref(pixels))

    for number, _ in enumerate(localize_files(pictures * 10, StillLocalizer(), LIMITS, 2, look), start=1):
        gc.collect()
        assert sum(one() is not None for one in seen[:number]) <= 2, "at most what the two workers hold"
    assert len(seen) == 60
    gc.collect()
    assert not [one for one in seen if one() is not None]


def test_no_workers_are_refused(pictures: list[str]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        next(localize_files(pictures, StillLocalizer(), LIMITS, -1))


def test_directories_are_walked_in_order_without_hidden_files_or_loops(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/10.jpg", "a.jpg", ".hidden.jpg", ".cache/x.jpg", "c/d/e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    os.symlink(tmp_path, tmp_path / "c" / "loop")
    os.symlink(tmp_path / "a.jpg", tmp_path / "z.jpg")
    assert [os.path.relpath(path, tmp_path) for path in files_of(str(tmp_path))] == [
        "a.jpg", "b/10.jpg", "b/2.jpg", "c/d/e.jpg", "z.jpg",
    ]  # fmt: skip
    assert list(files_of("no/such/file.jpg")) == ["no/such/file.jpg"], "the reader will say that it is missing"
    assert list(files_of(str(tmp_path / ".hidden.jpg"))) == [str(tmp_path / ".hidden.jpg")], "named on purpose"
