"""Where things lie on a rendered retina, in pixels, and smooth deterministic noise to draw them with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.renderer.scene import Scene

Plane = NDArray[np.float32]
Colour = NDArray[np.float32]
Points = NDArray[np.float64]

# The fovea lies 2.5 disc diameters temporal of the disc and a little below.
FOVEA_TEMPORAL_DD = 2.5
FOVEA_BELOW_DD = 0.28


@dataclass(frozen=True, slots=True)
class Layout:
    """All in pixels of the picture. `nasal` is +1 when the nose is to the right of the picture (a right eye), otherwise -1;
    `cut` is the share of the radius at which the field is flattened above and below."""

    width: int
    height: int
    cx: float
    cy: float
    radius: float
    dd: float
    disc: tuple[float, float]
    fovea: tuple[float, float]
    nasal: int
    cut: float = 1.0

    def place(self, temporal: float, up: float) -> tuple[float, float]:
        """From the disc centre, `temporal` and `up` in DD, to picture x, y."""
        return self.disc[0] - self.nasal * temporal * self.dd, self.disc[1] - up * self.dd

    def places(self, points: Points) -> Points:
        """As `place`, for an array of (temporal, up) rows."""
        return np.stack([self.disc[0] - self.nasal * points[:, 0] * self.dd, self.disc[1] - points[:, 1] * self.dd], axis=1)

    def grid(self) -> tuple[Plane, Plane]:
        """Picture x as a row and y as a column, to broadcast."""
        return np.arange(self.width, dtype=np.float32)[None, :], np.arange(self.height, dtype=np.float32)[:, None]

    def distance(self, centre: tuple[float, float], stretch: float = 1.0) -> Plane:
        """Distance of every pixel from `centre` in DD; `stretch` above 1 makes the contours taller than wide."""
        x, y = self.grid()
        # hypot takes seven times as long
        away: Plane = np.sqrt(((x - centre[0]) / self.dd) ** 2 + ((y - centre[1]) / (self.dd * stretch)) ** 2)
        return away

    def visible(self, x: float, y: float, margin: float = 0.95) -> bool:
        inside = (x - self.cx) ** 2 + (y - self.cy) ** 2 <= (self.radius * margin) ** 2 and abs(y - self.cy) < self.radius * self.cut
        edge = 0.02 * self.height
        return inside and edge <= x < self.width - edge and edge <= y < self.height - edge


def layout(scene: Scene, rng: np.random.Generator) -> Layout:
    """Positions for a scene, with the small differences between one eye and the next."""
    width, height = scene.width, scene.height
    radius = height * scene.camera.aperture / 2
    dd = 2 * radius / scene.field_diameter * float(rng.uniform(0.95, 1.05))
    nasal = 1 if scene.laterality == "right" else -1
    cx, cy = width / 2 + (rng.normal(0, 0.004) + scene.camera.aside) * width, height / 2 + rng.normal(0, 0.004) * height
    temporal, below = FOVEA_TEMPORAL_DD * rng.uniform(0.97, 1.04), FOVEA_BELOW_DD * rng.uniform(0.5, 1.3)
    drift = rng.normal(0, 0.10, 2) + np.array(scene.gaze)
    if scene.centred_on == "macula":
        fovea = (cx + (drift[0] - nasal * 0.15) * dd, cy + drift[1] * dd)
        disc = (fovea[0] + nasal * temporal * dd, fovea[1] - below * dd)
    else:
        half = temporal / 2 if scene.centred_on == "between" else 0.0
        disc = (cx + (drift[0] + nasal * half) * dd, cy + drift[1] * dd)
        fovea = (disc[0] - nasal * temporal * dd, disc[1] + below * dd)
    # Plain floats: a numpy double would turn every single-precision plane it meets into double precision.
    cx, cy, disc, fovea = float(cx), float(cy), (float(disc[0]), float(disc[1])), (float(fovea[0]), float(fovea[1]))
    return Layout(width, height, cx, cy, radius, dd, disc, fovea, nasal, scene.camera.cut)


def dim(picture: Colour, plane: Plane, share: Points | Colour) -> None:
    """Takes light away in place: every channel times 1 - plane x its share. Channel by channel, which is several times faster."""
    for channel in range(3):
        picture[..., channel] *= 1 - plane * np.float32(share[channel])


def shine(picture: Colour, plane: Plane, colour: Points | Colour) -> None:
    """Adds light in place: plane x colour."""
    for channel in range(3):
        picture[..., channel] += plane * np.float32(colour[channel])


def absorb(picture: Colour, thickness: Plane, density: Points | Colour) -> None:
    """Beer and Lambert's law in place: every channel times exp(-thickness x its density)."""
    for channel in range(3):
        picture[..., channel] *= np.exp(thickness * np.float32(-density[channel]))


