"""What a measured value means as a finding: a pressure of 34 mmHg is a raised pressure."""

from __future__ import annotations

from collections.abc import Iterator

from agent.values import Presence
from knowledge.reading.quantity import Quantity

FULL_ACUITY = 0.02
"""logMAR up to which an acuity counts as full: 6/6 less a letter."""
LARGE_CUP, SMALL_CUP = 0.7, 0.4
"""Cup-to-disc ratios from which a cup counts as enlarged, and up to which it does not (ours)."""
SEVERE_BP = (180, 120)
"""mmHg, systolic and diastolic, from which a blood pressure counts as a crisis (ACC/AHA guideline 2017)."""
DIABETIC_HBA1C = 6.5
"""% from which HbA1c makes the diagnosis of diabetes (WHO 2011)."""


def meanings(q: Quantity) -> Iterator[tuple[str, Presence]]:
    """Finding ids with their presence.

    >>> list(meanings(Quantity("iop", 34, "mmHg", "right", 0, 0)))
    [('raised_iop', 'present')]
    """
    if q.measure == "iop":
        if q.value > 21:
            yield "raised_iop", "present"
        if q.value >= 40:
            yield "very_high_iop", "present"
        if q.value <= 5:
            yield "low_iop", "present"
    elif q.measure == "logmar":
        if q.value >= 0.3:
            yield "reduced_visual_acuity", "present"
        if q.value >= 1.0:
            yield "severe_visual_loss", "present"
    elif q.measure == "esr" and q.value >= 50:
        yield "raised_esr", "present"
    elif q.measure == "crp" and q.value >= 10:
        yield "raised_crp", "present"
    elif q.measure == "cup_to_disc_ratio" and (q.value >= LARGE_CUP or q.value <= SMALL_CUP):
        yield "enlarged_cup_disc_ratio", "present" if q.value >= LARGE_CUP else "absent"
    elif (q.measure == "systolic_bp" and q.value >= SEVERE_BP[0]) or (q.measure == "diastolic_bp" and q.value >= SEVERE_BP[1]):
        yield "severe_hypertension", "present"
    elif q.measure == "hba1c" and q.value >= DIABETIC_HBA1C:
        yield "diabetes", "present"
