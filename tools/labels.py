"""Where the overlay's labels and its legend go: off the lesions, off each other, inside the picture. Pure geometry in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Rectangle = tuple[float, float, float, float]
Rectangles = NDArray[np.float64]
STEPS = (0.0, 1.4, 2.8, 4.5, 6.5)
"""Distances of a label from its box that are tried, in heights of the label; beyond 0 it needs a leader."""
CROWDED = 0.15
"""A label that would cover more than this share of its own size on other labels is left out: neither could be read."""
SHARE_OF_PICTURE = 0.2
"""Labels together never cover more of the picture than this: it is the picture that people came to see."""
GRID = 6


def place_labels(
    frames: Sequence[Rectangle], sizes: Sequence[tuple[float, float]], size: tuple[float, float], gap: float, others: Sequence[Rectangle] = ()
) -> list[tuple[Rectangle, bool] | None]:
    """For each box the place of its label, `sizes` wide and high, and whether it needs a leader; None where there is no room for it.

    In the order given, each label takes the place about its box that covers least of boxes, of labels and of `others`, nearest first.

    >>> place_labels([(100, 100, 140, 140)], [(20, 10)], (300, 300), 2)
    [((100.0, 88.0, 120.0, 98.0), False)]
    """
    boxes = np.array([*frames, *others], np.float64).reshape(-1, 4)
    placed: list[Rectangle] = []
    found: list[tuple[Rectangle, bool] | None] = []
    room = SHARE_OF_PICTURE * size[0] * size[1]
    for index, (frame, (width, height)) in enumerate(zip(frames, sizes, strict=True)):
        room -= width * height
        if room < 0:
            found.append(None)
            continue
        spots, steps = _spots(frame, width, height, gap)
        area = width * height
        foreign = boxes[np.arange(len(boxes)) != index]
        on_labels = _shared(spots, np.array(placed, np.float64).reshape(-1, 4)) / area
        outside = (spots[:, 0] < 0) | (spots[:, 1] < 0) | (spots[:, 2] > size[0]) | (spots[:, 3] > size[1])
        cost = _shared(spots, foreign) / area + 4 * on_labels + 0.25 * steps + 100 * outside
        best = int(cost.argmin())
        if on_labels[best] > CROWDED or outside[best]:
            found.append(None)
            continue
        x1, y1, x2, y2 = (float(value) for value in spots[best])
        placed.append((x1, y1, x2, y2))
        found.append(((x1, y1, x2, y2), bool(steps[best] > 0)))
    return found


def leader(label: Rectangle, frame: Rectangle) -> Rectangle:
    """The shortest line from a label's edge to its box's edge, as x1, y1, x2, y2.

    >>> leader((0, 0, 10, 10), (20, 20, 40, 40))
    (10, 10, 20, 20)
    >>> leader((0, 0, 10, 10), (4, 30, 6, 40))
    (5.0, 10, 5.0, 30)
    """
    x1, x2 = _closest(label[0], label[2], frame[0], frame[2])
    y1, y2 = _closest(label[1], label[3], frame[1], frame[3])
    return x1, y1, x2, y2


def free_place(
    panels: Sequence[tuple[float, float]], size: tuple[int, int], margin: float, taken: Sequence[Rectangle]
) -> tuple[int, Rectangle]:
    """Which of some panels (width, height; in order of preference) goes where, so that it covers least of what is taken.

    Corners first, then a grid over the picture; the first place that covers nothing is taken.

    >>> free_place([(50, 20)], (100, 100), 5, [(0, 60, 60, 100), (60, 90, 70, 99)])
    (0, (5, 5, 55, 25))
    >>> free_place([(80, 80), (50, 20)], (100, 100), 5, [(0, 60, 60, 100), (90, 90, 99, 99)])
    (1, (5, 5, 55, 25))
    """
    best: tuple[float, int, Rectangle] | None = None
    busy = np.array(taken, np.float64).reshape(-1, 4)
    for rank, (width, height) in enumerate(panels):
        right, lower = max(margin, size[0] - width - margin), max(margin, size[1] - height - margin)
        across, down = ((margin + (end - margin) * i / (GRID - 1) for i in range(GRID)) for end in (right, lower))
        corners = [(margin, lower), (right, lower), (margin, margin), (right, margin)]
        for x, y in [*corners, *product(across, down)]:
            spot = (x, y, x + width, y + height)
            covered = float(_shared(np.array([spot]), busy)[0])
            if best is None or covered < best[0]:
                best = (covered, rank, spot)
            if covered == 0:
                return rank, spot
    if best is None:
        raise ValueError("no panel was given to place")
    return best[1], best[2]


def _spots(frame: Rectangle, width: float, height: float, gap: float) -> tuple[Rectangles, NDArray[np.float64]]:
    """Places around a box, each with its distance in label heights (0: touching the box)."""
    x1, y1, x2, y2 = frame
    middle_x, middle_y = (x1 + x2 - width) / 2, (y1 + y2 - height) / 2
    spots: list[tuple[float, float]] = []
    for step in STEPS:
        off = gap + step * height
        above, below, left, right = y1 - height - off, y2 + off, x1 - width - off, x2 + off
        spots += [(x1, above), (x2 - width, above), (x1, below), (x2 - width, below), (right, middle_y), (left, middle_y)]
        spots += [(middle_x, above), (middle_x, below), (right, above), (left, above), (right, below), (left, below)]
    corners = np.array(spots, np.float64)
    return np.hstack([corners, corners + np.array((width, height))]), np.repeat(STEPS, len(spots) // len(STEPS))


def _shared(spots: Rectangles, others: Rectangles) -> NDArray[np.float64]:
    """For each spot the area it shares with all the others together."""
    wide = np.minimum(spots[:, None, 2], others[None, :, 2]) - np.maximum(spots[:, None, 0], others[None, :, 0])
    high = np.minimum(spots[:, None, 3], others[None, :, 3]) - np.maximum(spots[:, None, 1], others[None, :, 1])
    shared: NDArray[np.float64] = (np.clip(wide, 0, None) * np.clip(high, 0, None)).sum(axis=1)
    return shared


def _closest(a1: float, a2: float, b1: float, b2: float) -> tuple[float, float]:
    if a2 < b1:
        return a2, b1
    if b2 < a1:
        return a1, b2
    middle = (max(a1, b1) + min(a2, b2)) / 2
    return middle, middle
