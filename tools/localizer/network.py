"""The detector's network: a YOLO from its configuration file behind a layer that takes the camera out of the picture.

Needs torch and ultralytics.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tools.localizer.augment import DARK
from tools.localizer.offline import offline_ultralytics

CELLS = 32
"""The local mean is taken over 3 x 3 cells of a grid of so many along each side: about three quarters of an optic disc's width."""
GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}


class LocalContrast(nn.Module):
    """Batch x 3 x side x side, 0 to 1 -> batch x 6 x side x side: the colours as they are, and their contrast to the surroundings.

    The contrast is (pixel - local mean) / spread over the field, channel by channel: flat illumination, tint and exposure of a camera
    cancel, lesions stay. The idea is the background subtraction of B. Graham's winning entry to the Kaggle diabetic retinopathy
    competition (2015). Pixels of the black surround stay 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        lit = (x.amax(dim=1, keepdim=True) > DARK).to(x.dtype)
        cell = x.shape[-1] // CELLS
        share, total, squares = F.avg_pool2d(lit, cell), F.avg_pool2d(x * lit, cell), F.avg_pool2d(x * x * lit, cell)
        mean = total / (share + 1e-3)
        spread = (squares - mean * total).clamp(min=0).mean(dim=(2, 3), keepdim=True) / (share.mean(dim=(2, 3), keepdim=True) + 1e-3)
        smooth = F.avg_pool2d(total, 3, stride=1, padding=1) / (F.avg_pool2d(share, 3, stride=1, padding=1) + 1e-3)
        local = F.interpolate(smooth, size=x.shape[-2:], mode="bilinear", align_corners=False)
        contrast = (x - local) / (2 * (spread + 1e-4).sqrt() + 0.02)
        return torch.cat([x, contrast.clamp(-3, 3) * lit], dim=1)


class Network(nn.Module):
    """Pixels in (batch x 3 x side x side, RGB, 0 to 1); in training the raw predictions ultralytics' loss takes, otherwise
    batch x (4 + classes) x candidates: centre x, centre y, width, height in pixels, then one probability per class."""

    def __init__(self, architecture: str, classes: int, contrast: bool = True) -> None:
        super().__init__()
        offline_ultralytics()
        from ultralytics.nn.tasks import DetectionModel, yaml_model_load

        configuration = yaml_model_load(f"{architecture}.yaml") | {"end2end": False}
        self.contrast: nn.Module = LocalContrast() if contrast else nn.Identity()
        self.yolo: Any = DetectionModel(configuration, ch=6 if contrast else 3, nc=classes, verbose=False)
        self.yolo.args = SimpleNamespace(**GAINS)

    def forward(self, x: Tensor) -> Any:
        out = self.yolo(self.contrast(x))
        return out[0] if isinstance(out, tuple) else out
