"""compose: the case in words, with citations still to be checked."""

from __future__ import annotations

from agent import composition
from agent.deps import Deps
from agent.state import CaseState, Draft, Update


async def compose(state: CaseState, deps: Deps) -> Update:
    """Writes the `draft`: claims, grounded report and urgency."""
    differential = state["assessment"].differential if "assessment" in state else ()
    evidence = state.get("evidence", ())
    grounded = differential if any(f.presence != "absent" for f in state["findings"]) or state["reasoner"].reads_images else ()
    decision = composition.triage(state["floor"], grounded, deps.library)
    return {
        "draft": Draft(
            claims=composition.claims(differential, state["findings"], evidence),
            grounded_report=composition.grounded_report(state["image_findings"], differential, state["findings"]),
            triage=decision,
        )
    }
