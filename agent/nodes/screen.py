"""screen: reads the narrative and applies the red-flag rules, before any model is asked. Their floor is never lowered later, neither in
this walk nor by what is added to the case in a conversation: a rule that has fired stays fired."""

from __future__ import annotations

from agent.deps import Deps
from agent.domain import Demographics, RuleHit
from agent.state import CaseState, Update
from knowledge.redflags import floor
from tools.language import READ_LANGUAGES


async def screen(state: CaseState, deps: Deps) -> Update:
    """Writes the narrative's findings beside the localizer's, the patient's age and sex, and the urgency `floor`."""
    case = state["case"]
    seen = state["findings"]
    if case.language not in READ_LANGUAGES:
        note = f"the narrative seems to be in language {case.language!r}; it was not read, and no red-flag rule could be applied to it"
        who = Demographics()
        return {"demographics": who, "floor": floor(_kept(state, deps.red_flags.evaluate(seen, who))), "notes": (note,)}
    reading = deps.reader.read(case.narrative)
    findings = (*reading.findings, *seen)
    return {
        "demographics": reading.demographics,
        "findings": findings,
        "floor": floor(_kept(state, deps.red_flags.evaluate(findings, reading.demographics))),
    }


def _kept(state: CaseState, hits: tuple[RuleHit, ...]) -> tuple[RuleHit, ...]:
    """The rules that fire now, and those that fired in an earlier walk and no longer do."""
    earlier = state["earlier"].floor if "earlier" in state else None
    now = {hit.rule_id for hit in hits}
    return (*hits, *(hit for hit in earlier.rules if hit.rule_id not in now)) if earlier is not None else hits
