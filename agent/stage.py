"""What every stage does besides its own work: keep time, check what it wrote, and record where the case goes next and why."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from langgraph.runtime import Runtime

from agent.container import deps_of
from agent.deps import Deps
from agent.domain import RouteDecision, StageRecord
from agent.routing import Route
from agent.spans import span
from agent.state import CaseState, Update, validated

log = logging.getLogger("fovea.stage")
Node = Callable[[CaseState, Deps], Awaitable[Update]]
Router = Callable[[CaseState], Route[Any]]


class GraphNode(Protocol):
    """What LangGraph calls."""

    def __call__(self, state: CaseState, *, runtime: Runtime[Deps]) -> Awaitable[Update]: ...


def stage(name: str, node: Node, router: Router | None = None) -> GraphNode:
    """A graph node around a stage. The update is validated on exit (`StageError`), the last stage's like any other."""

    async def run(state: CaseState, *, runtime: Runtime[Deps]) -> Update:
        deps = await deps_of(runtime)
        runtime.stream_writer({"stage": name, "event": "started"})
        started = deps.clock.monotonic()
        with span(f"stage {name}", fovea__stage=name, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="fovea"):
            update = validated(name, await node(state, deps))
        note = str(update["notes"][0]) if update.get("notes") else ""
        record = StageRecord(stage=name, seconds=max(0.0, deps.clock.monotonic() - started), wrote=tuple(sorted(update)), note=note)
        update["stages"] = (record,)
        if router is not None:
            decision = router({**state, **update})  # type: ignore[typeddict-item]
            update["routes"] = (RouteDecision(stage=name, next=decision.next, reason=decision.reason),)
        log.debug("stage %s took %.3f s", name, record.seconds)
        return update

    run.__name__ = name
    return run


def taken(state: CaseState) -> str:
    """The edge a conditional stage chose; decided and recorded when the stage ended."""
    return state["routes"][-1].next
