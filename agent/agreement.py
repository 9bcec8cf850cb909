"""Disagreement between the localizer and the answer, counted as uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.domain import Differential, Finding
from knowledge.library import Library

UNEXPECTED_NATS = math.log(2)
"""What a fully sure detection adds when the answer says it is never there: one bit of doubt (ours)."""


def disagreement(library: Library, differential: Differential, findings: Sequence[Finding]) -> float:
    """Nats added because the first diagnosis does not go with what the localizer saw.

    A detected lesion that the atlas lists as never present in that condition adds up to one bit, weighted by its score. Nothing is
    added for a diagnosis the atlas does not hold.
    """
    if not differential or differential[0].concept_id not in library.condition:
        return 0.0
    excluded = library.condition[differential[0].concept_id].findings.get("never", ())
    seen = {f.finding_id: f.weight for f in findings if f.source == "localizer" and f.presence == "present"}
    return UNEXPECTED_NATS * max((weight for finding, weight in seen.items() if finding in excluded), default=0.0)
