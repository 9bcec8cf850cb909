"""screen: reads the narrative and applies the red-flag rules, before any model is asked. Their floor is never lowered later."""

from __future__ import annotations

from agent.deps import Deps
from agent.domain import Demographics
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
        return {"demographics": who, "floor": floor(deps.red_flags.evaluate(seen, who)), "notes": (note,)}
    reading = deps.reader.read(case.narrative)
    findings = (*reading.findings, *seen)
    return {
        "demographics": reading.demographics,
        "findings": findings,
        "floor": floor(deps.red_flags.evaluate(findings, reading.demographics)),
    }
