"""Disagreement between the localizer and the answer, counted as uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.domain import Differential, Finding
from knowledge.library import Library

UNEXPECTED_NATS = math.log(2)
"""What a fully sure observation adds when the answer rules it out: one bit of doubt (ours)."""
CLEAR = "no_retinal_lesion_seen"
LESIONS = frozenset(("hard_exudate", "retinal_haemorrhage", "haemorrhages_four_quadrants", "exudate_near_fovea"))
"""What the localizer finds; a clear photograph shows none of it."""


def disagreement(library: Library, differential: Differential, findings: Sequence[Finding]) -> float:
    """Nats added because the first diagnosis does not go with what the localizer saw.

    A detected lesion that the atlas lists as never present in that condition adds up to one bit, weighted by its score; so does a clear
    photograph, weighted by the chance that it is, where the atlas calls a lesion of the localizer a hallmark. Nothing is added for a
    diagnosis the atlas does not hold.
    """
    if not differential or differential[0].concept_id not in library.condition:
        return 0.0
    levels = library.condition[differential[0].concept_id].findings
    excluded = set(levels.get("never", ()))
    if LESIONS & set(levels.get("hallmark", ())):
        excluded.add(CLEAR)
    seen = [(f.finding_id, f.weight) for f in findings if f.source == "localizer" and f.presence == "present"]
    return UNEXPECTED_NATS * max((weight for finding, weight in seen if finding in excluded), default=0.0)
