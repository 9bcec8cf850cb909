"""verify: quotes against their passages, boxes against the localizer, the floor applied, doubt turned into a referral."""

from __future__ import annotations

import re

from agent.citations import verified
from agent.decision import decide
from agent.deps import Deps
from agent.domain import URGENCIES, CaseReport, ImageFindings, Outcome, TriageDecision, Usage
from agent.errors import StageError
from agent.state import CaseState, Update

OPEN_FRAME = "for a clinician to set: no diagnosis was reached; {urgency} is the least that the likely candidates ask for"
_BOX = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")


async def verify(state: CaseState, deps: Deps) -> Update:
    """Writes the `report`, the only thing that leaves the state machine."""
    draft, assessment = state["draft"], state.get("assessment")
    shown = {evidence.key: evidence for evidence in state.get("evidence", ())}
    outcome, reasons = decide(state, deps.settings.abstention)
    differential = assessment.differential if assessment else ()
    _boxes_stand(draft.grounded_report, state["image_findings"])
    return {
        "report": CaseReport(
            case_id=state["case"].case_id,
            outcome=outcome,
            reasons=reasons,
            diagnosis=differential[0] if outcome == "diagnosed" else None,
            differential=differential,
            answer=assessment.answer if assessment else None,
            claims=tuple(verified(claim, deps.retriever.passage, shown) for claim in draft.claims),
            uncertainty=state.get("uncertainty"),
            path=(*(record.stage for record in state["stages"]), "verify"),
            routes=state["routes"],
            findings=state["findings"],
            images=state["image_findings"],
            steps=state.get("steps", ()),
            notes=state.get("notes", ()),
            triage=_settled(draft.triage, state["floor"], outcome),
            grounded_report=draft.grounded_report,
            reasoner=state["reasoner"],
            usage=assessment.usage if assessment else Usage(),
        )
    }


def _settled(decision: TriageDecision, floor: TriageDecision, outcome: Outcome) -> TriageDecision:
    """Safety rule 1: whatever was written since, the urgency is not below what the red-flag rules demand. Without a diagnosis and
    without a rule no published time frame holds."""
    if URGENCIES.index(decision.urgency) < URGENCIES.index(floor.urgency):
        return floor
    if outcome != "diagnosed" and not (floor.rules and decision.urgency == floor.urgency):
        return decision.model_copy(update={"time_frame": OPEN_FRAME.format(urgency=decision.urgency), "sources": floor.sources})
    return decision


def _boxes_stand(report: str, images: tuple[ImageFindings, ...]) -> None:
    """Every box of the report is one that the localizer found."""
    found = {lesion.box.to_999() for image in images for lesion in image.lesions}
    found |= {image.optic_disc.to_999() for image in images if image.optic_disc is not None}
    for match in _BOX.finditer(report):
        box = tuple(int(number) for number in match.groups())
        if box not in found:
            raise StageError(f"the grounded report holds box {box!r}, which the localizer did not find")
