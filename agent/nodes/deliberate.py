"""deliberate: the candidates argued on findings and evidence, the differential revised, the uncertainty measured again."""

from __future__ import annotations

from agent import uncertainty
from agent.agreement import disagreement
from agent.deps import Deps
from agent.dossier import dossier
from agent.ports import SEMANTIC
from agent.state import CaseState, Progress, Update
from agent.thresholding import threshold_for
from knowledge.redflags import floor


async def deliberate(state: CaseState, deps: Deps) -> Update:
    """One round. Findings of a second reading may raise the urgency floor; they never lower it."""
    before, previous = state["uncertainty"], state["assessment"]
    effort = uncertainty.effort(before.omega, before.rounds + 1, deps.settings.dial)
    revised = await deps.reasoner.deliberate(dossier(state), previous, state["evidence"], effort)
    findings = (*state["findings"], *revised.findings)
    conflict = disagreement(deps.library, revised.differential, findings)
    threshold = before.threshold
    if revised.measurement.method == SEMANTIC and before.method != SEMANTIC:
        threshold = await threshold_for(deps, revised.measurement, conflict, len(state["case"].options))
    after = uncertainty.remeasured(before, revised.measurement, conflict, threshold)
    update: Update = {
        "assessment": revised.model_copy(update={"usage": previous.usage + revised.usage}),
        "uncertainty": after,
        "findings": findings,
        "progress": Progress(before=before.entropy, after=after.entropy, same_method=before.method == after.method),
        "steps": revised.steps,
        "notes": (revised.parse_problem,) if revised.parse_problem else (),
    }
    if revised.findings:
        old = state["floor"]
        hits = deps.red_flags.evaluate(findings, state["demographics"])
        update["floor"] = floor((*old.rules, *(h for h in hits if h.rule_id not in {r.rule_id for r in old.rules})))
    return update
