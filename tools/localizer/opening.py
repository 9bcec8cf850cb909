"""The localizers by name. Each is imported when it is asked for: ultralytics takes torch along."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tools.localizer.assembly import DetectorLocalizer

Implementation = Literal["onnx", "ultralytics"]


def open_localizer(
    implementation: Implementation = "onnx", weights: Path | None = None, threads: int = 0, min_score: float | None = None
) -> DetectorLocalizer:
    """The localizer of that name; `weights` None means the shipped ones. Raises LocalizerError when its extra is not installed."""
    if implementation == "ultralytics":
        from tools.localizer.ultralytics_localizer import UltralyticsLocalizer

        return UltralyticsLocalizer(weights, threads, min_score)
    from tools.localizer.detector import OnnxLocalizer

    return OnnxLocalizer(weights, threads, min_score)
