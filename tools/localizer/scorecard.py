"""How well a localizer reads photographs whose boxes are known: boxes, lesions against false alarms, whole photographs, the disc."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from agent.imaging import Box, ImageFindings, LesionLabel
from tools.localizer.anatomy import holds
from tools.localizer.assembly import DetectorLocalizer
from tools.localizer.card import FOVEA, LESIONS, NO_VISIBLE_LESION, OPTIC_DISC
from tools.localizer.dataset import Bounds
from tools.localizer.evaluate import Scored, average_precision, recall_precision
from tools.localizer.froc import RATES, Froc, auroc_interval, froc, froc_by_centre
from tools.localizer.labelled import Labelled

GROUPS = 10
SMALLEST_GROUP = 8
CURVE_POINTS = 200
RATE_NAMES = dict(zip(RATES, ("1/8", "1/4", "1/2", "1", "2", "4", "8"), strict=True))


@dataclass(frozen=True, slots=True)
class Read:
    """One photograph, what was drawn on it and what the localizer saw at the lowest score."""

    drawn: Labelled
    seen: ImageFindings

    def found(self, labels: Sequence[str]) -> tuple[tuple[float, Bounds], ...]:
        boxes: list[tuple[str, float | None, Box | None]] = [
            (OPTIC_DISC, self.seen.optic_disc_score, self.seen.optic_disc), (FOVEA, self.seen.fovea_score, self.seen.fovea_box),
            *((one.label, one.score, one.box) for one in self.seen.lesions),
        ]  # fmt: skip
        return tuple(
            (score, (box.x1, box.y1, box.x2, box.y2))
            for label, score, box in boxes
            if label in labels and box is not None and score is not None
        )


def scorecard(reads: Iterable[Read], labels: Sequence[str], localizer: DetectorLocalizer) -> dict[str, Any]:
    """All figures of the localizer on photographs that it read at `min_score` 0; None stands where there is nothing to divide by.

    `labels` are what the graders drew. Where they drew no microaneurysms apart, the localizer's count as haemorrhages. Photographs that
    it passed over as no colour fundus photographs count as photographs on which it saw nothing.
    """
    rows = list(reads)
    classes = {label: _class_row(rows, label, labels, localizer) for label in labels}
    precisions = [row["ap50"] for row in classes.values() if row["ap50"] is not None]
    return {
        "localizer": localizer.identity,
        "photographs": len(rows),
        "without_label_file": sum(not one.drawn.stated for one in rows),
        "passed_over": sum(one.seen.modality != "cfp" for one in rows),
        "gradability": dict(Counter(one.seen.gradability.status for one in rows)),
        "map50": float(np.mean(precisions)) if precisions else None,
        "classes": classes,
        "image_level": _image_level(rows, labels),
        "optic_disc": _discs(rows, localizer) if OPTIC_DISC in labels else None,
    }


def _class_row(rows: Sequence[Read], label: str, labels: Sequence[str], localizer: DetectorLocalizer) -> dict[str, Any]:
    meant = (label, "microaneurysm") if label == "haemorrhage" and "microaneurysm" not in labels else (label,)
    scored = [Scored(one.found(meant), one.drawn.of(label)) for one in rows]
    name = next((name for name, meaning in LESIONS.items() if meaning == label and localizer.threshold(name) is not None), label)
    threshold = localizer.threshold(name)
    recall, precision = recall_precision(scored, threshold) if threshold is not None else (float("nan"), float("nan"))
    curves = {"iou50": froc(scored), "centre": froc_by_centre(scored)}
    return {
        "boxes": sum(len(one.drawn) for one in scored),
        "photographs": sum(bool(one.drawn) for one in scored),
        "ap50": _number(average_precision(scored)),
        "threshold": threshold,
        "recall": _number(recall),
        "precision": _number(precision),
        "froc": {kind: _froc_row(curve) for kind, curve in curves.items()},
    }


def _froc_row(curve: Froc) -> dict[str, Any]:
    points = len(curve.alarms)
    keep = sorted({int(place) for place in np.linspace(0, points - 1, CURVE_POINTS)}) if points else []
    return {
        "mean": _number(curve.mean),
        "sensitivity": {name: _number(curve.sensitivity(rate)) for rate, name in RATE_NAMES.items()},
        "curve": [[round(float(curve.alarms[i]), 4), round(float(curve.found[i]), 4)] for i in keep],
    }


def _image_level(rows: Sequence[Read], labels: Sequence[str]) -> dict[str, Any]:
    """For each lesion label the graders drew, and for none of them, how well the chance on the photograph tells those with from those
    without, and how true it is."""
    lesions = [label for label in get_args(LesionLabel) if label in labels]
    table = {}
    for label in lesions:
        table[label] = _signal([one.seen.image_level.get(label, 0.0) for one in rows], [bool(one.drawn.of(label)) for one in rows])
    if any(NO_VISIBLE_LESION in one.seen.image_level for one in rows):
        clear = [not any(one.drawn.of(label) for label in lesions) for one in rows]
        table[NO_VISIBLE_LESION] = _signal([one.seen.image_level.get(NO_VISIBLE_LESION, 0.0) for one in rows], clear)
    return table


def _signal(chances: Sequence[float], truth: Sequence[bool]) -> dict[str, Any]:
    area, low, high = auroc_interval(chances, truth)
    chance, true = np.asarray(chances, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    order = np.argsort(chance, kind="stable")
    # as many photographs in each: groups of equal width would mostly be empty, and a single photograph says nothing
    groups = [group for group in np.array_split(order, max(1, min(GROUPS, len(order) // SMALLEST_GROUP))) if group.size]
    bins = [{"photographs": len(one), "chance": float(chance[one].mean()), "share": float(true[one].mean())} for one in groups]
    off = sum(one["photographs"] * abs(one["chance"] - one["share"]) for one in bins) / max(1, len(chance))
    return {
        "with": int(true.sum()),
        "without": int(len(true) - true.sum()),
        "auroc": _number(area),
        "interval": [_number(low), _number(high)],
        "brier": _number(float(np.mean((chance - true) ** 2))) if len(chance) else None,
        "calibration_error": _number(off),
        "calibration": bins,
    }


def _discs(rows: Sequence[Read], localizer: DetectorLocalizer) -> dict[str, Any]:
    """Of the photographs with a drawn disc: on how many its centre lies in the best disc box, and in one that would be shown."""
    held = shown = drawn = 0
    threshold = localizer.threshold(OPTIC_DISC)
    for one in rows:
        for x1, y1, x2, y2 in one.drawn.of(OPTIC_DISC)[:1]:
            drawn += 1
            box = one.seen.optic_disc
            if box is not None and holds(box, ((x1 + x2) / 2, (y1 + y2) / 2)):
                held += 1
                shown += threshold is not None and (one.seen.optic_disc_score or 0.0) >= threshold
    shares = {"share_held": held / drawn, "share_shown": shown / drawn} if drawn else {"share_held": None, "share_shown": None}
    return {"drawn": drawn, "held": held, "shown": shown, **shares}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)
