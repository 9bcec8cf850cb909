"""Training batches made on the device: photographs turned, scaled, cut to other fields of view, mixed, with lesions moved from eye to eye.

Needs torch. Every step takes a `Sample` and gives a new one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tools.localizer.augment import DARK, imitate_camera
from tools.localizer.classes import HARD_EXUDATE, OPTIC_DISC, SOFT_EXUDATE
from tools.localizer.stores import Store

KEPT_SHARE = 0.45
"""A box that a cut leaves less of is neither asked for nor punished."""
SMALLEST_AREA = 4
"""Pixels."""
COARSE = 192


@dataclass(frozen=True, slots=True)
class Sample:
    """A batch on its way. `images` batch x 3 x side x side, 0 to 1; `boxes` batch x m x 4 corners, in fractions of the store's square
    until `transform`, then in pixels and not clipped; `classes` batch x m, -1 for padding; `faint` batch x m; `known` batch x classes;
    `whole`: each box's area before anything was cut; `visible` 0 or 1: whether its centre lies inside the aperture."""

    images: Tensor
    boxes: Tensor
    classes: Tensor
    faint: Tensor
    known: Tensor
    whole: Tensor
    visible: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """`images` batch x 3 x side x side, 0 to 1; `boxes` corners in pixels, `classes` -1 for padding; `ignored` as boxes of places where
    a class is neither claimed nor denied; `known` as in `Store`."""

    images: Tensor
    boxes: Tensor
    classes: Tensor
    ignored: Tensor
    ignored_classes: Tensor
    known: Tensor


def draw_batch(store: Store, rows: Tensor, side: int, generator: Generator, *, cameras: bool = True, donors: Tensor | None = None) -> Batch:
    """The photographs `rows` of the store, altered anew. `donors`: rows whose lesions may be moved onto others of the batch."""
    unset = torch.ones(store.classes[rows].shape, device=store.boxes.device)
    sample = Sample(
        store.images[rows].float() / 255, store.boxes[rows], store.classes[rows], store.faint[rows], store.known[rows], unset, unset
    )  # fmt: skip
    if donors is not None and donors.numel():
        sample = transplant(sample, store, donors, generator)
    sample = collage(aperture(transform(sample, side, generator), generator), generator)
    boxes = sample.boxes.clamp(0, side)
    share = area(boxes) / sample.whole.clamp(min=1e-6) * sample.visible
    present = (sample.classes >= 0) & (area(boxes) > SMALLEST_AREA)
    asked = present & (share >= KEPT_SHARE) & ~sample.faint
    images = imitate_camera(sample.images, generator) if cameras else sample.images
    spared = present & ~asked
    return Batch(
        images,
        torch.where(asked[..., None], boxes, 0.0), torch.where(asked, sample.classes, -1.0),
        torch.where(spared[..., None], boxes, 0.0), torch.where(spared, sample.classes, -1.0),
        sample.known,
    )  # fmt: skip


