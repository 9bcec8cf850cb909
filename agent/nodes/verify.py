"""verify: quotes against their passages, boxes against the localizer, the floor applied, doubt turned into a referral."""

from __future__ import annotations

import asyncio
import re

from agent.citations import verified
from agent.composition import urgency_line
from agent.decision import decide
from agent.deps import Deps
from agent.domain import CaseReport, Outcome, TriageDecision, Urgency, Usage, strictest
from agent.errors import StageError
from agent.evidence import Claim, Evidence
from agent.imaging import ImageFindings
from agent.state import CaseState, Update
from tools.language import READ_LANGUAGES

OPEN_FRAME = "not set: no diagnosis was reached; a clinician triages this case ({urgency} is the least that an open case gets here)"
UNREAD_FRAME = "not set: this case could not be read, so no red flag could be looked for; a human triages it now"
LEAST_OPEN: Urgency = "soon"
LEAST_UNREAD: Urgency = "urgent"
"""Urgency of a case that ends without a diagnosis, and of one that nothing was read from: it could be anything (ours)."""
_BOX = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")


async def verify(state: CaseState, deps: Deps) -> Update:
    """Writes the `report`, the only thing that leaves the state machine, and who reasoned, by the name it is now known by."""
    draft, assessment = state["draft"], state.get("assessment")
    shown = {evidence.key: evidence for evidence in state.get("evidence", ())}
    outcome, reasons = decide(state, deps.settings.abstention)
    differential = assessment.differential if assessment else ()
    check_boxes(draft.grounded_report, state["image_findings"])
    read = assessment is not None and state["case"].language in READ_LANGUAGES
    triage = settled(draft.triage, state["floor"], outcome, read=read)
    who = deps.reasoner.identity  # again: only after its first answer does a client know the name of the model that a server runs
    return {
        "reasoner": who,
        "report": CaseReport(
            case_id=state["case"].case_id,
            outcome=outcome,
            reasons=reasons,
            diagnosis=differential[0] if outcome == "diagnosed" else None,
            differential=differential,
            initial_differential=state.get("initial_differential", ()),
            answer=assessment.answer if assessment else None,
            claims=await asyncio.to_thread(_verified, draft.claims, deps, shown),
            uncertainty=state.get("uncertainty"),
            path=(*(record.stage for record in state["stages"]), "verify"),
            routes=state["routes"],
            findings=state["findings"],
            images=state["image_findings"],
            steps=state.get("steps", ()),
            notes=state.get("notes", ()),
            triage=triage,
            grounded_report="\n".join(part for part in (draft.grounded_report, urgency_line(triage)) if part),
            reasoner=who,
            usage=assessment.usage if assessment else Usage(),
        )
    }


def _verified(claims: tuple[Claim, ...], deps: Deps, shown: dict[str, Evidence]) -> tuple[Claim, ...]:
    return tuple(verified(claim, deps.retriever.passage, shown, deps.meanings) for claim in claims)


def settled(decision: TriageDecision, floor: TriageDecision, outcome: Outcome, *, read: bool) -> TriageDecision:
    """The last word on urgency. Safety rule 1: whatever was written since, it is not below what the red-flag rules demand. Without a
    diagnosis no published time frame holds but that of a rule, and the case is never called routine."""
    least: Urgency = "routine" if outcome == "diagnosed" else LEAST_OPEN if read else LEAST_UNREAD
    urgency = strictest(decision.urgency, floor.urgency, least)
    if floor.rules and urgency == floor.urgency:
        return floor
    if outcome == "diagnosed":
        return decision.model_copy(update={"urgency": urgency, "floor": floor.urgency})
    frame = (OPEN_FRAME if read else UNREAD_FRAME).format(urgency=urgency)
    return floor.model_copy(update={"urgency": urgency, "time_frame": frame})


def check_boxes(report: str, images: tuple[ImageFindings, ...]) -> None:
    """Every box of the report is one that the localizer found."""
    found = {lesion.box.to_999() for image in images for lesion in image.lesions}
    found |= {image.optic_disc.to_999() for image in images if image.optic_disc is not None}
    for match in _BOX.finditer(report):
        box = tuple(int(number) for number in match.groups())
        if box not in found:
            raise StageError(f"the grounded report holds box {box!r}, which the localizer did not find")
