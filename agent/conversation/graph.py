"""The whole flow of a conversation on one page. A turn enters at `hear`; the case's own graph runs inside `walk`.

hear -> walk -> answer -> ask -> (nothing worth asking) end
  |               ^         |
  +- no new fact -+         +--> wait, interrupted until the next turn --> hear
"""

from __future__ import annotations

from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer

from agent.conversation.nodes import answer, ask, hear, wait, walk
from agent.conversation.state import ConversationInput, ConversationState
from agent.deps import Deps

Graph = CompiledStateGraph[ConversationState, Deps, ConversationInput, ConversationState]


def builder() -> StateGraph[ConversationState, Deps, ConversationInput, ConversationState]:
    """The conversation, not yet compiled. One thread is one case."""
    graph = StateGraph(ConversationState, context_schema=Deps, input_schema=ConversationInput)
    graph.add_node("hear", hear)
    graph.add_node("walk", walk)
    graph.add_node("answer", answer)
    graph.add_node("ask", ask)
    graph.add_node("wait", wait, destinations=("hear",))
    graph.add_edge(START, "hear")
    graph.add_conditional_edges("hear", _after_hear, ["walk", "answer"])
    graph.add_edge("walk", "answer")
    graph.add_edge("answer", "ask")
    graph.add_conditional_edges("ask", _after_ask, ["wait", END])
    return graph


def compiled(checkpointer: Checkpointer) -> Graph:
    """The conversation on a checkpointer, which the case's graph inside `walk` inherits: every stage boundary is saved, and a walk that
    was stopped goes on from there."""
    return builder().compile(checkpointer=checkpointer, name="conversation")


def _after_hear(state: ConversationState) -> Literal["walk", "answer"]:
    """Only what was told makes a walk; questions are answered from what is known."""
    return "walk" if state["heard"].walks else "answer"


def _after_ask(state: ConversationState) -> str:
    return "wait" if state.get("pending") is not None else END
