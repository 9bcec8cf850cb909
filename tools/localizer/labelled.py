"""Photographs with boxes drawn by people: a folder of images and one of YOLO label files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import InputError
from tools.localizer.batch import files_of
from tools.localizer.dataset import CLASSES, Bounds
from tools.localizer.names import labels_of


@dataclass(frozen=True, slots=True)
class Labelled:
    """One photograph with the boxes drawn on it, as (Fovea's label, bounds). `stated` False: it has no label file."""

    path: str
    boxes: tuple[tuple[str, Bounds], ...]
    stated: bool

    def of(self, label: str) -> tuple[Bounds, ...]:
        return tuple(box for name, box in self.boxes if name == label)


def read_names(file: Path | None) -> tuple[str, ...]:
    """Fovea's labels for the classes, one name a line in `file`; None means those drawn on IDRiD. Raises InputError, or LocalizerError
    for unknown names."""
    if file is None:
        return labels_of(CLASSES, "the usual order")
    return labels_of((line.strip() for line in _lines(file) if line.strip()), str(file))


def read_labelled(images: Path, labels: Path, names: Sequence[str]) -> tuple[Labelled, ...]:
    """Every file below `images` with the boxes of `labels/<same path>.txt`, or `labels/<same name>.txt`.

    A photograph without a label file counts as one without lesions, as YOLO has it. Raises InputError: a folder that is missing, no
    image with labels at all, or a line that is none, named by file and number.
    """
    for folder, option in ((images, "--images"), (labels, "--labels")):
        if not folder.is_dir():
            raise InputError(f"{option} {folder}: no such directory")
    found = [_labelled(Path(path), images, labels, names) for path in files_of(str(images))]
    if not found:
        raise InputError(f"--images {images}: holds no files")
    if not any(one.stated for one in found):
        raise InputError(f"--labels {labels}: holds no label file (<name of the image>.txt) for any of the {len(found)} files in {images}")
    return tuple(found)


def _labelled(path: Path, images: Path, labels: Path, names: Sequence[str]) -> Labelled:
    relative = path.relative_to(images)
    file = next((one for one in (labels / relative.with_suffix(".txt"), labels / f"{path.stem}.txt") if one.is_file()), None)
    if file is None:
        return Labelled(str(path), (), stated=False)
    rows = [(number, line.split()) for number, line in enumerate(_lines(file), start=1)]
    return Labelled(str(path), tuple(_box(row, names, f"{file}, line {number}") for number, row in rows if row), stated=True)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text (byte {error.start})") from error


def _box(row: Sequence[str], names: Sequence[str], where: str) -> tuple[str, Bounds]:
    """A row of class, centre x, centre y, width and height in fractions; a sixth value (a visibility or a score) is passed over."""
    try:
        label, (x, y, width, height) = int(row[0]), [float(value) for value in row[1:5]]
    except ValueError as error:
        raise InputError(f"{where}: {' '.join(row)[:60]!r} is not 'class x y width height' in numbers") from error
    if len(row) > 6 or not all(math.isfinite(value) and 0 <= value <= 1 for value in (x, y, width, height)) or not width * height:
        raise InputError(f"{where}: {' '.join(row)[:60]!r}: x, y, width and height are fractions of the image, width and height above 0")
    if not 0 <= label < len(names):
        raise InputError(f"{where}: class {label}, but there are only {len(names)} class names (0 to {len(names) - 1}): {', '.join(names)}")
    bounds = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    x1, y1, x2, y2 = (min(1.0, max(0.0, value)) for value in bounds)
    return names[label], (x1, y1, x2, y2)
