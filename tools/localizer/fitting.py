"""One training run: batches in, weights out. Needs torch and ultralytics, and a GPU to be quick."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tools.localizer.classes import CLASSES, FOVEA, OPTIC_DISC
from tools.localizer.losses import criterion, inside
from tools.localizer.network import Network
from tools.localizer.sampling import Batch, draw_batch
from tools.localizer.stores import Store


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained. `drawn_share`: of a batch, once the start-up on drawn pictures alone is over; `start_up`: its share of all
    steps; `lenient`: how much of the punishment unassigned candidates inside a drawn lesion of their class are spared (0 to 1); `cameras`:
    imitate other cameras; `transplant`: move lesions from eye to eye; `contrast`: the network sees local contrast beside the colours."""

    architecture: str = "yolo26n"
    side: int = 1024
    batch: int = 16
    rate: float = 1.5e-3
    decay: float = 0.03
    drawn_share: float = 0.35
    start_up: float = 0.15
    lenient: float = 0.5
    cameras: bool = True
    transplant: bool = True
    contrast: bool = True
    memory: float = 0.9985
    seed: int = 0


class Average:
    """The exponential moving average of a network's weights, which is what is kept."""

    def __init__(self, network: Network, memory: float) -> None:
        self.network, self.memory, self.steps = deepcopy(network).eval(), memory, 0
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        names = [name for name, value in network.state_dict().items() if value.dtype.is_floating_point]
        self._old = [self.network.state_dict()[name] for name in names]
        self._new = [network.state_dict()[name].detach() for name in names]  # the same memory for the whole training

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        keep = self.memory * (1 - math.exp(-self.steps / 300))
        torch._foreach_lerp_(self._old, self._new, 1 - keep)


def fit(
    recipe: Recipe,
    real: Store,
    drawn: Store | None,
    device: torch.device,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    start: Network | None = None,
    report: Callable[[str], None] = print,
) -> Network:
    """Trains until `steps` or `seconds` are over and returns the averaged network, in evaluation mode. Raises ValueError when neither
    limit is given."""
    if steps is None and seconds is None:
        raise ValueError("give steps, seconds, or both")
    torch.manual_seed(recipe.seed)
    generator = torch.Generator(device=device)
    generator.manual_seed(recipe.seed)
    network = (deepcopy(start) if start is not None else Network(recipe.architecture, len(CLASSES), recipe.contrast)).to(device)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network.train()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = criterion(network)
    optimizer = torch.optim.AdamW(_groups(network, recipe.decay), lr=recipe.rate, betas=(0.9, 0.99))
    average = Average(network, recipe.memory)
    donors = real.has_lesion.nonzero().flatten() if recipe.transplant else None
    shown = torch.where(real.has_lesion, 1.4, 1.0), drawn.weights if drawn is not None else None
    begun, step, sums = time.monotonic(), 0, torch.zeros(3, device=device)
    while True:
        gone = max(step / steps if steps else 0.0, (time.monotonic() - begun) / seconds if seconds else 0.0)
        if gone >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * _schedule(gone)
        batch = _mixed(recipe, gone, real, drawn, shown, donors, generator)
        with _precision(device):
            predictions = network(batch.images.contiguous(memory_format=torch.channels_last))
        total, parts = _loss(loss, predictions, batch, recipe)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total.sum() / recipe.batch * 4)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        average.update()
        if step == 2:  # the first steps load and choose kernels
            begun = time.monotonic()
        sums += torch.stack(list(parts.values()))
        step += 1
        if step % 200 == 0:
            report(f"step {step} {gone:.0%} box {sums[0] / 200:.3f} class {sums[1] / 200:.3f} {time.monotonic() - begun:.0f} s")
            sums.zero_()
    report(f"{step} steps of {recipe.batch} in {time.monotonic() - begun:.0f} s")
    return average.network


def _mixed(
    recipe: Recipe,
    gone: float,
    real: Store,
    drawn: Store | None,
    weights: tuple[Tensor, Tensor | None],
    donors: Tensor | None,
    generator: torch.Generator,
) -> Batch:
    """Photographs and drawn pictures in the share that is due, each drawn by its weight: (photographs', drawn pictures')."""
    share = 0.0 if drawn is None else (1.0 if gone < recipe.start_up else recipe.drawn_share)
    count = round(recipe.batch * share)
    parts = []
    if count < recipe.batch:
        rows = torch.multinomial(weights[0], recipe.batch - count, replacement=True, generator=generator)
        parts.append(draw_batch(real, rows, recipe.side, generator, cameras=recipe.cameras, donors=donors))
    if count:
        assert drawn is not None
        assert weights[1] is not None
        rows = torch.multinomial(weights[1], count, replacement=True, generator=generator)
        parts.append(draw_batch(drawn, rows, recipe.side, generator, cameras=recipe.cameras))
    if len(parts) == 1:
        return parts[0]
    names = ("images", "boxes", "classes", "ignored", "ignored_classes", "known")
    return Batch(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def _loss(loss: Any, predictions: dict[str, Any], batch: Batch, recipe: Recipe) -> tuple[Tensor, dict[str, Tensor]]:
    predictions = {key: [f.float() for f in value] if isinstance(value, list) else value.float() for key, value in predictions.items()}
    side = batch.images.shape[-1]
    rows, columns = (batch.classes >= 0).nonzero(as_tuple=True)
    corners = batch.boxes[rows, columns] / side
    centres = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
    strides = [side / feature.shape[-1] for feature in predictions["feats"]]
    points = torch.cat([_centres(feature.shape[-1], stride, side, batch.images.device) for feature, stride in
                        zip(predictions["feats"], strides, strict=True)])  # fmt: skip
    ignored = inside(points, batch.ignored, batch.ignored_classes, len(CLASSES))
    if recipe.lenient:
        lesions = torch.where((batch.classes > OPTIC_DISC) & (batch.classes < FOVEA), batch.classes, -1.0)
        boxes = torch.where((lesions >= 0)[..., None], batch.boxes, 0.0)
        ignored = torch.maximum(ignored, recipe.lenient * inside(points, boxes, lesions, len(CLASSES)))
    loss.bce.known, loss.bce.ignored = batch.known[:, None], ignored
    total, parts = loss(predictions, {"batch_idx": rows.float(), "cls": batch.classes[rows, columns], "bboxes": centres})
    return total, parts


def _centres(cells: int, stride: float, side: int, device: torch.device) -> Tensor:
    ramp = (torch.arange(cells, device=device) + 0.5) * stride
    y, x = torch.meshgrid(ramp, ramp, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2).clamp(max=side)


def _schedule(gone: float) -> float:
    return min(1.0, gone / 0.04 + 0.02) * (0.02 + 0.98 * (1 + math.cos(math.pi * gone)) / 2)


def _groups(network: Network, decay: float) -> list[dict[str, Any]]:
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _precision(device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()
