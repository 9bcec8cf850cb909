"""The shipped localizer: a small detector run by ONNX Runtime, with its card's thresholds and the anatomy around it."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from agent.domain import Box, ImageFindings, ImageRef
from agent.errors import LocalizerError
from tools.localizer import anatomy
from tools.localizer.boxes import suppress
from tools.localizer.card import LESIONS, OPTIC_DISC, Card, load_card
from tools.localizer.preprocess import Square, square_of
from tools.quality import judge

if TYPE_CHECKING:
    from PIL.Image import Image

SHIPPED = Path(__file__).parent / "weights" / "fovea-localizer.onnx"
RAW_FLOOR = 0.001
"""Raw scores below this are noise: the detector gives some twenty thousand candidates."""
CANDIDATES = 1000
"""Candidates per class that enter non-maximum suppression, best first."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One box with its class name and both scores: as the network gave it, and as the card's fit reads it."""

    name: str
    raw: float
    score: float
    box: Box


class OnnxLocalizer:
    """Implements the `Localizer` port. `weights` None means the shipped ones; a card of the same name with .json lies beside them.

    Nothing is read before the first use. `threads` 0 means one per physical core. Raises LocalizerError when weights or card are
    missing, damaged or do not fit each other.
    """

    def __init__(self, weights: Path | None = None, threads: int = 0) -> None:
        self._weights = weights or SHIPPED
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Card, Any] | None = None

    @property
    def identity(self) -> str:
        """The detector's name and the first twelve hexadecimal digits of its weights' sha256."""
        return f"{self.card.name} {self.card.sha256[:12]}"

    @property
    def card(self) -> Card:
        return self._load()[0]

    def localize(self, image: ImageRef, pixels: Image) -> ImageFindings:
        """Anatomy and lesions of one photograph; see the port. On an ungradable photograph only the disc is reported."""
        judgement = judge(pixels)
        if judgement.modality != "cfp":
            note = f"{judgement.note}; the localizer reads colour fundus photographs only"
            return ImageFindings(
                image=image, modality=judgement.modality, gradability=judgement.gradability, laterality=image.laterality, note=note
            )
        square = self.preprocess(pixels, judgement.field_of_view)
        detections = self.postprocess(self.run(square), square)
        disc = max((one for one in detections if one.name == OPTIC_DISC), key=lambda one: one.score, default=None)
        if disc is not None and disc.score < self._threshold(OPTIC_DISC):
            disc = None
        retina = anatomy.landmarks(
            image.width,
            image.height,
            judgement.field_of_view,
            disc.box if disc else None,
            disc.score if disc else 0.0,
            image.laterality,
        )
        ungradable = judgement.gradability.status == "ungradable"
        shown = [one for one in detections if one.name in LESIONS and one.score >= self._threshold(one.name) and not ungradable]
        lesions = anatomy.place([anatomy.Found(LESIONS[one.name], one.score, one.box) for one in shown], retina)
        return ImageFindings(
            image=image,
            modality="cfp",
            gradability=judgement.gradability,
            field_of_view=judgement.field_of_view,
            optic_disc=disc.box if disc else None,
            optic_disc_score=disc.score if disc else None,
            fovea=retina.fovea,
            laterality=retina.laterality,
            lesions=lesions,
            counts=anatomy.counts(lesions),
            image_level={} if ungradable else self._image_level(detections),
            note=_note(judgement.note, judgement.gradability.reasons, ungradable, disc is not None),
        )

    def preprocess(self, pixels: Image, field: Box | None = None) -> Square:
        """The square the network reads; `field` is the field of view, looked for when None."""
        return square_of(pixels, self.card.image_size, field)

    def run(self, square: Square) -> npt.NDArray[np.float32]:
        """The network's raw output, (4 + classes) x candidates: centre x, centre y, width, height in pixels of the square, scores."""
        _, session = self._load()
        output: npt.NDArray[np.float32] = session.run(None, {"images": square.pixels})[0][0]
        return output

    def postprocess(self, raw: npt.NDArray[np.float32], square: Square) -> list[Detection]:
        """All boxes above the noise floor after non-maximum suppression, class by class, best first; thresholds are not applied."""
        card = self.card
        found: list[Detection] = []
        for index, one in enumerate(card.classes):
            scores = raw[4 + index]
            candidates = np.flatnonzero(scores > RAW_FLOOR)
            candidates = candidates[np.argsort(-scores[candidates], kind="stable")[:CANDIDATES]]
            boxes = _to_photograph(raw[:4, candidates], square)
            limit = 1 if one.name == OPTIC_DISC else card.max_boxes
            for kept in suppress(boxes, scores[candidates], card.overlap, limit):
                x1, y1, x2, y2 = (round(float(value), 5) for value in boxes[kept])
                score = float(scores[candidates[kept]])
                if x2 > x1 and y2 > y1:
                    found.append(Detection(one.name, score, one.probability(score), Box(x1=x1, y1=y1, x2=x2, y2=y2)))
        return found

    def _threshold(self, name: str) -> float:
        return next(one.threshold for one in self.card.classes if one.name == name)

    def _image_level(self, detections: list[Detection]) -> dict[str, float]:
        names = [one.name for one in self.card.classes if one.name in LESIONS]
        return {LESIONS[name]: max((one.score for one in detections if one.name == name), default=0.0) for name in names}

    def _load(self) -> tuple[Card, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._weights, self._threads)
            return self._loaded


