"""Writes a detector's card: fits its raw scores to probabilities and sets the thresholds, on the validation fold.

Each photograph of the fold counts as it is and as other cameras would have shown it (`augment.imitate_camera`), so that the fits do not
rest on one camera alone. The same fold then measures them, so the figures in `measured` are a little kind; the model card says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from tools.localizer.assembly import Detection
from tools.localizer.card import FOVEA, LESIONS, NO_VISIBLE_LESION, Card, ClassCard, Signal, logit, strength
from tools.localizer.classes import CLASSES, GRADED
from tools.localizer.dataset import CLASSES as DRAWN_BY_GRADERS
from tools.localizer.dataset import Photograph, read
from tools.localizer.detector import OnnxLocalizer
from tools.localizer.evaluate import Scored, summary
from tools.localizer.froc import hits_by_centre

SPECIFICITY = 0.9
"""The share of lesion-free photographs that shall stay without a box of the class."""
UNFITTED = {"optic_disc": 0.05, FOVEA: 0.15}
"""Raw scores from which these two are shown. A photograph shows one of each at most, so there is no flood of candidates to hold back,
and other cameras' discs score lower than the fold's; what is measured from a disc asks for more (`anatomy.SURE_DISC`). A fovea that
scores less is no better placed than its estimate from the disc (model card)."""
DRAWN_ONLY = 0.5
"""The threshold of a lesion that no real label could set."""
OVERLAP = 0.5
MAX_BOXES = 100
CAMERAS = 3
"""Imitated cameras per photograph, beside its own."""
Table = dict[str, list[Scored]]


def write_card(
    data: Path, weights: Path, image_size: int, name: str = "fovea-localizer", threads: int = 0, enabled: Sequence[str] = (FOVEA,)
) -> Card:
    """Runs `weights` over the validation fold of `data` and writes the card beside them (.json); returns it.

    The graders' classes are enabled; of the others, which were learnt from drawn pictures, those named in `enabled`.
    """
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    plain = tuple(ClassCard(name=label, slope=1, offset=0, threshold=0) for label in CLASSES)
    target = weights.with_suffix(".json")
    draft = Card(name=name, sha256=digest, image_size=image_size, overlap=OVERLAP, max_boxes=MAX_BOXES, classes=plain)
    target.write_text(draft.model_dump_json())
    localizer = OnnxLocalizer(weights, threads)
    photographs = [one for one in read(data) if one.fold == "val"]
    clear, imitated = score(localizer, photographs, 0), [score(localizer, photographs, camera) for camera in range(1, CAMERAS + 1)]
    every = {label: [one for table in (clear, *imitated) for one in table[label]] for label in DRAWN_BY_GRADERS}
    raw = {label: UNFITTED.get(label) or lesion_threshold(every[label]) for label in DRAWN_BY_GRADERS}
    classes = tuple(_class_card(label, every, raw, enabled) for label in CLASSES)
    measured = {"fold": "val", "photographs": len(photographs), "classes": summary(clear, raw)}
    card = draft.model_copy(update={"classes": classes, "signals": signals(every), "measured": measured})
    target.write_text(card.model_dump_json(indent=1) + "\n")
    return card


def score(localizer: OnnxLocalizer, photographs: Sequence[Photograph], camera: int) -> Table:
    """What the detector sees and the graders drew, class by class, on each photograph as camera number `camera` shows it; 0 its own."""
    table: Table = {label: [] for label in DRAWN_BY_GRADERS}
    for number, photograph in enumerate(photographs):
        with Image.open(photograph.path) as file:
            picture = file.convert("RGB")
        detections = localizer.detect(imitated(picture, camera * 10_000 + number) if camera else picture)
        for index, label in enumerate(DRAWN_BY_GRADERS):
            table[label].append(Scored(_found(detections, label), tuple(box for drawn, box in photograph.boxes if drawn == index)))
    return table


def imitated(picture: Image.Image, seed: int) -> Image.Image:
    """The photograph as another camera might have shown it; the same seed gives the same picture. Needs torch."""
    import torch
    import torch.nn.functional as F

    from tools.localizer.augment import imitate_camera

    generator = torch.Generator().manual_seed(seed)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    height, width = pixels.shape[-2:]
    side = -(-max(height, width) // 16) * 16
    square = F.pad(pixels, (0, side - width, 0, side - height))
    seen = imitate_camera(square, generator)[0, :, :height, :width]
    return Image.fromarray((seen * 255 + 0.5).clamp(0, 255).byte().permute(1, 2, 0).numpy())


def signals(table: Mapping[str, Sequence[Scored]]) -> dict[str, Signal]:
    """The image-level fits: each lesion from its own strength, 'no visible lesion' from all of theirs."""
    lesions = [label for label in table if label in LESIONS]
    strengths = {label: [strength([score for score, _ in one.found]) for one in table[label]] for label in lesions}
    truth = {label: [bool(one.drawn) for one in table[label]] for label in lesions}
    fitted = {label: _signal([label], strengths, truth[label]) for label in lesions}
    fitted[NO_VISIBLE_LESION] = _signal(lesions, strengths, [not any(seen) for seen in zip(*truth.values(), strict=True)])
    return fitted


def lesion_threshold(photographs: Sequence[Scored]) -> float:
    """The raw score with the best F1 over drawn boxes seen by their centre, or a higher one where too many photographs without the
    lesion would show it."""
    scores, found, false = hits_by_centre(photographs)
    drawn = sum(len(one.drawn) for one in photographs)
    right, wrong = np.cumsum(found), np.cumsum(false)
    f1 = 2 * right / (right + wrong + drawn)
    threshold = float(scores[int(f1.argmax())]) if scores.size else 0.5
    free = [one.best for one in photographs if not one.drawn]
    if free:
        threshold = max(threshold, float(np.quantile(free, SPECIFICITY)) + 1e-4)
    return round(threshold, 4)


def fit(design: np.ndarray, positive: Sequence[bool], prior: Sequence[float], ridge: float = 1.0, steps: int = 100) -> list[float]:
    """Weights of a logistic fit of `positive` on `design` (rows x features, the last one constant) by damped Newton steps; `ridge` pulls
    them to `prior`, the constant's weight hardly.

    >>> slope, offset = fit(np.array([[-2.2, 1], [-1.4, 1], [0.4, 1], [0.9, 1]] * 30), [False, False, True, True] * 30, (1, 0))
    >>> 1 < slope < 4
    True
    """
    target, start = np.asarray(positive, dtype=float), np.asarray(prior, dtype=float)
    pull = ridge * np.array([1.0] * (len(start) - 1) + [0.02])
    weights = start.copy()
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (chance - target) + pull * (weights - start)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(pull)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step / max(1.0, float(np.abs(step).max()))  # a full step can jump over the optimum and diverge
    return [float(weight) for weight in weights]


def _class_card(label: str, table: Mapping[str, Sequence[Scored]], raw: Mapping[str, float], enabled: Sequence[str]) -> ClassCard:
    learnt: Literal["real", "drawn", "both"] = "both" if CLASSES.index(label) in GRADED else "drawn"
    if label not in LESIONS or label not in table:
        on = label in table or label in enabled
        return ClassCard(name=label, slope=1, offset=0, threshold=UNFITTED.get(label, DRAWN_ONLY), enabled=on, learnt_from=learnt)
    best = np.clip([one.best for one in table[label]], 1e-3, 1 - 1e-3)
    slope, offset = fit(np.stack([[logit(raw) for raw in best], np.ones_like(best)], 1), [bool(one.drawn) for one in table[label]], (1, 0))
    unset = ClassCard(name=label, slope=round(max(0.05, slope), 4), offset=round(offset, 4), threshold=0, learnt_from=learnt)
    return unset.model_copy(update={"threshold": unset.probability(raw[label])})


def _signal(names: Sequence[str], strengths: Mapping[str, Sequence[float]], positive: Sequence[bool]) -> Signal:
    design = np.stack([*(np.asarray(strengths[name]) for name in names), np.ones(len(positive))], axis=1)
    *weights, offset = fit(design, positive, [0.0] * (len(names) + 1))
    return Signal(weights={name: round(weight, 4) for name, weight in zip(names, weights, strict=True)}, offset=round(offset, 4))


def _found(detections: Sequence[Detection], label: str) -> tuple[tuple[float, tuple[float, float, float, float]], ...]:
    return tuple((one.raw, (one.box.x1, one.box.y1, one.box.x2, one.box.y2)) for one in detections if one.name == label)