def transform(sample: Sample, side: int, generator: Generator) -> Sample:
    """Turns by any angle, mirrors, scales (0.45 to 2) and shifts, to pictures of `side` pixels. A lesion is taken for the ellipse in its
    box, so that turning does not blow the box up."""
    batch, device = sample.images.shape[0], sample.images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, device=device, generator=generator) * (high - low) + low

    angle = torch.where(uniform(0, 1) < 0.5, uniform(-0.25, 0.25), uniform(-math.pi, math.pi))
    scale = torch.exp(0.32 * torch.randn(batch, device=device, generator=generator)).clamp(0.45, 2.0)
    stretch = torch.exp(0.05 * torch.randn(batch, device=device, generator=generator))
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    room = 0.10 + (1 - 1 / scale).clamp(min=0)
    shift = torch.stack([uniform(-1, 1), uniform(-1, 1)], dim=1) * room[:, None]
    cos, sin = torch.cos(angle), torch.sin(angle)
    # from a point of the new picture to its point in the old one, both in -1..1
    matrix = torch.stack([torch.stack([cos * flip, -sin], 1), torch.stack([sin * flip, cos], 1)], 1)
    matrix = matrix / (scale[:, None, None] * torch.stack([stretch, 1 / stretch], 1)[:, None, :])
    grid = F.affine_grid(torch.cat([matrix, shift[:, :, None]], 2), [batch, 3, side, side], align_corners=False)
    images = F.grid_sample(sample.images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    back = torch.linalg.inv(matrix)
    centre = (sample.boxes[..., :2] + sample.boxes[..., 2:]) - 1
    half = sample.boxes[..., 2:] - sample.boxes[..., :2]
    moved = (centre - shift[:, None]) @ back.transpose(1, 2)
    reach = ((back[:, None] * half[:, :, None, :]) ** 2).sum(-1).sqrt()
    boxes = torch.cat([moved - reach, moved + reach], -1).add(1).mul(side / 2)
    return replace(sample, images=images, boxes=boxes, whole=area(boxes))


def aperture(sample: Sample, generator: Generator) -> Sample:
    """Cuts half of the pictures to another field of view: a smaller circle, perhaps cut straight above and below."""
    batch, side, device = sample.images.shape[0], sample.images.shape[-1], sample.images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, 1, 1, device=device, generator=generator) * (high - low) + low

    ramp = torch.linspace(-1, 1, side, device=device)
    use = uniform(0, 1) < 0.5
    cx, cy, radius = uniform(-0.08, 0.08), uniform(-0.08, 0.08), torch.where(use, uniform(0.78, 1.1), 9.0)
    straight = torch.where(use & (uniform(0, 1) < 0.4), uniform(0.7, 0.98), 9.0)
    away = ((ramp[None, None, :] - cx) ** 2 + (ramp[None, :, None] - cy) ** 2).sqrt()
    mask = ((radius - away) * side / 4).clamp(0, 1) * ((straight - (ramp[None, :, None] - cy).abs()) * side / 4).clamp(0, 1)
    x, y = ((sample.boxes[..., :2] + sample.boxes[..., 2:]) / side - 1).unbind(-1)
    far = ((x - cx[:, 0]) ** 2 + (y - cy[:, 0]) ** 2).sqrt()
    visible = (far < radius[:, 0] - 0.01) & ((y - cy[:, 0]).abs() < straight[:, 0])
    return replace(sample, images=sample.images * mask[:, None], visible=visible.float())


def collage(sample: Sample, generator: Generator, share: float = 0.25) -> Sample:
    """Replaces a share of the pictures by parts of two neighbours of the batch, so that a lesion is learnt apart from its eye. Where the
    two know different classes, the collage knows what both know."""
    images, boxes = sample.images, sample.boxes
    batch, side, device = images.shape[0], images.shape[-1], images.device
    chosen = torch.rand(batch, device=device, generator=generator) < share
    upright = torch.rand(batch, device=device, generator=generator) < 0.5
    at = torch.rand(batch, device=device, generator=generator) * 0.4 + 0.3
    ramp = (torch.arange(side, device=device) + 0.5) / side
    first = torch.where(upright[:, None, None], ramp[None, None, :], ramp[None, :, None]) < at[:, None, None]
    first = first | ~chosen[:, None, None]
    other = torch.roll(torch.arange(batch, device=device), 1)
    one, two = _cut(boxes, upright, at * side, lower=True), _cut(boxes[other], upright, at * side, lower=False)
    used = chosen[:, None].expand(-1, boxes.shape[1])

    def both(values: Tensor) -> Tensor:
        return torch.cat([values, values[other]], 1)

    return Sample(
        torch.where(first[:, None], images, images[other]),
        torch.cat([torch.where(chosen[:, None, None], one, boxes), torch.where(used[..., None], two, 0.0)], 1),
        torch.cat([sample.classes, torch.where(used, sample.classes[other], -1.0)], 1),
        both(sample.faint),
        torch.where(chosen[:, None], torch.minimum(sample.known, sample.known[other]), sample.known),
        both(sample.whole),
        both(sample.visible),
    )


