"""What can be measured on a small copy of a picture without knowing what it is. Pure numpy; every value is explained where it is kept.

The working copy has a longest side of about 256 pixels, so that a retinal vessel is one to four pixels wide whatever the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
WORKING_SIDE = 256
SHORTEST_SIDE = 8
"""A narrower strip is widened to this many pixels: it has no neighbours to compare, and no photograph of an eye is that shape."""


@dataclass(frozen=True, slots=True)
class Aperture:
    """The lit round window of a fundus camera as an axis-aligned ellipse, in pixels of the working copy.

    `misfit` is the median distance of the rim from the ellipse and `agreement` the share of rim points within 3 % of it (of the
    radius both); `filled` the share of the ellipse inside the frame that is lit; `spill` the share of the frame outside it that is lit.
    """

    cx: float
    cy: float
    rx: float
    ry: float
    misfit: float
    agreement: float
    filled: float
    spill: float
    inside: float
    """Share of the ellipse's area that lies within the frame."""
    step: float
    """How much darker it is just outside the rim than just inside, relative to the inside: 1 is a knife edge onto black."""

    def mask(self, shape: tuple[int, int], scale: float = 1.0) -> Mask:
        y, x = np.ogrid[: shape[0], : shape[1]]
        inside: Mask = ((x - self.cx) / (self.rx * scale)) ** 2 + ((y - self.cy) / (self.ry * scale)) ** 2 <= 1
        return inside


@dataclass(frozen=True, slots=True)
class Measures:
    """Intensities are 0 to 1. 'Field' is the aperture shrunk by 8 % where there is one, otherwise the whole frame."""

    width: int
    height: int
    """Of the working copy, pixels."""
    dark_corners: int
    aperture: Aperture | None
    chroma: float
    """Mean of largest minus smallest channel over the field."""
    warm: float
    """Share of the field whose hue a retina can have: red over green over blue, within a tolerance for blue haze."""
    level: float
    """Median of the brightest channel."""
    dark_share: float
    bright_share: float
    contrast: float
    """Spread (p95 - p5) of the green channel relative to its median."""
    vessels: float
    """99th percentile of the oriented dark-line response, relative to local brightness."""
    bright_lines: float
    speckle: float
    """Median of the absolute dark-line response: what lines must stand out from."""
    layered: float
    """Vertical over horizontal gradient energy of the smoothed grey picture."""
    band: float
    """Brightness of the brightest row of each column over the column's median, median over columns."""
    sharpness: float
    """Finest detail relative to detail at vessel scale, green channel: low when blurred, high when noise covers the rest."""
    edges: float
    """99th percentile of the detail at vessel scale relative to the median: high on print, drawings and hard shadows."""
    evenness: float
    """10th over 90th percentile of the smoothed green channel: 1 for an evenly lit field."""
    relief: float
    """Spread of structures larger than a vessel (disc, macula, arcades), relative to local brightness: defocus leaves it, haze takes it."""


