"""retrieve: guideline statements for the candidates. A few by condition on the fast path; more, and by free text, on the deep one."""

from __future__ import annotations

import asyncio

from agent import uncertainty
from agent.deps import Deps
from agent.evidence import Evidence
from agent.routing import after_retrieve
from agent.state import CaseState, Update

FAST_CANDIDATES = 2
QUERY_FINDINGS = 8


async def retrieve(state: CaseState, deps: Deps) -> Update:
    """Adds to `evidence`; what earlier rounds found stays."""
    u, differential = state["uncertainty"], state["assessment"].differential
    dial = deps.settings.dial
    candidates = [entry.concept_id for entry in differential[: FAST_CANDIDATES + u.rounds]]
    wanted = uncertainty.passages(u.omega, dial)
    found = await asyncio.to_thread(deps.retriever.for_concepts, candidates, wanted)
    if after_retrieve(state).next == "deliberate":
        found = (*found, *await asyncio.to_thread(deps.retriever.search, _query(state), wanted))
    known: dict[str, Evidence] = {e.key: e for e in state.get("evidence", ())}
    for evidence in found:
        known.setdefault(evidence.key, evidence)
    return {"evidence": tuple(known.values())}


def _query(state: CaseState) -> str:
    """The candidates and what is present, in words; no identifiers."""
    u = state["uncertainty"]
    names = [entry.name for entry in state["assessment"].differential[: 2 + u.rounds]]
    present = [f.name for f in state["findings"] if f.presence == "present" and f.source != "measurement"]
    return ", ".join(dict.fromkeys((*names, *present[:QUERY_FINDINGS])))
