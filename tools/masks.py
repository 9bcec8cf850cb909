"""From segmentation masks to boxes, as Fundus-Engine makes its grounded reports: specks grouped by density (DBSCAN), small areas
dropped, the largest ten kept. Its paper gives no constants; those here are ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.imaging import Box
from tools.clusters import MOST, around, clusters
from tools.grounding import MAX_BOXES

REACH = 0.02
"""Specks with gaps up to this share of the mask's longer side belong together: a seventh of a disc diameter in a 45 degree field."""
LEAST_AREA = 2e-5
"""Groups that cover less than this share of the mask are dropped: a spot of 5 x 5 pixels in a picture of 1200 x 1000."""


def boxes_of_mask(mask: NDArray[Any], reach: float = REACH, least_area: float = LEAST_AREA, most: int = MAX_BOXES) -> tuple[Box, ...]:
    """Boxes around the groups of a mask's non-zero pixels (height x width), by falling number of pixels; fractions of the picture.

    Pixels that touch, corners included, make a speck; specks within `reach` of one another a group. Raises ValueError for a mask
    that is not two-dimensional or holds no finite numbers.

    >>> mask = np.zeros((100, 200)); mask[10:20, 20:40] = 1; mask[10:20, 41:43] = 1; mask[80:90, 100:104] = 1
    >>> [box.to_999() for box in boxes_of_mask(mask)]
    [(100, 100, 215, 200), (500, 800, 520, 900)]
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask of shape {mask.shape} has {mask.ndim} dimensions; height x width is wanted")
    if not np.isfinite(mask).all():
        raise ValueError("the mask holds values that are no numbers")
    if mask.size == 0:
        return ()
    # imported here: scipy comes with scikit-learn and costs as much
    from scipy import ndimage

    specks, count = ndimage.label(mask != 0, structure=np.ones((3, 3), int))
    areas = np.bincount(specks.ravel(), minlength=count + 1)[1:]
    frames = [(float(x.start), float(y.start), float(x.stop), float(y.stop)) for y, x in ndimage.find_objects(specks)]
    # of noise there can be any amount: the largest specks are kept, a picture's true lesions number some hundreds
    kept = np.argsort(-areas, kind="stable")[:MOST].tolist()
    height, width = mask.shape
    groups = clusters([frames[i] for i in kept], reach * max(height, width))
    sized = [(sum(int(areas[kept[i]]) for i in group), around([frames[kept[i]] for i in group])) for group in groups]
    large = sorted((one for one in sized if one[0] >= least_area * mask.size), key=lambda one: (-one[0], one[1]))
    return tuple(Box(x1=x1 / width, y1=y1 / height, x2=x2 / width, y2=y2 / height) for _, (x1, y1, x2, y2) in large[:most])