def working_copy(pixels: Image.Image) -> Plane:
    """Height x width x 3, float32, 0 to 1; longest side between WORKING_SIDE and twice that is first box-reduced."""
    longest = max(pixels.size)
    factor = max(1, longest // WORKING_SIDE)
    small = pixels.reduce(factor) if factor > 1 else pixels
    scale = WORKING_SIDE / max(small.size)
    if abs(scale - 1) > 0.02 or min(small.size) < SHORTEST_SIDE:
        size = (max(SHORTEST_SIDE, round(small.width * scale)), max(SHORTEST_SIDE, round(small.height * scale)))
        small = small.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def smooth(plane: Plane, radius: int) -> Plane:
    """Mean over a square of 2 x radius + 1 pixels, edges repeated."""
    size = 2 * radius + 1
    padded = np.pad(plane, radius, mode="edge")
    if radius <= 2:
        rows: Plane = padded[: plane.shape[0]].copy()
        for i in range(1, size):
            rows += padded[i : i + plane.shape[0]]
        mean: Plane = rows[:, : plane.shape[1]].copy()
        for i in range(1, size):
            mean += rows[:, i : i + plane.shape[1]]
        mean /= np.float32(size * size)
        return mean
    down = np.cumsum(padded, axis=0)
    rows = down[size - 1 :].copy()
    rows[1:] -= down[:-size]
    across = np.cumsum(rows, axis=1)
    out = across[:, size - 1 :].copy()
    out[:, 1:] -= across[:, :-size]
    out /= np.float32(size * size)
    return out


def lines(plane: Plane, half: int = 5, gap: int = 4) -> tuple[Plane, Plane]:
    """Strongest oriented dark line and bright line at each pixel, over 8 directions.

    A line must differ from both of its flanks, so that a step edge scores nothing. Same unit as `plane`.
    """
    reach = half + gap
    padded = np.pad(plane, reach, mode="edge")
    height, width = plane.shape
    dark = np.full(plane.shape, -np.inf, np.float32)
    bright = dark.copy()
    steps = range(-half, half + 1, 2)
    for angle in np.arange(8) * np.pi / 8:
        ux, uy = float(np.cos(angle)), float(np.sin(angle))
        along = [(round(step * ux), round(step * uy)) for step in steps]
        flank = round(gap * uy), round(gap * ux)
        # both flanks of every point, on the plane grown by the line's reach; then sums along the line of all three
        grown = height + 2 * half, width + 2 * half
        one = _window(padded, gap - flank[0], gap + flank[1], *grown)
        other = _window(padded, gap + flank[0], gap - flank[1], *grown)
        centre = _along(padded, along, reach, height, width)
        below = _along(np.minimum(one, other), along, half, height, width)
        above = _along(np.maximum(one, other), along, half, height, width)
        np.maximum(dark, below - centre, out=dark)
        np.maximum(bright, centre - above, out=bright)
    return dark / np.float32(len(steps)), bright / np.float32(len(steps))


def _window(plane: Plane, left: int, top: int, height: int, width: int) -> Plane:
    return plane[top : top + height, left : left + width]


def _along(plane: Plane, offsets: list[tuple[int, int]], margin: int, height: int, width: int) -> Plane:
    """Sum of the plane shifted by each offset, without its margin."""
    total: Plane = _window(plane, margin + offsets[0][0], margin + offsets[0][1], height, width).copy()
    for x, y in offsets[1:]:
        total += _window(plane, margin + x, margin + y, height, width)
    return total


def find_aperture(value: Plane) -> tuple[int, Aperture | None]:
    """Number of dark corners, and the ellipse fitted to the rim of what is lit, if there is a dark surround to speak of."""
    height, width = value.shape
    corners = [value[:4, :4], value[:4, -4:], value[-4:, :4], value[-4:, -4:]]
    levels = [float(np.median(c)) for c in corners]
    bright = float(np.percentile(value, 90))
    dark = [level for level in levels if level < 0.2 and level < 0.55 * bright]
    if len(dark) < 2:
        return len(dark), None
    threshold = min(0.2, max(dark) + max(0.025, 0.10 * (bright - max(dark))))
    lit = smooth(value, 1) > threshold
    points = _rim(lit)
    if len(points) < 24:
        return len(dark), None
    fit = _fit_ellipse(points, (height, width))
    if fit is None:
        return len(dark), None
    cx, cy, rx, ry, distance = fit
    y, x = np.ogrid[:height, :width]
    radius = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
    inner, outer = radius <= 0.92**2, radius >= 1.06**2
    rim_inside = (radius > 0.90**2) & (radius < 0.96**2)
    rim_outside = (radius > 1.04**2) & (radius < 1.10**2)
    step = 0.0
    if rim_inside.any() and rim_outside.any():
        lighter = float(value[rim_inside].mean())
        step = (lighter - float(value[rim_outside].mean())) / (lighter + 0.01)
    return len(dark), Aperture(
        cx, cy, rx, ry,
        misfit=float(np.median(distance)),
        agreement=float(np.mean(distance < 0.03)),
        filled=float(lit[inner].mean()) if inner.any() else 0.0,
        spill=float(lit[outer].mean()) if outer.any() else 0.0,
        inside=float(np.sum(radius <= 1) / (np.pi * rx * ry)),
        step=step,
    )  # fmt: skip


def _rim(lit: Mask) -> NDArray[np.float64]:
    """First and last lit pixel of every row and column, without those the frame itself cuts off."""
    height, width = lit.shape
    found: list[NDArray[np.float64]] = []
    for mask, size, swap in ((lit, width, False), (lit.T, height, True)):
        rows = np.flatnonzero(mask.any(axis=1))
        first = mask[rows].argmax(axis=1)
        last = size - 1 - mask[rows][:, ::-1].argmax(axis=1)
        for ends, keep, edge in ((first, first > 1, -0.5), (last, last < size - 2, 0.5)):
            pair = (ends[keep] + edge, rows[keep]) if not swap else (rows[keep], ends[keep] + edge)
            found.append(np.stack(pair, axis=1).astype(np.float64))
    return np.concatenate(found)


def _fit_ellipse(points: NDArray[np.float64], shape: tuple[int, int]) -> tuple[float, float, float, float, NDArray[np.float64]] | None:
    """Least squares x^2 + a y^2 + b x + c y + d = 0, refitted twice without the worst points (rim notches, labels, flare)."""
    scale = max(shape) / 2
    x, y = points[:, 0] / scale, points[:, 1] / scale
    keep = np.ones(len(x), bool)
    distance = np.zeros(len(x))
    cx = cy = rx = ry = 0.0
    for _ in range(4):
        design = np.stack([y[keep] ** 2, x[keep], y[keep], np.ones(int(keep.sum()))], axis=1)
        solution = np.linalg.lstsq(design, -(x[keep] ** 2), rcond=None)[0]
        a, b, c, d = (float(v) for v in solution)
        if a <= 0.1 or a > 10:
            return None
        cx, cy = -b / 2, -c / (2 * a)
        square = cx**2 + a * cy**2 - d
        if square <= 0:
            return None
        rx, ry = float(np.sqrt(square)), float(np.sqrt(square / a))
        distance = np.abs(np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2) - 1)
        keep = distance <= max(0.01, float(np.quantile(distance, 0.8)))
    return cx * scale, cy * scale, rx * scale, ry * scale, distance