def mix(picture: Colour, share: Plane, colour: Points | Colour) -> None:
    """Replaces a share (0 to 1) of the light by a colour, in place."""
    for channel in range(3):
        target = picture[..., channel]
        target += share * (np.float32(colour[channel]) - target)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cell: float, onto: tuple[int, int] | None = None) -> Plane:
    """Noise of mean 0 and deviation about 1 over (width, height) pixels, with features about `cell` pixels across. Sampled on a grid of
    `onto` (width, height) instead of `size`, where that is given."""
    onto = onto or size
    across, down = max(2, round(size[0] / cell) + 1), max(2, round(size[1] / cell) + 1)
    grid = rng.standard_normal((down, across)).astype(np.float32)
    # Stretching is linear, so the mean and deviation of a smaller copy serve to normalise the grid beforehand.
    factor = max(1, int(cell * onto[0] / size[0] // 6))
    small = np.asarray(_stretched(grid, (onto[0] // factor + 1, onto[1] // factor + 1) if factor > 1 else onto))
    mean, deviation = small.mean(), np.float32(small.std() + 1e-6)
    plane: Plane = (small - mean) / deviation if factor == 1 else _stretched((grid - mean) / deviation, onto)
    return plane


def fractal(rng: np.random.Generator, size: tuple[int, int], cell: float, octaves: int, fade: float = 0.6) -> Plane:
    """Octaves of `smooth_noise`, each half as large and `fade` as strong as the one before; deviation about 1."""
    # The octaves are summed on a grid just fine enough for the smallest of them.
    factor = max(1, int(cell / 2 ** (octaves - 1) // 2.5))
    onto = (-(-size[0] // factor), -(-size[1] // factor))
    total: Plane = np.zeros((onto[1], onto[0]), np.float32)
    weight, power = 1.0, 0.0
    for octave in range(octaves):
        total += np.float32(weight) * smooth_noise(rng, size, cell / 2**octave, onto)
        power += weight**2
        weight *= fade
    total /= np.float32(np.sqrt(power))
    return total if factor == 1 else _stretched(total, size)


def drawn_out(rng: np.random.Generator, size: tuple[int, int], cell: float, stretch: float, lean: float) -> Plane:
    """As `smooth_noise`, its features `stretch` times as long as wide, lying at `lean` radians."""
    side = int(np.hypot(*size))
    flat = smooth_noise(rng, (side // 4, side // 4), cell / 4)
    cos, sin = float(np.cos(lean)) / 4, float(np.sin(lean)) / 4
    cx, cy = size[0] / 2, size[1] / 2
    middle = side / 8
    # output pixel -> source pixel: turned, then shortened along the length of the features
    along = (cos / stretch, sin / stretch, middle - (cx * cos + cy * sin) / stretch)
    across = (-sin, cos, middle + cx * sin - cy * cos)
    turned = Image.fromarray(flat).transform(size, Image.Transform.AFFINE, (*along, *across), Image.Resampling.BICUBIC)
    return np.asarray(turned, dtype=np.float32)


def _stretched(plane: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)


def step(plane: Plane, low: float, high: float) -> Plane:
    """0 below `low`, 1 above `high`, smooth between; descending when `low` > `high`."""
    t: Plane = np.clip((plane - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    t *= t * (3 - 2 * t)
    return t


def blurred(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur of one plane; wide blurs run on a smaller copy."""
    if sigma < 0.3:
        return plane
    factor = max(1, int(sigma))
    picture = Image.fromarray(plane)
    if factor == 1:
        return _gaussian(plane, sigma)
    small = picture.resize((max(2, picture.width // factor), max(2, picture.height // factor)), Image.Resampling.BOX)
    soft = _gaussian(np.asarray(small, dtype=np.float32), sigma / factor)
    return np.asarray(Image.fromarray(soft).resize(picture.size, Image.Resampling.BICUBIC), dtype=np.float32)


def _gaussian(plane: Plane, sigma: float) -> Plane:
    reach = max(1, int(3 * sigma + 0.5))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        padded = np.pad(plane, pad, mode="edge")
        n = plane.shape[axis]
        shifted = [padded[i : i + n] if axis == 0 else padded[:, i : i + n] for i in range(2 * reach + 1)]
        total = shifted[reach] * kernel[reach]
        pair = np.empty_like(total)
        for i in range(reach):
            np.add(shifted[i], shifted[-1 - i], out=pair)
            pair *= kernel[i]
            total += pair
        plane = total
    return plane


def window(centre: tuple[float, float], reach: float, where: Layout) -> tuple[slice, slice, Plane, Plane] | None:
    """Row and column slices of the picture around `centre`, and x, y relative to it."""
    left, right = max(0, int(centre[0] - reach)), min(where.width, int(centre[0] + reach) + 2)
    top, bottom = max(0, int(centre[1] - reach)), min(where.height, int(centre[1] + reach) + 2)
    if right - left < 2 or bottom - top < 2:
        return None
    x = np.arange(left, right, dtype=np.float32)[None, :] + 0.5 - np.float32(centre[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - np.float32(centre[1])
    return slice(top, bottom), slice(left, right), x, y


def blob(x: Plane, y: Plane, radius: float, rough: float, soft: float, rng: np.random.Generator) -> Plane:
    """A roundish mask 0 to 1: `rough` is how far the outline strays, `soft` the width of its edge, both relative to the radius."""
    angle = np.arctan2(y, x)
    outline = np.ones_like(angle)
    for k in range(1, 6):
        outline += float(rng.normal(0, rough / (k - 0.5))) * np.cos(k * angle + float(rng.uniform(0, 6.28)))
    edge = max(soft, 0.8 / max(radius, 0.5))
    away = np.asarray(np.hypot(x, y) / (np.float32(radius) * outline), np.float32)
    return step(away, 1 + edge / 2, 1 - edge / 2)