def _to_photograph(boxes: npt.NDArray[np.float32], square: Square) -> npt.NDArray[np.float64]:
    """4 x n centre, width, height in pixels of the square -> n x 4 corners in fractions of the photograph, inside the square's frame."""
    cx, cy, half_w, half_h = boxes[0], boxes[1], boxes[2] / 2, boxes[3] / 2
    corners = np.stack([cx - half_w, cy - half_h, cx + half_w, cy + half_h], axis=1).astype(np.float64)
    corners[:, [0, 2]] = np.clip(square.left + corners[:, [0, 2]] * square.step_x, square.frame[0], square.frame[2])
    corners[:, [1, 3]] = np.clip(square.top + corners[:, [1, 3]] * square.step_y, square.frame[1], square.frame[3])
    return corners


def _note(judged: str, reasons: tuple[str, ...], ungradable: bool, disc: bool) -> str:
    parts = [judged, *(reason for reason in reasons if reason not in judged)]
    if ungradable:
        parts.append("lesions are not reported on an ungradable photograph")
    if not disc:
        parts.append("no optic disc found, so nothing is measured in disc diameters")
    return "; ".join(part for part in parts if part)


def _load(weights: Path, threads: int) -> tuple[Card, Any]:
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
    session = _session(weights, content, threads)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    wanted = [1, 3, card.image_size, card.image_size], 4 + len(card.classes)
    if len(inputs) != 1 or inputs[0].name != "images" or inputs[0].shape != wanted[0] or outputs[0].shape[1:2] != [wanted[1]]:
        raise LocalizerError(
            f"{weights}: reads {[one.shape for one in inputs]} and gives {[one.shape for one in outputs]}; "
            f"its card promises {wanted[0]} and 1 x {wanted[1]} x candidates"
        )
    return card, session


def _session(weights: Path, content: bytes, threads: int) -> Any:
    # It would write a device identifier into the user's home when it is imported, before telemetry can be switched off by call.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # imported here: `fovea --help` must not pay for it
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to torch and Chroma
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (ort.InvalidProtobuf, ort.InvalidGraph, ort.InvalidArgument, ort.Fail, ort.NotImplemented, ort.RuntimeException) as error:
        raise LocalizerError(f"{weights}: ONNX Runtime cannot use it: {str(error).splitlines()[0]}") from error