def measure(pixels: Image.Image) -> Measures:
    red, green, blue = (np.ascontiguousarray(plane) for plane in np.moveaxis(working_copy(pixels), 2, 0))
    value, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    corners, aperture = find_aperture(value)
    field = aperture.mask(value.shape, 0.92) if aperture is not None else np.ones(value.shape, bool)
    if field.sum() < 100:
        field = np.ones(value.shape, bool)
    r, g, b = red[field], green[field], blue[field]
    warm = (r >= g - 0.02) & (g >= b - 0.06) & (r > b + 0.02)
    grey = (red + green + blue) / 3
    broad = smooth(green, 12)
    ground = broad + 0.04
    core = aperture.mask(value.shape, 0.80) if aperture is not None else field
    if core.sum() < 100:
        core = field
    mild = smooth(green, 1)
    dark_lines, bright_lines = lines(mild / ground)
    inside = dark_lines[field]
    soft = smooth(grey, 2)
    dy, dx = np.diff(soft, axis=0), np.diff(soft, axis=1)
    column = smooth(grey[:, ::3], 3)
    dim, median, light = np.percentile(g[::2], (5, 50, 95))  # of half the pixels: neighbours say the same
    lit = np.percentile(ground[field][::2], (10, 90))
    level = float(np.median(value[field][::2]))
    detail = green - mild
    middle = mild - smooth(green, 4)
    return Measures(
        width=value.shape[1],
        height=value.shape[0],
        dark_corners=corners,
        aperture=aperture,
        chroma=float((value - low)[field].mean()),
        warm=float(warm.mean()),
        level=level,
        dark_share=float((value[field] < 0.15).mean()),
        bright_share=float((g > 0.94).mean()),
        contrast=float((light - dim) / (median + 0.02)),
        vessels=float(np.percentile(inside, 99)),
        bright_lines=float(np.percentile(bright_lines[field], 99)),
        speckle=float(np.median(np.abs(inside[::2]))),
        layered=float((dy**2).mean() / ((dx**2).mean() + 1e-9)),
        band=float(np.median(column.max(axis=0) - np.median(column[::3], axis=0))),
        sharpness=float(np.std(detail[field]) / (np.std(middle[field]) + 1e-4)),
        edges=float(np.percentile(np.abs(middle[field]), 99) / (median + 0.02)),
        evenness=float(lit[0] / lit[1]),
        relief=float((((smooth(green, 3) - broad) / ground)[core]).std()),
    )
