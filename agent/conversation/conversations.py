"""The conversations of one process: the one way in for the service, the benches and the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command, StateSnapshot
from langsmith import tracing_context

from agent.conversation.admission import admitted
from agent.conversation.graph import compiled
from agent.conversation.saver import Keeping
from agent.conversation.state import SCHEMA_VERSION, ConversationInput, Turn, of
from agent.conversation.telling import Telling
from agent.conversation.values import Conversation, OnEvent, Reply, TurnInput
from agent.deps import Deps
from agent.errors import BusyError, ConversationError
from agent.reasoners.listening import listening
from agent.walk import RECURSION_LIMIT

RESUME = "__resume__"
"""The channel in which LangGraph keeps what was said to an interrupt until it has been heard."""


class Unanswered(NamedTuple):
    """A turn that was said and has no reply yet, and which of the case's turns it is."""

    number: int
    turn: TurnInput


class Conversations:
    """All cases of one checkpointer. Safe for concurrent cases; a case has one turn at a time, within this process.

    Facts are only ever added to a case, and the floor of urgency that a red-flag rule has set is never lowered within it: what is told
    later can withdraw a finding's effect on the differential, not the rule it fired.
    """

    def __init__(self, deps: Deps, saver: BaseCheckpointSaver[Any]) -> None:
        self._deps, self._saver = deps, saver
        self._graph = compiled(saver)
        self._busy: dict[str, frozenset[str]] = {}

    async def say(self, case_id: str, turn: TurnInput, on_event: OnEvent | None = None) -> Reply:
        """The reply to a turn; the first turn opens the case.

        Raises `InputError` for a turn that cannot be used (the conversation is as it was), `BusyError` while the case has another turn,
        `ConversationError` while a stopped turn waits to be resumed, and what the stages raise. Cancelled, or ended by an error of a
        stage, the walk stays at its last stage boundary and `resume` goes on from there.
        """
        with self._held(case_id):
            snapshot = await self._snapshot(case_id)
            if await self._stopped(snapshot):
                raise ConversationError("the last turn of this case was stopped before its reply: resume it first")
            taken = await admitted(turn, snapshot.values, self._deps)
            self._busy[case_id] = frozenset(i.sha256 for i in taken.images if i.sha256 is not None)
            number, told = len(snapshot.values.get("turns", ())) + 1, self._deps.clock.now()
            if snapshot.tasks:
                return await self._run(case_id, Command(resume={"number": number, "turn": taken, "told": told}), on_event)
            return await self._run(case_id, ConversationInput(case_id=case_id, number=number, turn=taken, told=told), on_event)

    async def resume(self, case_id: str, on_event: OnEvent | None = None) -> Reply:
        """Goes on with a turn that was stopped, from its last stage boundary: stages that had ended are not run again.

        Raises `ConversationError` when there is no such case or nothing was stopped, `BusyError`, and what the stages raise.
        """
        with self._held(case_id):
            if not await self._stopped(await self._known(case_id)):
                raise ConversationError("no turn of this case was stopped: there is nothing to resume")
            return await self._run(case_id, None, on_event)

    async def view(self, case_id: str) -> Conversation:
        """The case with all that was said and answered. Raises `ConversationError` when there is none."""
        snapshot = await self._known(case_id)
        state = snapshot.values
        turns: tuple[Turn, ...] = of(cast(Any, state), "turns")
        unanswered = await self._unanswered(snapshot)
        if unanswered is not None:  # its words may be written already, but not yet what it asks: one turn, not answered
            turns = tuple(turn for turn in turns if turn.turn < unanswered.number)
        told: datetime = state["told"]
        return Conversation(
            case_id=case_id,
            created=state.get("created", told),
            updated=told,
            inputs=tuple([*(turn.input for turn in turns), *([unanswered.turn] if unanswered is not None else [])]),
            replies=tuple(_reply(turn, state) for turn in turns),
            pending=state.get("pending"),
            interrupted=unanswered is not None,
        )

    async def delete(self, case_id: str, *, images: bool = True) -> None:
        """Deletes a case's checkpoints and, with `images`, those of its images that no other case here uses.

        A caller that keeps its own account of who holds an image (one uploaded and not yet used, say) passes False and removes them
        itself. Raises `ConversationError` when there is no such case, `BusyError` while it has a turn, `ImageError` when an image cannot
        be deleted.
        """
        with self._held(case_id):
            snapshot = await self._known(case_id)
            unanswered = await self._unanswered(snapshot)
            said = (i.sha256 for i in (unanswered.turn.images if unanswered is not None else ()) if i.sha256 is not None)
            own = dict.fromkeys((*snapshot.values.get("images", ()), *said))
            await self._saver.adelete_thread(case_id)
            for sha256 in own if images else ():
                if not await self._held_elsewhere(sha256, case_id):
                    self._deps.images.remove(sha256)

    @contextmanager
    def _held(self, case_id: str) -> Iterator[None]:
        if case_id in self._busy:
            raise BusyError("this case has a turn that has not ended: wait for its reply, or cancel it")
        self._busy[case_id] = frozenset()
        try:
            yield
        finally:
            del self._busy[case_id]

    async def _run(self, case_id: str, given: Any, on_event: OnEvent | None) -> Reply:
        telling = Telling(on_event)
        config = self._config(case_id)
        with tracing_context(enabled=False), listening(telling.listener):
            stream = self._graph.astream(
                given, config, context=self._deps, stream_mode=["custom", "updates"], subgraphs=True, durability="sync"
            )
            async with aclosing(cast(Any, stream)) as pieces:
                async for namespace, mode, chunk in pieces:
                    telling.hear(namespace, mode, chunk)
        telling.flush()
        with suppress(NotImplementedError):  # a saver in memory keeps every step, as long as it lives
            await self._saver.aprune([case_id])
        state = (await self._snapshot(case_id)).values
        return _reply(state["turns"][-1], state)

    async def _snapshot(self, case_id: str) -> StateSnapshot:
        with tracing_context(enabled=False):
            return await self._graph.aget_state(self._config(case_id))

    async def _known(self, case_id: str) -> StateSnapshot:
        snapshot = await self._snapshot(case_id)
        if not snapshot.values:
            raise ConversationError("no such case")
        version = snapshot.values.get("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            raise ConversationError(f"this case was kept by another version of Fovea (schema {version}, not {SCHEMA_VERSION})")
        return snapshot

    async def _stopped(self, snapshot: StateSnapshot) -> bool:
        """Whether a turn has been said and not answered: the graph stands elsewhere than at its wait for the next turn."""
        return await self._unanswered(snapshot) is not None

    async def _unanswered(self, snapshot: StateSnapshot) -> Unanswered | None:
        """The turn that was said and has no reply yet; None when there is none."""
        # Not `snapshot.next`: it leaves out a step that has run and whose outcome is not yet taken over.
        standing = tuple(task.name for task in snapshot.tasks)
        if not standing:
            return None
        said = await self._said_to_wait(snapshot)
        if said is not None or standing == ("wait",):
            return said
        return Unanswered(snapshot.values["number"], snapshot.values["turn"])

    async def _said_to_wait(self, snapshot: StateSnapshot) -> Unanswered | None:
        """A turn that was said to the interrupt and not taken from there before it was stopped."""
        saved = await self._saver.aget_tuple(snapshot.config)
        writes = saved.pending_writes or () if saved is not None else ()
        said = [value for _, channel, value in writes if channel == RESUME]
        last = said[-1][-1] if said and isinstance(said[-1], list) else said[-1] if said else None
        return Unanswered(last["number"], last["turn"]) if last is not None else None

    async def _held_elsewhere(self, sha256: str, case_id: str) -> bool:
        if any(sha256 in images for images in self._busy.values()):
            return True
        if isinstance(self._saver, Keeping):
            return await self._saver.holds(sha256, case_id)
        async for state in self._others(case_id):
            if sha256 in state.get("images", ()):
                return True
        return False

    async def _others(self, case_id: str) -> AsyncIterator[dict[str, Any]]:
        async for saved in self._saver.alist(None):
            if saved.config["configurable"]["thread_id"] != case_id:
                yield saved.checkpoint["channel_values"]

    @staticmethod
    def _config(case_id: str) -> RunnableConfig:
        return {"configurable": {"thread_id": case_id}, "recursion_limit": RECURSION_LIMIT}


def _reply(turn: Turn, state: Any) -> Reply:
    return Reply(
        turn=turn.turn,
        kind=turn.kind,
        text=turn.text,
        claims=turn.claims,
        report=state["reports"][turn.walk],
        change=turn.change,
        question=turn.question,
    )
