"""The shipped localizer: a small detector run by ONNX Runtime, with its card's thresholds."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from agent.errors import LocalizerError
from agent.imaging import Box
from tools.localizer.assembly import Detection, DetectorLocalizer
from tools.localizer.boxes import suppress
from tools.localizer.card import FOVEA, OPTIC_DISC, Card, load_card
from tools.localizer.preprocess import Square, square_of

if TYPE_CHECKING:
    from PIL.Image import Image

SHIPPED = Path(__file__).parent / "weights" / "fovea-localizer.onnx"
RAW_FLOOR = 0.001
"""Raw scores below this are noise: the detector gives some twenty thousand candidates."""
SINGLE = (OPTIC_DISC, FOVEA)
"""A photograph shows one of each at most."""
CANDIDATES = 1000
"""Candidates per class that enter non-maximum suppression, best first."""


class OnnxLocalizer(DetectorLocalizer):
    """The detector behind ONNX Runtime. `weights` None means the shipped ones; a card of the same name with .json lies beside them.

    Nothing is read before the first use. `threads` is what one run of the network may use, 0 one per physical core; any number of
    threads may call at once, sharing one session. Raises LocalizerError when weights or card are missing, damaged or do not fit.
    """

    def __init__(self, weights: Path | None = None, threads: int = 0, min_score: float | None = None) -> None:
        super().__init__(min_score)
        self._weights = weights or SHIPPED
        self._threads = threads
        self._lock = threading.Lock()
        self._own = threading.local()
        self._loaded: tuple[Card, Any] | None = None

    @property
    def identity(self) -> str:
        """The detector's name and the first twelve hexadecimal digits of its weights' sha256."""
        return f"{self.card.name} {self.card.sha256[:12]}"

    @property
    def card(self) -> Card:
        return self._load()[0]

    def detect(self, pixels: Image, field: Box | None = None) -> list[Detection]:
        side = self.card.image_size
        canvas: npt.NDArray[np.float32] | None = getattr(self._own, "canvas", None)
        if canvas is None:
            canvas = self._own.canvas = np.empty((3, side, side), dtype=np.float32)
        square = square_of(pixels, side, field, canvas)
        return self.postprocess(self.run(square), square)

    def threshold(self, name: str) -> float | None:
        return threshold_of(self.card, name)

    def image_level(self, detections: Sequence[Detection]) -> dict[str, float]:
        return image_level_of(self.card, detections)

    def preprocess(self, pixels: Image, field: Box | None = None) -> Square:
        """The square the network reads; `field` is the field of view, looked for when None."""
        return square_of(pixels, self.card.image_size, field)

    def run(self, square: Square) -> npt.NDArray[np.float32]:
        """The network's raw output, (4 + classes) x candidates: centre x, centre y, width, height in pixels of the square, scores."""
        _, session = self._load()
        try:
            output: npt.NDArray[np.float32] = session.run(None, {"images": square.pixels})[0][0]
        except onnx_errors() as error:  # memory that ran out, say
            raise LocalizerError(f"{self._weights}: ONNX Runtime failed on a photograph: {str(error).splitlines()[0]}") from error
        return output

    def postprocess(self, raw: npt.NDArray[np.float32], square: Square) -> list[Detection]:
        """The boxes in the network's raw output; see `detections_of`."""
        return detections_of(raw, square, self.card)

    def _load(self) -> tuple[Card, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._weights, self._threads)
            return self._loaded


def detections_of(raw: npt.NDArray[np.float32], square: Square, card: Card) -> list[Detection]:
    """From the network's raw output, (4 + classes) x candidates: all boxes above the noise floor after non-maximum suppression, class by
    class, best first; thresholds are not applied."""
    found: list[Detection] = []
    for index, one in enumerate(card.classes):
        scores = raw[4 + index]
        candidates = np.flatnonzero(scores > RAW_FLOOR)
        candidates = candidates[np.argsort(-scores[candidates], kind="stable")[:CANDIDATES]]
        centre, half = raw[:2, candidates].T, raw[2:4, candidates].T / 2
        boxes = to_photograph(np.hstack([centre - half, centre + half]), square)
        limit = 1 if one.name in SINGLE else card.max_boxes
        for kept in suppress(boxes, scores[candidates], card.overlap, limit):
            x1, y1, x2, y2 = (round(float(value), 5) for value in boxes[kept])
            score = float(scores[candidates[kept]])
            if x2 > x1 and y2 > y1:
                found.append(Detection(one.name, score, one.probability(score), Box(x1=x1, y1=y1, x2=x2, y2=y2)))
    return found


def to_photograph(corners: npt.NDArray[Any], square: Square) -> npt.NDArray[np.float64]:
    """n x 4 corners in pixels of the square -> in fractions of the photograph, inside the square's frame."""
    placed = np.asarray(corners, dtype=np.float64) * ((square.step_x, square.step_y) * 2) + (square.left, square.top) * 2
    return np.clip(placed, square.frame[:2] * 2, square.frame[2:] * 2)


def threshold_of(card: Card, name: str) -> float | None:
    """The score a class of the card is shown from; None for one that is not shown."""
    return next((one.threshold for one in card.classes if one.name == name and one.enabled), None)


def image_level_of(card: Card, detections: Sequence[Detection]) -> dict[str, float]:
    """The image level as the card fits it to the raw scores."""
    raws: dict[str, list[float]] = {}
    for one in detections:
        raws.setdefault(one.name, []).append(one.raw)
    return card.image_level(raws)


def _load(weights: Path, threads: int) -> tuple[Card, Any]:
    card, content = checked_weights(weights)
    session = _session(weights, content, threads)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    wanted = [1, 3, card.image_size, card.image_size], 4 + len(card.classes)
    if len(inputs) != 1 or inputs[0].name != "images" or inputs[0].shape != wanted[0] or outputs[0].shape[1:2] != [wanted[1]]:
        raise LocalizerError(
            f"{weights}: reads {[one.shape for one in inputs]} and gives {[one.shape for one in outputs]}; "
            f"its card promises {wanted[0]} and 1 x {wanted[1]} x candidates"
        )
    return card, session


def checked_weights(weights: Path) -> tuple[Card, bytes]:
    """The card beside the weights and their content. Raises LocalizerError when either is missing or the two do not belong together."""
    if weights.suffix == ".pt":
        raise LocalizerError(f"{weights}: a checkpoint of ultralytics: use --implementation ultralytics")
    if not weights.exists():
        raise LocalizerError(f"{weights}: the detector's weights cannot be read (no such file)")
    card = load_card(weights.with_suffix(".json"))
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise LocalizerError(f"{weights}: the detector's weights cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.sha256:
        raise LocalizerError(
            f"{weights}: damaged or replaced: sha256 begins {digest[:12]}, the card beside it says {card.sha256[:12]}"
        )
    return card, content


def onnx_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises on a file it cannot use."""
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    return (
        ort.InvalidProtobuf, ort.InvalidGraph, ort.InvalidArgument, ort.Fail, ort.NoModel, ort.NoSuchFile, ort.NotImplemented,
        ort.RuntimeException,
    )  # fmt: skip


def _session(weights: Path, content: bytes, threads: int) -> Any:
    # It would write a device identifier into the user's home when it is imported, before telemetry can be switched off by call.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # imported here: `fovea --help` must not pay for it
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to torch and Chroma
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except onnx_errors() as error:
        raise LocalizerError(f"{weights}: ONNX Runtime cannot use it: {str(error).splitlines()[0]}") from error
