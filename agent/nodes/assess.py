"""assess: the reasoner's first pass, its uncertainty measured and held against the threshold. This sets the dial."""

from __future__ import annotations

from agent import uncertainty
from agent.agreement import disagreement
from agent.deps import Deps
from agent.dossier import dossier
from agent.state import CaseState, Update
from agent.thresholding import threshold_for


async def assess(state: CaseState, deps: Deps) -> Update:
    """Writes `assessment`, `uncertainty` and the first steps; the case then joins the moving average of the threshold."""
    assessment = await deps.reasoner.assess(dossier(state))
    conflict = disagreement(deps.library, assessment.differential, state["findings"])
    threshold = await threshold_for(deps, assessment.measurement, conflict, len(state["case"].options))
    return {
        "assessment": assessment,
        "initial_differential": assessment.differential,
        "uncertainty": uncertainty.report(assessment.measurement, conflict, threshold, deps.settings.dial),
        "findings": (*state["findings"], *assessment.findings),
        "steps": assessment.steps,
        "notes": (assessment.parse_problem,) if assessment.parse_problem else (),
    }
