"""Measures the localizer on drawn fundus photographs, where every truth is known: disc, eye, fovea, and lesions or none.

The pictures are drawings of another style than any camera's: this tells whether anatomy and the run time work, not how well patients'
photographs are read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from agent.imaging import ImageRef
from agent.ports import Localizer
from tools.localizer.anatomy import disc_diameter
from tools.localizer.evaluate import auroc
from tools.renderer import LesionGroup, Scene, render

EXUDATES = LesionGroup(kind="hard_exudate", count=12)
HAEMORRHAGES = LesionGroup(kind="blot_haemorrhage", count=12, region="everywhere")


def evaluate_rendered(localizer: Localizer, each: int = 4, width: int = 1200) -> dict[str, Any]:
    """`each` pictures of both eyes without lesions, with exudates, with haemorrhages. Shares of discs found and eyes named rightly,
    median distance of the estimated from the true fovea in DD, and the AUROC of each label over the pictures."""
    discs, eyes, off = [], [], []
    best: dict[str, list[float]] = {"hard_exudate": [], "haemorrhage": []}
    truth: dict[str, list[bool]] = {"hard_exudate": [], "haemorrhage": []}
    for seed in range(each):
        for eye in ("right", "left"):
            for group in (None, EXUDATES, HAEMORRHAGES):
                seen = render(Scene(laterality=eye, lesions=(group,) if group else (), width=width), seed)
                size = seen.image.size
                image = ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=size[0], height=size[1])
                findings = localizer.localize(image, seen.image)
                centre = findings.optic_disc.centre if findings.optic_disc else (-1.0, -1.0)
                true = seen.optic_disc
                discs.append(true.x1 <= centre[0] <= true.x2 and true.y1 <= centre[1] <= true.y2)
                eyes.append(findings.laterality == eye)
                if findings.fovea:
                    dx, dy = (findings.fovea[0] - seen.fovea[0]) * size[0], (findings.fovea[1] - seen.fovea[1]) * size[1]
                    off.append(math.hypot(dx, dy) / disc_diameter(true, *size))
                for label, scores in best.items():
                    scores.append(findings.image_level.get(label, 0.0))
                    truth[label].append(any(lesion.label == label for lesion in seen.lesions))
    return {
        "pictures": len(discs),
        "disc_found": float(np.mean(discs)),
        "laterality_right": float(np.mean(eyes)),
        "fovea_error_dd": round(float(np.median(off)), 3) if off else None,
        "auroc": {label: round(auroc(best[label], truth[label]), 3) for label in best},
    }
