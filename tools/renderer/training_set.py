"""Writes drawn photographs with YOLO labels: `python -m tools.renderer.training_set OUT --count N --width W --processes P --seed S`.

`OUT/images/00000.jpg` and `OUT/labels/00000.txt`, one line a box: class, centre x and y, width and height in fractions of the picture,
visibility 0 to 1 (see `sight`). A picture appears only when its labels are there. Needs numpy, Pillow and pydantic.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from agent.imaging import Box
from tools.renderer import Rendered, render
from tools.renderer.generator import random_scene

CLASSES = (
    "optic_disc",
    "hard_exudate",
    "haemorrhage",
    "microaneurysm",
    "soft_exudate",
    "drusen",
    "neovascularisation",
    "fovea",
)
QUALITY = 90
SEEN_SHARE = 0.35
"""An optic disc or fovea box is written when at least this share of it lies in the field."""


def write(out: Path, count: int, width: int, seed: int, processes: int, seconds: float | None = None) -> int:
    """Draws `count` pictures, or as many as `seconds` allow, and returns how many were written. The numbers run without gaps up to
    the last one written; pictures already there from a run with the same arguments are drawn again, the same."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "labels").mkdir(parents=True, exist_ok=True)
    until = None if seconds is None else time.time() + seconds
    work = partial(_one, out, width, seed, until)
    if processes == 1:
        return sum(map(work, range(count)))
    # spawn, not fork: the caller may hold threads (torch, ONNX Runtime) whose locks a fork would copy
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return sum(pool.imap_unordered(work, range(count)))


def _one(out: Path, width: int, seed: int, until: float | None, number: int) -> bool:
    if until is not None and time.time() > until:
        return False
    scene = random_scene(np.random.default_rng([seed, number]), width)
    drawn = render(scene, seed * 1_000_003 + number)
    _replace(out / "labels" / f"{number:05}.txt", lambda path: path.write_text(labels(drawn)))
    _replace(out / "images" / f"{number:05}.jpg", lambda path: drawn.image.save(path, format="JPEG", quality=QUALITY))
    return True


def labels(drawn: Rendered) -> str:
    """The YOLO lines of a picture."""
    lines = []
    if drawn.disc_share >= SEEN_SHARE:
        lines.append(_line("optic_disc", drawn.optic_disc, 1.0))
    if drawn.fovea_share >= SEEN_SHARE:
        lines.append(_line("fovea", drawn.fovea_box, 1.0))
    lines += [_line(lesion.label, lesion.box, lesion.visibility) for lesion in drawn.lesions]
    return "".join(lines)


def _line(label: str, box: Box, visibility: float) -> str:
    x, y = box.centre
    return f"{CLASSES.index(label)} {x:.6f} {y:.6f} {box.x2 - box.x1:.6f} {box.y2 - box.y1:.6f} {visibility:.3f}\n"


def _replace(path: Path, save: Callable[[Path], object]) -> None:
    """Saves beside `path` and renames, so that no reader meets half a file."""
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    save(half)
    half.replace(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=None, help="stop after this long, whatever was reached")
    given = parser.parse_args()
    started = time.monotonic()
    written = write(given.out, given.count, given.width, given.seed, given.processes, given.seconds)
    print(f"{written} pictures in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
