"""assess: the reasoner's first pass, its uncertainty measured and held against the threshold. This sets the dial."""

from __future__ import annotations

import asyncio
import math

from agent import uncertainty
from agent.agreement import disagreement
from agent.deps import Deps
from agent.dossier import dossier
from agent.ports import LETTERS, UNMEASURED
from agent.state import CaseState, Update


async def assess(state: CaseState, deps: Deps) -> Update:
    """Writes `assessment`, `uncertainty` and the first steps; the case then joins the moving average of the threshold."""
    assessment = await deps.reasoner.assess(dossier(state))
    conflict = disagreement(deps.library, assessment.differential, state["findings"])
    measured = None if assessment.measurement.method == UNMEASURED else assessment.measurement.entropy + conflict
    profile = deps.reasoner.identity.profile
    initial = deps.initial_threshold
    if assessment.measurement.method == LETTERS:
        profile, initial = f"{profile}, letters", deps.settings.dial.letters_share * math.log(len(state["case"].options))
    threshold = await asyncio.to_thread(deps.thresholds.observe, profile, measured, initial)
    return {
        "assessment": assessment,
        "initial_differential": assessment.differential,
        "uncertainty": uncertainty.report(assessment.measurement, conflict, threshold, deps.settings.dial),
        "findings": (*state["findings"], *assessment.findings),
        "steps": assessment.steps,
        "notes": (assessment.parse_problem,) if assessment.parse_problem else (),
    }
