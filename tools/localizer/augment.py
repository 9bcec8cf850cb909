"""Imitates other fundus cameras and other eyes on batches of training photographs, on the device the batch lies on. Needs torch.

Every function takes and returns batch x 3 x side x side, RGB, 0 to 1, and draws its random numbers from the generator it is given.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

DARK = 0.06
"""Below this in every channel a pixel belongs to the black surround, not to the retina."""
LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)
"""The luminance quantisation table of the JPEG standard (ITU-T T.81, annex K); chrominance is imitated by halving its resolution."""


class Dice:
    """Random numbers of one batch: `uniform` and `normal` give batch x 1 x 1 x 1 (or more channels), `chance` the same as 0 or 1."""

    def __init__(self, batch: int, device: torch.device, generator: Generator) -> None:
        self.batch, self.device, self.generator = batch, device, generator

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        return torch.rand(self.batch, channels, 1, 1, device=self.device, generator=self.generator) * (high - low) + low

    def normal(self, spread: float, channels: int = 1) -> Tensor:
        return torch.randn(self.batch, channels, 1, 1, device=self.device, generator=self.generator) * spread

    def chance(self, share: float) -> Tensor:
        return (self.uniform(0, 1) < share).float()

    def field(self, cells: int, side: int) -> Tensor:
        """Smooth noise of unit spread, about `cells` blotches along each side: batch x 1 x side x side."""
        coarse = torch.randn(self.batch, 1, cells, cells, device=self.device, generator=self.generator)
        return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)


def imitate_camera(x: Tensor, generator: Generator, strength: float = 1.0) -> Tensor:
    """The photographs as another camera, other media or another file might have shown them. One in eight is left alone.

    In the order light takes: haze of the media, uneven light and glare, sheen of young retinas, blur or a camera's sharpening, the sensor's
    response per channel, saturation, noise, a coarser sensor, JPEG.
    """
    dice = Dice(x.shape[0], x.device, generator)
    lit = (x.amax(dim=1, keepdim=True) > DARK).float()
    y = haze(x, lit, dice, strength)
    y = light(y, lit, dice, strength)
    y = sheen(y, lit, dice)
    y = focus(y, dice, strength)
    y = response(y, dice, strength)
    y = sensor(y, lit, dice, strength)
    y = jpeg(y, dice)
    alone = dice.chance(0.125)
    return (alone * x + (1 - alone) * y).clamp(0, 1)


def response(x: Tensor, dice: Dice, strength: float) -> Tensor:
    """Tone curve and gain of each channel, then saturation and a slight turn of the hue."""
    gamma = torch.exp(dice.normal(0.28 * strength) + dice.normal(0.10 * strength, 3))
    gain = torch.exp(dice.normal(0.12 * strength) + dice.normal(0.16 * strength, 3))
    y = x.clamp(min=1e-4) ** gamma * gain
    lit = (x.amax(dim=1, keepdim=True) > DARK).to(x.dtype)
    level = (y * lit).sum(dim=(2, 3)).amax(dim=1).view(-1, 1, 1, 1) / (lit.sum(dim=(2, 3), keepdim=True) + 1)
    y = (y * (0.78 / level.clamp(min=1e-3)).clamp(max=1)).clamp(0, 1)  # brighter than that, nothing is left to see
    grey = y.mean(dim=1, keepdim=True)
    faded = dice.chance(0.35) * dice.uniform(-0.6, 0.35)
    y = grey + (y - grey) * (1 + faded)
    leak = dice.chance(0.3) * dice.uniform(-0.15, 0.15, 3)
    return (y + leak * y.roll(1, dims=1)).clamp(0, 1)


def light(x: Tensor, lit: Tensor, dice: Dice, strength: float) -> Tensor:
    """Uneven illumination: a tilt, a fall-off towards the rim, slow blotches; now and then a crescent of glare at the rim."""
    side = x.shape[-1]
    ramp = torch.linspace(-1, 1, side, device=x.device)
    across, down = ramp[None, None, None, :], ramp[None, None, :, None]
    radius = across**2 + down**2
    use = dice.chance(0.5) * strength
    gain = 1 + use * (dice.uniform(-0.35, 0.35) * across + dice.uniform(-0.35, 0.35) * down - dice.uniform(-0.15, 0.5) * radius / 2)
    gain = gain * (1 + dice.chance(0.3) * 0.12 * dice.field(5, side))
    angle = dice.uniform(0, 2 * math.pi)
    towards = across * torch.cos(angle) + down * torch.sin(angle)
    crescent = torch.exp(-(((radius.sqrt() - 0.95) / dice.uniform(0.04, 0.2)) ** 2)) * towards.clamp(min=0) ** 3
    glare = dice.chance(0.15) * dice.uniform(0.1, 0.6) * crescent
    tint = 1 - dice.uniform(0, 0.4, 3)
    return (x * gain.clamp(0.2, 1.6) + lit * glare * tint).clamp(0, 1)


def sheen(x: Tensor, lit: Tensor, dice: Dice) -> Tensor:
    """Silky reflexes of the nerve fibre layer and the inner limiting membrane, and soft spots of stray light: bright, but no exudates."""
    side = x.shape[-1]
    if float(torch.rand((), device=x.device, generator=dice.generator)) < 0.3:
        coarse = torch.randn(dice.batch, 1, 10, 48, device=x.device, generator=dice.generator)
        if float(torch.rand((), device=x.device, generator=dice.generator)) < 0.5:
            coarse = coarse.transpose(2, 3)
        streaks = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    else:
        streaks = 0.7 * dice.field(int(torch.randint(4, 11, (), generator=dice.generator, device=x.device)), side)
    silk = (streaks - dice.uniform(0.2, 1.0)).clamp(0, 1.5)
    amount = dice.chance(0.3) * dice.uniform(0.03, 0.16)
    tint = 1 - dice.uniform(0, 0.35, 3)
    return (x + lit * amount * silk * tint * (0.4 + x.mean(dim=1, keepdim=True))).clamp(0, 1)


def haze(x: Tensor, lit: Tensor, dice: Dice, strength: float) -> Tensor:
    """Cloudy media: a veil of the picture's own mean colour, uneven, and what it hides blurred."""
    amount = dice.chance(0.25) * dice.uniform(0.05, 0.55) * strength
    veil = (amount * (1 + 0.3 * dice.field(4, x.shape[-1]))).clamp(0, 0.8)
    mean = (x * lit).sum(dim=(2, 3), keepdim=True) / (lit.sum(dim=(2, 3), keepdim=True) + 1)
    soft = _blurred(x, 1 + 3 * amount.amax().item())
    hidden = x + (soft - x) * (amount > 0.02).float() * 0.7
    return torch.lerp(hidden, mean * dice.uniform(0.9, 1.4) * torch.ones_like(x), veil) * lit + x * (1 - lit)


