"""ultralytics, kept to itself. Comes with the extra `train` (AGPL-3.0)."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from agent.errors import LocalizerError


@cache
def offline_ultralytics() -> Any:
    """The package, kept from phoning, installing, fetching a font and printing. Raises LocalizerError without the extra."""
    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="fovea-ultralytics-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["YOLO_CONFIG_DIR"] = folder
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import matplotlib  # comes with the extra
        import onnx  # noqa: F401  # so that its absence is told here too
        import ultralytics
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision built for another torch
        reason = str(error).splitlines()[0]
        raise LocalizerError(f"ultralytics cannot be imported ({reason}): pip install 'fovea[train]'") from error
    fonts = Path(os.environ["YOLO_CONFIG_DIR"]) / "Ultralytics"
    fonts.mkdir(parents=True, exist_ok=True)
    if not (fonts / "Arial.ttf").exists():
        shutil.copy(Path(matplotlib.__file__).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf", fonts / "Arial.ttf")
    ultralytics.settings.update({"sync": False})
    ultralytics.utils.LOGGER.setLevel(logging.CRITICAL)  # it speaks on standard output
    return ultralytics
