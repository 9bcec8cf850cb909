"""Writes a detector's card: fits its raw scores to probabilities and sets the thresholds, on the validation fold.

The same fold then measures them, so the figures in `measured` are a little kind; the model card says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tools.localizer.card import LESIONS, Card, ClassCard
from tools.localizer.dataset import CLASSES, read
from tools.localizer.detector import OnnxLocalizer
from tools.localizer.evaluate import Scored, matches, score_all, summary

SPECIFICITY = 0.9
"""The share of lesion-free photographs that shall stay without a box of the class."""
SMALLEST_DISC_SCORE = 0.2
OVERLAP = 0.5
MAX_BOXES = 100


def write_card(data: Path, weights: Path, image_size: int, name: str = "fovea-localizer", threads: int = 0) -> Card:
    """Runs `weights` over the validation fold of `data` and writes the card beside them (.json); returns it."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    plain = [ClassCard(name=label, slope=1, offset=0, threshold=0) for label in CLASSES]
    target = weights.with_suffix(".json")
    draft = Card(name=name, sha256=digest, image_size=image_size, overlap=OVERLAP, max_boxes=MAX_BOXES, classes=tuple(plain))
    target.write_text(draft.model_dump_json())
    photographs = [one for one in read(data) if one.fold == "val"]
    table = score_all(OnnxLocalizer(weights, threads), photographs)
    raw = {label: (lesion_threshold if label in LESIONS else disc_threshold)(table[label]) for label in CLASSES}
    fitted = []
    for label in CLASSES:
        slope, offset = fit([one.best for one in table[label]], [bool(one.drawn) for one in table[label]]) if label in LESIONS else (1, 0)
        unset = ClassCard(name=label, slope=round(slope, 4), offset=round(offset, 4), threshold=0)
        fitted.append(unset.model_copy(update={"threshold": unset.probability(raw[label])}))
    measured = {"fold": "val", "photographs": len(photographs), "classes": summary(table, raw)}
    card = draft.model_copy(update={"classes": tuple(fitted), "measured": measured})
    target.write_text(card.model_dump_json(indent=1) + "\n")
    return card


def lesion_threshold(photographs: Sequence[Scored]) -> float:
    """The raw score with the best F1 over boxes, or a higher one where too many photographs without the lesion would show it."""
    scores, hits = matches(photographs)
    drawn = sum(len(one.drawn) for one in photographs)
    f1 = 2 * np.cumsum(hits) / (np.arange(1, len(hits) + 1) + drawn)
    threshold = float(scores[int(f1.argmax())]) if scores.size else 0.5
    free = [one.best for one in photographs if not one.drawn]
    if free:
        threshold = max(threshold, float(np.quantile(free, SPECIFICITY)) + 1e-4)
    return round(threshold, 4)


def disc_threshold(photographs: Sequence[Scored]) -> float:
    """Just above the best-scored wrong disc, but at least `SMALLEST_DISC_SCORE`: a photograph shows one disc at most, so there is no
    flood of candidates to hold back, and other cameras' discs score lower than the fold's."""
    scores, hits = matches(photographs)
    wrong = scores[~hits]
    return round(max(SMALLEST_DISC_SCORE, float(wrong.max()) + 1e-4 if wrong.size else 0.0), 4)


def fit(raw: Sequence[float], positive: Sequence[bool], ridge: float = 1.0, steps: int = 100) -> tuple[float, float]:
    """Slope and offset of a logistic fit on logit(raw) by damped Newton steps; `ridge` pulls the slope to 1 and the offset to 0.

    >>> slope, offset = fit([0.1, 0.2, 0.3, 0.6, 0.7, 0.9] * 20, [False, False, True, False, True, True] * 20)
    >>> 0.5 < slope < 1.5 and abs(offset) < 0.5
    True
    """
    clipped = np.clip(np.asarray(raw, dtype=float), 1e-3, 1 - 1e-3)
    design = np.stack([np.log(clipped / (1 - clipped)), np.ones_like(clipped)], axis=1)
    target, prior = np.asarray(positive, dtype=float), np.array([1.0, 0.0])
    weights = prior.copy()
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (chance - target) + ridge * (weights - prior)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + ridge * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step / max(1.0, float(np.abs(step).max()))  # a full step can jump over the optimum and diverge
    return max(0.05, float(weights[0])), float(weights[1])
