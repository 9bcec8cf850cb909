"""Boxes as numpy arrays: overlap and non-maximum suppression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def overlaps(box: Array, others: Array) -> npt.NDArray[np.float64]:
    """Intersection over union of one box (4) with others (n x 4), corners x1, y1, x2, y2.

    >>> overlaps(np.array([0.0, 0, 2, 2]), np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [1.0, 0.333, 0.0]
    """
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    area = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = (box[2] - box[0]) * (box[3] - box[1]) + area - shared
    return np.asarray(shared / np.maximum(union, 1e-12), dtype=np.float64)


def suppress(boxes: Array, scores: Array, overlap: float, limit: int) -> list[int]:
    """Indices of the boxes to keep, best first: a box that overlaps a better one by more than `overlap` goes; at most `limit` stay.

    >>> suppress(np.array([[0.0, 0, 2, 2], [0, 0, 2, 2.1], [5, 5, 6, 6]]), np.array([0.5, 0.9, 0.1]), 0.5, 10)
    [1, 2]
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size and len(kept) < limit:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        order = rest[overlaps(boxes[best], boxes[rest]) <= overlap]
    return kept
