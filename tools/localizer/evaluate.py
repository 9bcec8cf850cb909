"""Measures a detector through the run time that ships: boxes, whole photographs, and the disc. Plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from tools.localizer.boxes import overlaps
from tools.localizer.card import LESIONS
from tools.localizer.dataset import CLASSES, Bounds, Photograph
from tools.localizer.detector import OnnxLocalizer

MATCH = 0.5
"""The IoU from which a box counts as found."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One photograph's boxes of one class: what the detector gave, with raw scores, and what the graders drew."""

    found: tuple[tuple[float, Bounds], ...]
    drawn: tuple[Bounds, ...]

    @property
    def best(self) -> float:
        return max((score for score, _ in self.found), default=0.0)


def matches(photographs: Sequence[Scored], iou: float = MATCH) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Scores of all found boxes, best first, and whether each hit: the drawn box it overlaps most, at least by `iou`, not yet taken."""
    rows: list[tuple[float, bool]] = []
    for one in photographs:
        drawn = np.asarray(one.drawn, dtype=np.float64).reshape(-1, 4)
        taken = np.zeros(len(drawn), dtype=bool)
        for score, box in sorted(one.found, key=lambda row: -row[0]):
            shared = np.where(taken, -1.0, overlaps(np.asarray(box, dtype=np.float64), drawn)) if len(drawn) else np.empty(0)
            hit = bool(len(shared)) and float(shared.max()) >= iou
            if hit:
                taken[int(shared.argmax())] = True
            rows.append((score, hit))
    rows.sort(key=lambda row: -row[0])
    return np.array([score for score, _ in rows]), np.array([hit for _, hit in rows], dtype=bool)


def average_precision(photographs: Sequence[Scored], iou: float = MATCH) -> float:
    """Area under the precision envelope over recall (all points); nan when nothing was drawn.

    >>> box, other = (0.0, 0.0, 0.1, 0.1), (0.5, 0.5, 0.6, 0.6)
    >>> average_precision([Scored(((0.9, box), (0.8, other)), (box,)), Scored(((0.7, box),), (box,))])
    0.8333333333333333
    """
    drawn = sum(len(one.drawn) for one in photographs)
    if drawn == 0:
        return float("nan")
    _, hits = matches(photographs, iou)
    if not hits.size:
        return 0.0
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hits].sum() / drawn)


def recall_precision(photographs: Sequence[Scored], threshold: float, iou: float = MATCH) -> tuple[float, float]:
    """Recall and precision of the boxes with a score of at least `threshold`; nan where there is nothing to divide by."""
    scores, hits = matches(photographs, iou)
    shown = hits[scores >= threshold] if scores.size else hits
    drawn = sum(len(one.drawn) for one in photographs)
    return (float(shown.sum()) / drawn if drawn else float("nan")), (float(shown.mean()) if shown.size else float("nan"))


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that a positive scores above a negative, ties counting half; nan when one side is empty.

    >>> auroc([0.9, 0.4, 0.4, 0.1], [True, True, False, False])
    0.875
    """
    values, mask = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    above, below = values[mask], values[~mask]
    if not above.size or not below.size:
        return float("nan")
    wins = (above[:, None] > below[None, :]).sum() + 0.5 * (above[:, None] == below[None, :]).sum()
    return float(wins / (above.size * below.size))


def score_all(localizer: OnnxLocalizer, photographs: Sequence[Photograph]) -> dict[str, list[Scored]]:
    """Runs the detector on every photograph as `localize` would, without its thresholds; class name -> one entry per photograph."""
    table: dict[str, list[Scored]] = {name: [] for name in CLASSES}
    for photograph in photographs:
        with Image.open(photograph.path) as file:
            detections = localizer.detect(file.convert("RGB"))
        for index, name in enumerate(CLASSES):
            found = tuple((one.raw, (one.box.x1, one.box.y1, one.box.x2, one.box.y2)) for one in detections if one.name == name)
            table[name].append(Scored(found, tuple(box for label, box in photograph.boxes if label == index)))
    return table


def summary(table: dict[str, list[Scored]], thresholds: dict[str, float]) -> dict[str, dict[str, float]]:
    """Per class: boxes drawn, AP50, recall and precision at the raw threshold and, for lesions, the whole photograph's AUROC,
    sensitivity and specificity."""
    report: dict[str, dict[str, float]] = {}
    for name, photographs in table.items():
        recall, precision = recall_precision(photographs, thresholds[name])
        row = {
            "boxes": float(sum(len(one.drawn) for one in photographs)),
            "ap50": average_precision(photographs),
            "recall": recall,
            "precision": precision,
        }
        if name in LESIONS:
            has = [bool(one.drawn) for one in photographs]
            seen = np.array([one.best >= thresholds[name] for one in photographs])
            row |= {
                "auroc": auroc([one.best for one in photographs], has),
                "sensitivity": float(seen[np.array(has)].mean()) if any(has) else float("nan"),
                "specificity": float((~seen[~np.array(has)]).mean()) if not all(has) else float("nan"),
            }
        report[name] = {key: round(value, 4) for key, value in row.items()}
    return report
