"""Photographs and their boxes on a device, ready to be altered and shown. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tools.localizer.augment import DARK
from tools.localizer.classes import CLASSES, DRUSEN, FOVEA, GRADED, MICROANEURYSM, OPTIC_DISC
from tools.localizer.dataset import yolo_rows

MOST_BOXES = 96
VISIBLE = 0.35
"""A drawn lesion fainter than this is neither asked for nor punished."""
PASSED_OVER = 0.4
"""The weight with which a photograph without any drawn lesion speaks against small lesions that graders pass over."""
MOST_OFTEN = 4.0


@dataclass(slots=True)
class Store:
    """Photographs on a device. `images` n x 3 x side x side, uint8, the field of view fitted into the square on black; `boxes` n x m x 4
    corners in fractions of the square; `classes` n x m, -1 where there is no box; `faint` n x m; `known` n x classes, the weight with
    which a missing label of a class counts as its absence."""

    images: Tensor
    boxes: Tensor
    classes: Tensor
    faint: Tensor
    known: Tensor

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def weights(self) -> Tensor:
        """How often each picture should be shown: the rarest class in it decides, at most four times as often as a picture without."""
        present = torch.stack([(self.classes == label).any(dim=1) for label in range(len(CLASSES))], 1).float()
        rarity = (0.5 / present.mean(dim=0).clamp(min=0.01)).clamp(1, MOST_OFTEN)
        return (present * rarity).amax(dim=1).clamp(min=1)

    @property
    def has_lesion(self) -> Tensor:
        return ((self.classes > OPTIC_DISC) & (self.classes < FOVEA)).any(dim=1)


def load(folder: Path, names: list[str], side: int, device: torch.device, *, drawn: bool, fold: str = "") -> Store:
    """The named photographs of `folder` (images/<fold>/<name>.jpg, labels/<fold>/<name>.txt in YOLO format, a sixth column is the
    visibility).

    `drawn` pictures are labelled for every class and cropped to what is not black, as the run time would. Of a real one the graders'
    classes are known, and where they drew no lesion at all the others too, except the fovea; microaneurysms and drusen with less weight.
    """
    store = Store(
        torch.zeros(len(names), 3, side, side, dtype=torch.uint8),
        torch.zeros(len(names), MOST_BOXES, 4),
        torch.full((len(names), MOST_BOXES), -1.0),
        torch.zeros(len(names), MOST_BOXES, dtype=torch.bool),
        torch.zeros(len(names), len(CLASSES)),
    )
    for n, name in enumerate(names):
        with Image.open(folder / "images" / fold / f"{name}.jpg") as file:
            picture = file.convert("RGB")
        whole = picture.size
        bounds = _lit(picture) if drawn else (0, 0, *whole)
        picture = _fitted(picture.crop(bounds), side)
        zoom = picture.width / (bounds[2] - bounds[0])
        left, top = (side - picture.width) // 2, (side - picture.height) // 2
        store.images[n, :, top : top + picture.height, left : left + picture.width] = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        rows = _rows(folder / "labels" / fold / f"{name}.txt")
        for m, (label, cx, cy, w, h, *visibility) in enumerate(rows[:MOST_BOXES]):
            store.classes[n, m] = label
            corners = torch.tensor([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) * torch.tensor([*whole, *whole])
            store.boxes[n, m] = ((corners - torch.tensor([*bounds[:2], *bounds[:2]])) * zoom + torch.tensor([left, top, left, top])) / side
            store.faint[n, m] = bool(visibility) and visibility[0] < VISIBLE
        store.known[n] = _known([int(row[0]) for row in rows], drawn)
    return Store(*(getattr(store, name).to(device) for name in ("images", "boxes", "classes", "faint", "known")))


def _rows(path: Path) -> list[list[float]]:
    """The label lines, disc and fovea first: they must not fall off the end."""
    return sorted(yolo_rows(path), key=lambda row: row[0] not in (OPTIC_DISC, FOVEA))


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.BICUBIC)


def _lit(picture: Image.Image) -> tuple[int, int, int, int]:
    """The bounds of what is not black: a drawn field of view, as the run time would find it."""
    factor = max(1, max(picture.size) // 256)
    small = np.asarray(picture.reduce(factor)).max(axis=2) > 255 * DARK
    rows, columns = np.flatnonzero(small.any(axis=1)), np.flatnonzero(small.any(axis=0))
    if rows.size < 8 or columns.size < 8:
        return 0, 0, picture.width, picture.height
    right, low = (columns[-1] + 1) * factor, (rows[-1] + 1) * factor
    return int(columns[0] * factor), int(rows[0] * factor), min(picture.width, int(right)), min(picture.height, int(low))


def _known(labels: list[int], drawn: bool) -> Tensor:
    if drawn:
        return torch.ones(len(CLASSES))
    known = torch.zeros(len(CLASSES))
    if all(label == OPTIC_DISC for label in labels):
        known[:] = 1
        known[[MICROANEURYSM, DRUSEN]] = PASSED_OVER
        known[FOVEA] = 0
    known[list(GRADED)] = 1
    return known
