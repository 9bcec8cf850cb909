"""Boxes that belong together: density clustering (DBSCAN, Ester et al. 1996) by the gaps between boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rectangle = tuple[float, float, float, float]
MOST = 2000
"""Boxes in one call: the distances of all pairs are held at once, 32 MB for this many."""


def clusters(boxes: Sequence[Rectangle], reach: float) -> list[list[int]]:
    """Indices of the boxes (x1, y1, x2, y2, any unit) in groups whose members lie within `reach` of one another, from one to the next.

    A lone box is a group of its own: a single lesion matters. Groups and their members are in the order given. Raises ValueError
    for more than MOST boxes.

    >>> clusters([(0, 0, 1, 1), (9, 9, 10, 10), (2, 0, 3, 1), (4.5, 0, 5, 1)], reach=1.5)
    [[0, 2, 3], [1]]
    >>> clusters([], 1)
    []
    """
    if not boxes:
        return []
    if len(boxes) > MOST:
        raise ValueError(f"{len(boxes)} boxes to group; at most {MOST} at once")
    # imported here: it costs half a second, and most of what imports this module never clusters
    from sklearn.cluster import DBSCAN

    found = DBSCAN(eps=max(reach, 1e-12), min_samples=1, metric="precomputed").fit(gaps(boxes)).labels_
    groups: dict[int, list[int]] = {}
    for index, group in enumerate(found.tolist()):
        groups.setdefault(group, []).append(index)
    return list(groups.values())


def gaps(boxes: Sequence[Rectangle]) -> NDArray[np.float64]:
    """The shortest distance between each two boxes, 0 where they touch or overlap; n x n.

    >>> gaps([(0, 0, 1, 1), (4, 5, 6, 6)]).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    x1, y1, x2, y2 = np.array(boxes, np.float64).reshape(-1, 4).T
    across = np.clip(np.maximum(x1[:, None], x1) - np.minimum(x2[:, None], x2), 0, None)
    down = np.clip(np.maximum(y1[:, None], y1) - np.minimum(y2[:, None], y2), 0, None)
    distances: NDArray[np.float64] = np.hypot(across, down)
    return distances


def around(boxes: Sequence[Rectangle]) -> Rectangle:
    """The smallest box that holds them all. Raises ValueError for none.

    >>> around([(0, 1, 2, 3), (-1, 2, 1, 9)])
    (-1, 1, 2, 9)
    """
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
