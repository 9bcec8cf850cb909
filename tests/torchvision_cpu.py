"""Lets torchvision be imported beside a torch built for CPU, for the tests of the ultralytics localizer.

The package index holds torchvision built for CUDA: beside CPU torch its compiled operators do not load, `import torchvision` fails, and
ultralytics with it. Its Python side needs the operators to be declared and, of them, one to work: `nms`. Where torchvision loads as it
is, nothing happens here.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tools.localizer.boxes import suppress

_KEPT: list[Any] = []
"""Operators live as long as the library object that declared them."""


def importable() -> bool:
    """Makes torchvision importable if it can be, and says whether ultralytics then is."""
    if any(importlib.util.find_spec(name) is None for name in ("ultralytics", "torchvision", "onnx", "matplotlib")):
        return False
    if "torchvision" not in sys.modules and not _loads():
        _declare()
    return True


def _loads() -> bool:
    import torch

    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    libraries = list(Path(spec.origin).parent.glob("_C*.so"))
    if torch.version.cuda or not libraries:
        return True
    try:
        torch.ops.load_library(str(libraries[0]))
    except OSError:
        return False
    return True


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

    def nms(boxes: torch.Tensor, scores: torch.Tensor, overlap: float) -> torch.Tensor:
        return torch.as_tensor(suppress(_plain(boxes), _plain(scores), overlap, len(scores) + 1), dtype=torch.int64)

    library.impl("nms", nms, "CPU")
    _KEPT.append(library)
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True


def _plain(tensor: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
