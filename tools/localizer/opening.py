"""The localizers by name. Each is imported when it is asked for: ultralytics takes torch along."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tools.localizer.assembly import DetectorLocalizer
from tools.localizer.batch import cores

Implementation = Literal["onnx", "ultralytics"]


def open_localizer(
    implementation: Implementation = "onnx",
    weights: Path | None = None,
    threads: int = 0,
    min_score: float | None = None,
    callers: int = 1,
) -> DetectorLocalizer:
    """The localizer of that name; `weights` None means the shipped ones. Raises LocalizerError when it is used without its extra.

    `threads` is what one look may use; 0 shares the cores among the threads that will call at once, `callers`: ONNX Runtime answers them
    all together, ultralytics one after another.
    """
    if implementation == "ultralytics":
        from tools.localizer.ultralytics_localizer import UltralyticsLocalizer

        return UltralyticsLocalizer(weights, threads, min_score)
    from tools.localizer.detector import OnnxLocalizer

    return OnnxLocalizer(weights, threads or (0 if callers == 1 else max(1, cores() // callers)), min_score)
