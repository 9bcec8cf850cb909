"""Detection loss for labels that are known in part: which classes a photograph's graders looked for, and where a label may be missing."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tools.localizer.classes import HAEMORRHAGE, MICROANEURYSM


class PartialLabels(nn.Module):
    """Stands in for the element-wise binary cross entropy of ultralytics' detection loss.

    Before each call `known` (batch x 1 x classes, 0 or 1) says which classes a picture is labelled for, and `ignored`
    (batch x candidates x classes, 0 or 1) where a class is neither claimed nor denied. A candidate that was assigned a box counts for
    every class of a real label and the drawn ones; a microaneurysm is a haemorrhage too, as in the real labels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: Tensor | None = None
        self.ignored: Tensor | None = None

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        assert self.known is not None
        assert self.ignored is not None
        target = target.clone()
        small = target[..., MICROANEURYSM]
        target[..., HAEMORRHAGE] = torch.maximum(target[..., HAEMORRHAGE], small)
        assigned = target.amax(dim=-1, keepdim=True) > 0
        claimed = target > 0
        counted = torch.where(assigned, torch.maximum(self.known, assigned.float()), self.known * (1 - self.ignored))
        # what a grader drew as a haemorrhage may be a microaneurysm: the real labels do not tell
        untold = assigned[..., 0] & (self.known[..., MICROANEURYSM] == 0) & (target[..., HAEMORRHAGE] > 0)
        counted[..., MICROANEURYSM] = torch.where(untold & ~claimed[..., MICROANEURYSM], 0.0, counted[..., MICROANEURYSM])
        return F.binary_cross_entropy_with_logits(scores, target, reduction="none") * counted


def inside(points: Tensor, boxes: Tensor, classes: Tensor, count: int) -> Tensor:
    """Which points lie in a box of which class: batch x points x `count`, 0 or 1.

    `points` n x 2, `boxes` batch x m x 4 corners in the same unit (padding: empty boxes), `classes` batch x m.
    """
    if boxes.shape[1] == 0:
        return torch.zeros(boxes.shape[0], points.shape[0], count, device=points.device)
    x, y = points[None, None, :, 0], points[None, None, :, 1]
    within = (x > boxes[..., 0:1]) & (x < boxes[..., 2:3]) & (y > boxes[..., 1:2]) & (y < boxes[..., 3:4])
    onehot = F.one_hot(classes.long().clamp(min=0), count).float()
    return (torch.einsum("bma,bmc->bac", within.float(), onehot) > 0).float()


def criterion(network: Any) -> Any:
    """ultralytics' detection loss for the network's one-to-many head, with `PartialLabels` as its classification part (`.bce`)."""
    from ultralytics.utils.loss import v8DetectionLoss

    loss = v8DetectionLoss(network.yolo, tal_topk=10)
    loss.bce = PartialLabels()
    return loss