def _cut(boxes: Tensor, upright: Tensor, at: Tensor, *, lower: bool) -> Tensor:
    """Boxes clipped to one side of a line, `at` pixels from the left (`upright`) or from above."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    line, across = at[:, None], upright[:, None]
    if lower:
        return torch.stack([x1, y1, torch.where(across, x2.minimum(line), x2), torch.where(across, y2, y2.minimum(line))], -1)
    return torch.stack([torch.where(across, x1.maximum(line), x1), torch.where(across, y1, y1.maximum(line)), x2, y2], -1)


def transplant(sample: Sample, store: Store, donors: Tensor, generator: Generator, share: float = 0.25) -> Sample:
    """Lays lesions of donor photographs over a share of the pictures: what a lesion adds to its surroundings is added to the new ones."""
    x, batch, side = sample.images, sample.images.shape[0], sample.images.shape[-1]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, device=x.device, generator=generator)

    source = donors[torch.randint(len(donors), (batch,), device=x.device, generator=generator)]
    given, labels = store.boxes[source], store.classes[source]
    centre = (given[..., :2] + given[..., 2:]) / 2
    lesion = (labels >= HARD_EXUDATE) & (labels <= SOFT_EXUDATE)
    picked = lesion & (uniform(*labels.shape) < uniform(batch, 1)) & (uniform(batch, 1) < share)
    picked &= _free(sample, centre)
    mask = _blots(given, centre, picked, side)
    donor = store.images[source].float() / 255
    surround = F.avg_pool2d(F.avg_pool2d(donor, 16), 5, 1, 2, count_include_pad=False)
    surround = F.interpolate(surround, size=(side, side), mode="bilinear")
    level = (x.mean((2, 3), keepdim=True) / donor.mean((2, 3), keepdim=True).clamp(min=0.02)).clamp(0.5, 1.6)
    images = (x + mask * (donor - surround) * level * (uniform(batch, 1, 1, 1) * 0.6 + 0.6)).clamp(0, 1)
    # the new boxes take the places of padding
    classes = torch.cat([sample.classes, torch.where(picked, labels, -1.0)], 1)
    order = torch.argsort((classes < 0).float(), dim=1, stable=True)[:, : labels.shape[1]]
    boxes = torch.gather(torch.cat([sample.boxes, given], 1), 1, order[..., None].expand(-1, -1, 4))
    faint = torch.gather(torch.cat([sample.faint, store.faint[source]], 1), 1, order)
    return replace(sample, images=images, boxes=boxes, classes=torch.gather(classes, 1, order), faint=faint)


def _free(sample: Sample, points: Tensor) -> Tensor:
    """Which points (batch x m x 2, fractions) lie on lit retina and off the disc."""
    disc = torch.where((sample.classes == OPTIC_DISC)[..., None], sample.boxes, 0.0).amax(1)
    on_disc = ((points > disc[:, None, :2] - 0.02) & (points < disc[:, None, 2:] + 0.02)).all(-1)
    lit = F.avg_pool2d((sample.images.amax(1, keepdim=True) > DARK).float(), 16)
    there = F.grid_sample(lit, (points * 2 - 1)[:, None], align_corners=False)[:, 0, 0]
    return ~on_disc & (there > 0.9)


def _blots(boxes: Tensor, centre: Tensor, picked: Tensor, side: int) -> Tensor:
    """Soft ellipses over the picked boxes: batch x 1 x side x side, 0 to 1."""
    rows = picked.any(dim=1).nonzero().flatten()
    ramp = (torch.arange(COARSE, device=boxes.device) + 0.5) / COARSE
    half, middle = ((boxes[rows, :, 2:] - boxes[rows, :, :2]) / 2).clamp(min=1e-4), centre[rows]
    across = ((ramp - middle[..., :1]) / half[..., :1]) ** 2
    down = ((ramp - middle[..., 1:]) / half[..., 1:]) ** 2
    away = (across[:, :, None, :] + down[:, :, :, None]).sqrt()
    blots = (((1.35 - away) / 0.35).clamp(0, 1) * picked[rows][..., None, None]).amax(dim=1)
    mask = torch.zeros(boxes.shape[0], COARSE, COARSE, device=boxes.device).index_copy(0, rows, blots)
    return F.interpolate(mask[:, None], size=(side, side), mode="bilinear", align_corners=False)


def area(boxes: Tensor) -> Tensor:
    """Of boxes given by their corners; 0 where they are turned inside out."""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)
