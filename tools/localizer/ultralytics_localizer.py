"""The localizer behind ultralytics (the extra `train`, AGPL-3.0): runs the shipped weights, and detectors a user trained with it.

A .pt file is a pickle: loading it runs what its maker put in. Load only files whose origin you know.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from agent.errors import LocalizerError
from agent.imaging import Box, LesionLabel
from tools.localizer.assembly import Detection, DetectorLocalizer, best_scores
from tools.localizer.card import Card
from tools.localizer.detector import RAW_FLOOR, SHIPPED, SINGLE, checked_weights, detections_of, image_level_of, onnx_errors, threshold_of
from tools.localizer.names import labels_of
from tools.localizer.offline import offline_ultralytics
from tools.localizer.preprocess import Square, square_of

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[np.float64]
RAW_THRESHOLD = 0.25
"""Shown from this raw score where no card says better: ultralytics' own default."""
OVERLAP = 0.5
MAX_BOXES = 100
RAW_SCORES = "no card lies beside the weights: scores are the network's own, fitted to nothing, and shown from 0.25"
DAMAGE: tuple[type[Exception], ...] = (
    OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, EOFError, RuntimeError, ImportError, SyntaxError,
    pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip
"""What torch and ultralytics raise on files that hold no detector."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to be asked: Fovea's name for each of its classes, and the card, if it has one."""

    model: Any
    names: tuple[str, ...]
    sha256: str
    card: Card | None


class UltralyticsLocalizer(DetectorLocalizer):
    """The detector behind ultralytics. `weights` None means the shipped ones.

    With a card beside them the weights see what they were trained on, the field of view in a square, and their scores are the card's
    probabilities. Without one (a .pt or .onnx of the user's own) the model sees the whole photograph as ultralytics shows it, its class
    names are read in their usual spellings, and its scores are raw. Nothing is read before the first use. Callable from any thread, one
    at a time: ultralytics keeps a model's state in the model. `threads` is torch's, 0 leaves it alone. Raises LocalizerError when
    ultralytics is not installed or the weights are missing, damaged or name unknown classes.
    """

    def __init__(self, weights: Path | None = None, threads: int = 0, min_score: float | None = None) -> None:
        super().__init__(min_score)
        self._weights = weights or SHIPPED
        self._threads = threads
        self._lock = threading.RLock()
        self._loaded: Model | None = None

    @property
    def identity(self) -> str:
        model = self._load()
        kind = model.card.name if model.card else f"{self._weights.name} (raw scores)"
        return f"{kind} {model.sha256[:12]}, ultralytics"

    @property
    def caution(self) -> str:
        return "" if self._load().card else RAW_SCORES

    def detect(self, pixels: Image, field: Box | None = None) -> list[Detection]:
        model = self._load()
        if model.card is None:
            return self._whole(model, pixels)
        square = square_of(pixels, model.card.image_size, field)
        return self._square(model, model.card, square)

    def threshold(self, name: str) -> float | None:
        model = self._load()
        if model.card is not None:
            return threshold_of(model.card, name)
        return RAW_THRESHOLD if name in model.names else None

    def image_level(self, detections: Sequence[Detection]) -> dict[str, float]:
        model = self._load()
        if model.card is not None:
            return image_level_of(model.card, detections)
        labels: tuple[LesionLabel, ...] = get_args(LesionLabel)
        return best_scores(detections, [label for label in labels if label in model.names])

    def _square(self, model: Model, card: Card, square: Square) -> list[Detection]:
        """ultralytics gives a box one class; the card's classes may share one (a microaneurysm is a haemorrhage too). So the network is
        run by ultralytics, and its raw output read as the shipped localizer reads it."""
        import torch

        with self._lock, torch.no_grad():
            raw = model.model.predictor.model(torch.from_numpy(square.pixels))
            self._limit_threads()
        first = raw[0] if isinstance(raw, list | tuple) else raw
        return detections_of(np.asarray(first, dtype=np.float32).reshape(first.shape[-2:]), square, card)

    def _whole(self, model: Model, pixels: Image) -> list[Detection]:
        array = np.ascontiguousarray(np.asarray(pixels.convert("RGB"))[:, :, ::-1])  # ultralytics takes arrays as OpenCV's BGR
        rows = self._predict(model, array)
        boxes = rows[:, :4] / np.array([pixels.width, pixels.height] * 2)
        return _detections(np.clip(boxes, 0, 1), rows, model.names)

    def _predict(self, model: Model, pixels: npt.NDArray[np.uint8]) -> Array:
        """n x 6: corners in pixels of the picture (height x width x 3, BGR), raw score, class."""
        most = MAX_BOXES * len(model.names)
        with self._lock:
            result = model.model.predict(pixels, conf=RAW_FLOOR, iou=OVERLAP, max_det=most, verbose=False, device="cpu", save=False)[0]
            self._limit_threads()
            return np.asarray(result.boxes.data.cpu().numpy(), dtype=np.float64).reshape(-1, 6)

    def _limit_threads(self) -> None:
        import torch

        if self._threads and torch.get_num_threads() != self._threads:  # ultralytics sets its own when it builds a predictor
            torch.set_num_threads(self._threads)

    def _load(self) -> Model:
        with self._lock:
            if self._loaded is None:
                self._loaded = load(self._weights)
            return self._loaded


def load(weights: Path) -> Model:
    """The model in `weights`, with the card beside it if there is one. Raises LocalizerError in one line."""
    if weights.suffix not in (".pt", ".onnx"):
        raise LocalizerError(f"{weights}: ultralytics reads detectors as .pt or .onnx")
    yolo = offline_ultralytics().YOLO
    if weights.suffix == ".onnx" and (weights == SHIPPED or weights.with_suffix(".json").exists()):
        card, content = checked_weights(weights)
        model = _opened(yolo, weights)
        return Model(model, tuple(one.name for one in card.classes), hashlib.sha256(content).hexdigest(), card)
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:  # asked here: ultralytics would look for a missing file on the network
        raise LocalizerError(f"{weights}: the detector's weights cannot be read ({error.strerror})") from error
    model = _opened(yolo, weights)
    if model.task != "detect":
        raise LocalizerError(f"{weights}: a model for {model.task!r}; a detector of boxes is needed")
    names = labels_of((str(name) for _, name in sorted(model.names.items())), str(weights))
    return Model(model, names, digest, None)


def _opened(yolo: Any, weights: Path) -> Any:
    """The model, asked once about a grey picture: what is wrong with a file shows there at the latest."""
    damage: tuple[type[Exception], ...] = (*DAMAGE, *onnx_errors())
    try:
        model = yolo(str(weights))
        model.predict(np.full((64, 64, 3), 114, np.uint8), verbose=False, device="cpu", save=False)
    except damage as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].encode("ascii", "ignore").decode()
        raise LocalizerError(f"{weights}: ultralytics cannot use it: {reason.removeprefix('ERROR ')[:240]}") from error
    return model


def _detections(boxes: Array, rows: Array, names: Sequence[str]) -> list[Detection]:
    """Boxes in fractions (n x 4) with their rows (n x 6), class by class, best first; one optic disc and one fovea. Scores stay raw."""
    found: list[Detection] = []
    for index, name in enumerate(names):
        chosen = np.flatnonzero(rows[:, 5] == index)
        chosen = chosen[np.argsort(-rows[chosen, 4], kind="stable")][: 1 if name in SINGLE else MAX_BOXES]
        for one in chosen:
            x1, y1, x2, y2 = (round(float(value), 5) for value in boxes[one])
            raw = float(rows[one, 4])
            if x2 > x1 and y2 > y1:
                found.append(Detection(name, raw, round(raw, 4), Box(x1=x1, y1=y1, x2=x2, y2=y2)))
    return found
