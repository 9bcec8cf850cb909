"""Turns what the localizer saw on images into findings of the knowledge base."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from agent.domain import Finding, ImageFindings, Lesion, Presence, Quadrant

SURE = 0.7
"""From this score on a finding is present, below it (and above the detector's threshold) possible."""
NEAR_FOVEA_DD = 1.0
NAMES = {
    "hard_exudate": "hard exudates",
    "retinal_haemorrhage": "retinal haemorrhages or microaneurysms",
    "haemorrhages_four_quadrants": "retinal haemorrhages in all four quadrants",
    "exudate_near_fovea": "hard exudates within one disc diameter of the fovea",
    "no_retinal_lesion_seen": "no hard exudate or haemorrhage seen",
}


def findings_from(images: Sequence[ImageFindings]) -> tuple[Finding, ...]:
    """The findings of all colour fundus photographs that can be judged, image by image.

    `weight` is the detector's score, fitted on the validation fold to the chance that such a photograph has the lesion. The absence of
    lesions is stated only for a gradable photograph, and means those the detector knows: exudates and haemorrhages.

    >>> findings_from([])
    ()
    """
    return tuple(finding for image in images if image.modality == "cfp" for finding in _of(image))


def _of(image: ImageFindings) -> list[Finding]:
    if image.gradability.status == "ungradable":
        return []
    exudates = [lesion for lesion in image.lesions if lesion.label == "hard_exudate"]
    haemorrhages = [lesion for lesion in image.lesions if lesion.label in ("haemorrhage", "microaneurysm")]
    near = [one for one in exudates if one.fovea_distance_dd is not None and one.fovea_distance_dd <= NEAR_FOVEA_DD]
    scores = {
        "hard_exudate": _best(exudates),
        "retinal_haemorrhage": _best(haemorrhages),
        "haemorrhages_four_quadrants": min(_best([one for one in haemorrhages if one.quadrant == q]) for q in get_args(Quadrant)),
        "exudate_near_fovea": _best(near),
    }
    found = [_finding(finding_id, image, score) for finding_id, score in scores.items() if score > 0]
    if not image.lesions and image.gradability.status == "gradable":
        clear = math.prod(1 - score for score in image.image_level.values())
        found.append(_finding("no_retinal_lesion_seen", image, clear))
    return found


def _best(lesions: Sequence[Lesion]) -> float:
    return max((lesion.score for lesion in lesions), default=0.0)


def _finding(finding_id: str, image: ImageFindings, score: float) -> Finding:
    presence: Presence = "present" if score >= SURE or finding_id == "no_retinal_lesion_seen" else "possible"
    return Finding(
        finding_id=finding_id,
        name=NAMES[finding_id],
        presence=presence,
        source="localizer",
        laterality=image.laterality,
        weight=round(score, 4),
        image=image.image.number,
    )
