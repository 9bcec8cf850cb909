"""Walks a case through the graph: the one way in for the command, the benches and, later, the services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from langsmith import tracing_context

from agent.deps import Deps
from agent.domain import CaseReport, CaseRequest
from agent.graph import compiled
from agent.reasoners.listening import Listener, listening
from agent.state import CaseState

OnStage = Callable[[str], None]
RECURSION_LIMIT = 100


async def walk(request: CaseRequest, deps: Deps, on_stage: OnStage | None = None, on_text: Listener | None = None) -> CaseState:
    """The final state of a case; `state["report"]` is its report. `on_stage` hears the name of each stage as it starts, `on_text` what a
    generating model has written of its answer so far, while it writes.

    Raises what the stages raise, see `agent.errors`. Nothing of the case is sent to a tracing service, whatever the environment says
    (safety rule 6).
    """
    final: dict[str, Any] = {}
    with tracing_context(enabled=False), listening(on_text):
        stream = compiled().astream(
            {"request": request}, context=deps, config={"recursion_limit": RECURSION_LIMIT}, stream_mode=["custom", "values"]
        )
        async for mode, chunk in stream:
            if mode == "values":
                final = cast(dict[str, Any], chunk)
            elif on_stage is not None and isinstance(chunk, dict) and "stage" in chunk:
                on_stage(str(chunk["stage"]))
    return cast(CaseState, final)


async def consult(request: CaseRequest, deps: Deps, on_stage: OnStage | None = None) -> CaseReport:
    """The report of a case."""
    return (await walk(request, deps, on_stage))["report"]
