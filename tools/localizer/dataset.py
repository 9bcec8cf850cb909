"""The training photographs (IDRiD) with their boxes (CODRAS), and the rule that says which of them validate.

The folder holds `images/<id>.jpg`, `labels/<id>.txt` (YOLO: class, centre x, centre y, width, height in fractions of the image)
and `exact_duplicates.csv` (columns a, b: two ids of one and the same photograph).
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

CLASSES = ("optic_disc", "hard_exudate", "haemorrhage")
"""What the graders drew, in the order of their label files; microaneurysms are among the haemorrhages."""
Fold = Literal["train", "val"]
VALIDATION_SHARE = 0.18
SALT = "fovea-localizer-1"
"""Changes with the split rule, so that weights of different splits are never compared by accident."""
Bounds = tuple[float, float, float, float]
"""x1, y1, x2, y2 in fractions of an image."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph, where it lies, its fold, and its boxes as (index into CLASSES, bounds in fractions of the whole image)."""

    id: str
    path: Path
    fold: Fold
    boxes: tuple[tuple[int, Bounds], ...]


def fold_of(image_id: str, twins: Mapping[str, str]) -> Fold:
    """The fold of a photograph: a hash of its id, or of its twin's when the same photograph occurs twice.

    >>> fold_of("0053", {"0053": "0053", "0421": "0053"}) == fold_of("0421", {"0053": "0053", "0421": "0053"})
    True
    >>> [fold_of(f"{n:04}", {}) for n in range(1, 200)].count("val")
    35
    """
    digest = hashlib.sha256(f"{SALT}:{twins.get(image_id, image_id)}".encode()).digest()
    return "val" if int.from_bytes(digest[:8], "big") / 2**64 < VALIDATION_SHARE else "train"


def twins_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every id that has a twin -> the smallest id of its group; pairs that share an id make one group.

    >>> twins_of([("2", "3"), ("1", "2")])
    {'1': '1', '2': '1', '3': '1'}
    """
    groups: dict[str, set[str]] = {}
    for a, b in pairs:
        merged = groups.get(a, {a}) | groups.get(b, {b})
        groups.update(dict.fromkeys(merged, merged))
    return {member: min(groups[member]) for member in sorted(groups)}


def read(data: Path) -> tuple[Photograph, ...]:
    """All photographs of the folder, by id. Raises FileNotFoundError when it is not the folder the module describes."""
    with (data / "exact_duplicates.csv").open(newline="") as file:
        twins = twins_of((row["a"], row["b"]) for row in csv.DictReader(file))
    return tuple(
        Photograph(path.stem, path, fold_of(path.stem, twins), _boxes(data / "labels" / f"{path.stem}.txt"))
        for path in sorted((data / "images").glob("*.jpg"))
    )


def prepare(data: Path, out: Path, long_side: int = 1152, quality: int = 82) -> Path:
    """Writes the photographs cropped to their field of view, `long_side` pixels, as `out/{images,labels}/{train,val}`; returns `out`.

    The crop is the one the run time makes, so that a retina has the same scale whatever black frame its camera left around it.
    """
    from tools.localizer.preprocess import crop_to_field

    for photograph in read(data):
        pixels, bounds = crop_to_field(Image.open(photograph.path).convert("RGB"))
        pixels.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
        for kind in ("images", "labels"):
            (out / kind / photograph.fold).mkdir(parents=True, exist_ok=True)
        pixels.save(out / "images" / photograph.fold / f"{photograph.id}.jpg", quality=quality)
        lines = [_line(label, within(box, bounds)) for label, box in photograph.boxes]
        (out / "labels" / photograph.fold / f"{photograph.id}.txt").write_text("".join(lines))
    return out


def within(box: Bounds, frame: Bounds) -> Bounds:
    """`box`, given in fractions of the whole image, in fractions of `frame`, clipped to it.

    >>> within((0.5, 0.5, 0.75, 1.0), (0.5, 0.0, 1.0, 1.0))
    (0.0, 0.5, 0.5, 1.0)
    """
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    x1, x2 = (min(1.0, max(0.0, (x - frame[0]) / width)) for x in (box[0], box[2]))
    y1, y2 = (min(1.0, max(0.0, (y - frame[1]) / height)) for y in (box[1], box[3]))
    return x1, y1, x2, y2


def _boxes(path: Path) -> tuple[tuple[int, Bounds], ...]:
    return tuple((int(label), (x - w / 2, y - h / 2, x + w / 2, y + h / 2)) for label, x, y, w, h in yolo_rows(path))


def yolo_rows(path: Path) -> list[list[float]]:
    """The numbers of each line of a label file of our own making, none where there is no file. Labels that others bring are read, and
    checked, by `labelled`."""
    if not path.exists():
        return []
    return [[float(value) for value in line.split()] for line in path.read_text().splitlines() if line.strip()]


def _line(label: int, box: Bounds) -> str:
    x1, y1, x2, y2 = box
    return f"{label} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n"
