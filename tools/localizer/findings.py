"""Turns what the localizer saw on images into findings of the knowledge base."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from agent.domain import Finding
from agent.imaging import ImageFindings, Lesion, Quadrant
from agent.values import Presence
from tools.localizer.card import NO_VISIBLE_LESION

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
    lesions is stated only for a gradable photograph, and means those the detector knows. An ungradable one amounts to no finding,
    whatever boxes it carries.

    >>> findings_from([])
    ()
    """
    return tuple(finding for image in images if image.modality == "cfp" for finding in _of(image))


def _of(image: ImageFindings) -> list[Finding]:
    if image.gradability.status == "ungradable":
        return []
    exudates = [lesion for lesion in image.lesions if lesion.label == "hard_exudate"]
    haemorrhages = [lesion for lesion in image.lesions if lesion.label in ("haemorrhage", "microaneurysm")]
    scores = {
        "hard_exudate": _best(exudates),
        "retinal_haemorrhage": _best(haemorrhages),
        "haemorrhages_four_quadrants": min(_best([one for one in haemorrhages if one.quadrant == q]) for q in get_args(Quadrant)),
    }
    found = [_finding(finding_id, image, score) for finding_id, score in scores.items() if score > 0]
    found += _near_fovea(exudates, image)
    if not image.lesions and image.gradability.status == "gradable":
        clear = image.image_level.get(NO_VISIBLE_LESION, math.prod(1 - score for score in image.image_level.values()))
        found.append(_finding("no_retinal_lesion_seen", image, clear))
    return found


def _near_fovea(exudates: Sequence[Lesion], image: ImageFindings) -> list[Finding]:
    """Whether an exudate's nearest edge lies within one disc diameter of the fovea; only possible where it takes the fovea's
    uncertainty to bring it there. The weight is the detector's score times the chance that it does."""
    doubt = image.fovea_uncertainty_dd or 0.0
    placed = [(one, one.fovea_edge_dd) for one in exudates if one.fovea_edge_dd is not None and one.fovea_edge_dd <= NEAR_FOVEA_DD + doubt]
    if not placed:
        return []
    weight = max(one.score * chance_within(edge, doubt) for one, edge in placed)
    within = _best([one for one, edge in placed if edge <= NEAR_FOVEA_DD]) >= SURE
    return [_finding("exudate_near_fovea", image, weight, "present" if within else "possible")]


def chance_within(edge: float, doubt: float, limit: float = NEAR_FOVEA_DD) -> float:
    """The chance that something `edge` DD from the supposed fovea lies within `limit` DD of the true one, which a circle of `doubt` DD
    holds in two of three cases: errors are taken as normal, along the line between the two.

    >>> [round(chance_within(edge, 0.3), 2) for edge in (0.2, 1.0, 1.3)]
    [1.0, 0.5, 0.07]
    >>> chance_within(1.0, 0.0), chance_within(1.01, 0.0)
    (1.0, 0.0)
    """
    if doubt <= 0:
        return float(edge <= limit)
    sigma = doubt / math.sqrt(2 * math.log(3))  # a circle of this radius holds 2/3 of a round normal distribution
    return (1 + math.erf((limit - edge) / sigma / math.sqrt(2))) / 2


def _best(lesions: Sequence[Lesion]) -> float:
    return max((lesion.score for lesion in lesions), default=0.0)


def _finding(finding_id: str, image: ImageFindings, score: float, presence: Presence | None = None) -> Finding:
    sure: Presence = "present" if score >= SURE or finding_id == "no_retinal_lesion_seen" else "possible"
    return Finding(
        finding_id=finding_id,
        name=NAMES[finding_id],
        presence=presence or sure,
        source="localizer",
        laterality=image.laterality,
        weight=round(score, 4),
        image=image.image.number,
    )