def focus(x: Tensor, dice: Dice, strength: float) -> Tensor:
    """Defocus (towards the blurred picture) or a camera's unsharp mask (away from it), at one of several radii in a batch."""
    sigma = float(torch.rand((), device=x.device, generator=dice.generator)) * 2.2 + 0.5
    soft = _blurred(x, sigma)
    towards = dice.chance(0.35) * dice.uniform(0.3, 1.0)
    away = (1 - towards.sign()) * dice.chance(0.3) * dice.uniform(0.2, 1.5)
    return (x + (soft - x) * (towards - away) * strength).clamp(0, 1)


def sensor(x: Tensor, lit: Tensor, dice: Dice, strength: float) -> Tensor:
    """Grain, fine and coarse, and a sensor of fewer pixels (the whole batch the same, one time in four)."""
    side = x.shape[-1]
    if float(torch.rand((), device=x.device, generator=dice.generator)) < 0.25:
        small = int(side * (0.35 + 0.55 * float(torch.rand((), device=x.device, generator=dice.generator))))
        y = F.interpolate(x, size=(small, small), mode="bilinear", align_corners=False, antialias=True)
        x = F.interpolate(y, size=(side, side), mode="bicubic", align_corners=False)
    fine = torch.randn(x.shape, device=x.device, generator=dice.generator, dtype=x.dtype)
    coarse = F.interpolate(fine[..., : side // 2, : side // 2], size=(side, side), mode="bilinear", align_corners=False)
    amount = dice.chance(0.35) * dice.uniform(0.004, 0.035) * strength
    return (x + lit * amount * torch.lerp(fine, 1.5 * coarse, dice.uniform(0, 1))).clamp(0, 1)


def jpeg(x: Tensor, dice: Dice) -> Tensor:
    """The blocks and the lost detail of JPEG at qualities from 25 to 95, on two photographs in five. The side is a multiple of 16."""
    chosen = dice.chance(0.4)
    rows = chosen.flatten().nonzero().flatten()
    if not rows.numel():
        return x
    quality = dice.uniform(25, 95)[rows]
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50).clamp(min=0.04)
    part = x[rows].float()
    r, g, b = part.unbind(1)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    blue, red = 0.564 * (b - luma), 0.713 * (r - luma)
    luma = _quantised(luma, scale)
    chroma = F.avg_pool2d(torch.stack([blue, red], dim=1), 2)
    chroma = torch.stack([_quantised(one, scale * 1.2) for one in chroma.unbind(1)], dim=1)
    blue, red = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False).unbind(1)
    back = torch.stack([luma + 1.403 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.773 * blue], dim=1).clamp(0, 1)
    return x.index_copy(0, rows, back.to(x.dtype))


def _quantised(plane: Tensor, scale: Tensor) -> Tensor:
    batch, height, width = plane.shape
    k = torch.arange(8, device=plane.device, dtype=torch.float32)
    basis = torch.cos((2 * k[None, :] + 1) * k[:, None] * math.pi / 16) * 0.5
    basis[0] /= math.sqrt(2)
    blocks = plane.reshape(batch, height // 8, 8, width // 8, 8).permute(0, 1, 3, 2, 4)
    step = (LUMINANCE.to(plane.device) * scale.view(-1, 1, 1, 1, 1) / 255).clamp(min=1 / 255)
    spectrum = torch.round(basis @ blocks @ basis.T / step) * step
    back = basis.T @ spectrum @ basis
    return back.permute(0, 1, 3, 2, 4).reshape(batch, height, width)


def _blurred(x: Tensor, sigma: float) -> Tensor:
    reach = max(1, min(8, round(2.5 * sigma)))
    k = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (k / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    y = F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="replicate"), kernel[:, :, None, :], groups=x.shape[1])
    return F.conv2d(F.pad(y, (0, 0, reach, reach), mode="replicate"), kernel[:, :, :, None], groups=x.shape[1])
