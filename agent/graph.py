"""The whole flow of a case on one page.

intake -> localize -> screen -> assess -> retrieve -> compose -> verify
                         |                 ^    |        ^
                         |                 |    v        |
                         |               deliberate -----+
                         +--- nothing to reason on ------+
"""

from __future__ import annotations

from functools import cache

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy

from agent.deps import Deps
from agent.errors import FoveaError
from agent.nodes.assess import assess
from agent.nodes.compose import compose
from agent.nodes.deliberate import deliberate
from agent.nodes.intake import intake
from agent.nodes.localize import localize
from agent.nodes.retrieve import retrieve
from agent.nodes.screen import screen
from agent.nodes.verify import verify
from agent.routing import after_deliberate, after_retrieve, after_screen
from agent.stage import stage, taken
from agent.state import CaseInput, CaseState

Graph = CompiledStateGraph[CaseState, Deps, CaseInput, CaseState]


def builder(context: type[Deps] | None = Deps) -> StateGraph[CaseState, Deps, CaseInput, CaseState]:
    """The state machine, not yet compiled. `context` None: the stages use the process's own `Deps` (LangGraph's development server).

    One thread is one case: intake refuses a thread that already holds one, so that no patient's findings reach another's report.
    """
    again = RetryPolicy(max_attempts=2, retry_on=lambda error: isinstance(error, FoveaError) and error.retryable)
    graph = StateGraph(CaseState, context_schema=context, input_schema=CaseInput)
    graph.add_node("intake", stage("intake", intake))
    graph.add_node("localize", stage("localize", localize))
    graph.add_node("screen", stage("screen", screen, after_screen))
    graph.add_node("assess", stage("assess", assess), retry_policy=again)
    graph.add_node("retrieve", stage("retrieve", retrieve, after_retrieve))
    graph.add_node("deliberate", stage("deliberate", deliberate, after_deliberate), retry_policy=again)
    graph.add_node("compose", stage("compose", compose))
    graph.add_node("verify", stage("verify", verify))
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "localize")
    graph.add_edge("localize", "screen")
    graph.add_conditional_edges("screen", taken, ["assess", "compose"])
    graph.add_edge("assess", "retrieve")
    graph.add_conditional_edges("retrieve", taken, ["deliberate", "compose"])
    graph.add_conditional_edges("deliberate", taken, ["retrieve", "compose"])
    graph.add_edge("compose", "verify")
    graph.add_edge("verify", END)
    return graph


@cache
def compiled() -> Graph:
    """The graph without a checkpointer: a case is walked whole."""
    return builder().compile(name="fovea")
