"""Cases as their owners use them: opened, talked through, stopped, resumed, deleted. The HTTP routes and the page both call this."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError

from agent.conversation.values import Conversation, OnEvent, Reply, TurnInput
from agent.domain import CaseReport
from agent.errors import ConversationError, FoveaError, InputError
from agent.imaging import ImageInput
from agent.service.access import Caller
from agent.service.house import House
from agent.service.problems import Conflict, Draining, NotFound, Overloaded
from agent.service.register import CaseRow, Unsettled
from agent.service.running import Running
from agent.service.schemas import CaseSummary, CaseView, Said, State, TurnGiven
from agent.service.uploads import from_data_url

UNREADABLE = "this turn was kept by another version of Fovea and cannot be read: say it again"
NO_SUCH_CASE = "there is no such case"
OUTCOMES = {"refer_to_human": "Referred to a human", "ungradable": "Cannot be judged"}


class Cases:
    def __init__(self, house: House) -> None:
        self._house = house
        self._starting: set[str] = set()

    async def open(self, caller: Caller, given: TurnGiven) -> tuple[CaseRow, Running]:
        """A new case with its first turn, which is being walked. Raises what `Pool.check` and `_input` raise; then no case was opened."""
        self._house.pool.check()
        turn = await self._input(caller, caller.owner, given)
        row = await asyncio.to_thread(self._house.register.open, caller.owner)
        try:
            running = await self._start(row, turn)
        except FoveaError:
            await asyncio.to_thread(self._house.register.forget, row.case_id)
            raise
        await self._house.gate.note(caller, "case.open", row.case_id)
        return row, running

    async def say(self, caller: Caller, case_id: str, given: TurnGiven) -> tuple[CaseRow, Running]:
        """A further turn of a case, being walked."""
        row = await self.row(caller, case_id)
        self._house.pool.check(case_id)
        conversation = await self.conversation(case_id)
        if conversation is not None and conversation.interrupted:
            raise Conflict("the last turn was stopped before its reply: resume it first")
        turn = await self._input(caller, row.owner, given)
        running = await self._start(row, turn, len(conversation.replies) if conversation is not None else 0)
        await self._house.gate.note(caller, "case.turn", case_id)
        return row, running

    async def resume(self, caller: Caller, case_id: str) -> tuple[CaseRow, Running]:
        """Walks a stopped turn on from its stage boundary. Raises `Conflict` when nothing was stopped."""
        row = await self.row(caller, case_id)
        self._house.pool.check(case_id)
        conversation = await self.conversation(case_id)
        if conversation is None or not conversation.interrupted:
            raise Conflict("no turn of this case was stopped: there is nothing to resume")
        running = await self._start(row, None, len(conversation.replies))
        await self._house.gate.note(caller, "case.resume", case_id)
        return row, running

    async def cancel(self, caller: Caller, case_id: str) -> CaseRow:
        """Stops the turn that is being walked; it can be resumed. Raises `Conflict` when there is none."""
        row = await self.row(caller, case_id)
        if not await self._house.pool.stop(case_id):
            raise Conflict("no turn of this case is being walked")
        await self._house.gate.note(caller, "case.cancel", case_id)
        return row

    async def delete(self, caller: Caller, case_id: str) -> None:
        """Removes all there is of a case: see `House.remove`."""
        row = await self.row(caller, case_id)
        await self._house.remove(row.case_id)
        await self._house.gate.note(caller, "case.delete", case_id)

    async def row(self, caller: Caller, case_id: str) -> CaseRow:
        """Raises `NotFound` for a case that is none, and just so for one of another owner."""
        row = await asyncio.to_thread(self._house.register.case, case_id)
        if row is None or not (caller.sees_all or row.owner == caller.owner):
            if row is not None:
                await self._house.gate.note(caller, "refused", case_id, "not the owner")
            raise NotFound(NO_SUCH_CASE)
        return row

    async def list(self, caller: Caller, limit: int, offset: int) -> tuple[CaseSummary, ...]:
        rows = await asyncio.to_thread(self._house.register.cases, None if caller.sees_all else caller.owner, limit, offset)
        await self._house.gate.note(caller, "case.list")
        return tuple([self.summary(row, await self._stopped(row)) for row in rows])

    async def view(self, caller: Caller, case_id: str) -> CaseView:
        row = await self.row(caller, case_id)
        conversation = await self.conversation(case_id)
        await self._house.gate.note(caller, "case.view", case_id)
        if conversation is None:
            return CaseView(summary=self.summary(row, False), inputs=(), replies=(), pending=None)
        return CaseView(
            summary=self.summary(row, conversation.interrupted),
            inputs=tuple(_said(turn) for turn in conversation.inputs),
            replies=conversation.replies,
            pending=conversation.pending,
        )

    async def report(self, case_id: str) -> CaseReport | None:
        """The last report of a case; None before the first."""
        conversation = await self.conversation(case_id)
        return conversation.replies[-1].report if conversation is not None and conversation.replies else None

    async def conversation(self, case_id: str) -> Conversation | None:
        """What was said and answered; None before the first turn was.

        Raises `ConversationError` for a case that was answered and cannot be read, such as one of another version of Fovea.
        """
        try:
            return await self._house.conversations.view(case_id)
        except ConversationError:
            row = await asyncio.to_thread(self._house.register.case, case_id)
            if row is not None and row.turns:
                raise
            return None

    def summary(self, row: CaseRow, interrupted: bool) -> CaseSummary:
        running = self._house.pool.running(row.case_id)
        state: State = "idle" if row.turns else "new"
        if running is not None:
            state = "running" if running.started else "waiting"
        elif interrupted:
            state = "interrupted"
        elif row.problem:
            state = "failed"
        return CaseSummary(**row.model_dump(), state=state)

    async def take_up(self) -> tuple[Unsettled, ...]:
        """Walks on what an earlier process had accepted and not settled. Returns what found no place yet, for `take_up_later`."""
        unsettled = await asyncio.to_thread(self._house.register.unsettled)
        for number, left in enumerate(unsettled):
            try:
                await self._take_up(left)
            except Overloaded:
                return unsettled[number:]
        return ()

    async def take_up_later(self, unsettled: Sequence[Unsettled]) -> None:
        """Takes them up one by one, as places become free."""
        for left in unsettled:
            while True:
                try:
                    await self._take_up(left)
                    break
                except Overloaded as error:
                    await asyncio.sleep(error.retry_after or 1.0)

    async def _take_up(self, left: Unsettled) -> None:
        """Raises `Overloaded` alone: one case that cannot be read must not keep the service from starting."""
        settle = self._house.register.settle
        try:
            conversation = await self.conversation(left.case_id)
            turn = _unfinished(left, conversation)
        except (FoveaError, ValidationError):
            await asyncio.to_thread(settle, left.case_id, problem=UNREADABLE)
            return
        answered = len(conversation.replies) if conversation is not None else 0
        if conversation is not None and answered > left.earlier and not conversation.interrupted:
            await self._settle(left.case_id, conversation.replies[-1])
        elif turn is None and (conversation is None or not conversation.interrupted):
            await asyncio.to_thread(settle, left.case_id)
        else:
            with suppress(Conflict, Draining):  # its owner was quicker; or the next process takes it up
                self._launch(left.case_id, turn)

    async def _stopped(self, row: CaseRow) -> bool:
        # Asked only where it can be so: a list of cases is not worth reading every conversation.
        if row.turns and not row.problem:
            return False
        try:
            conversation = await self.conversation(row.case_id)
        except ConversationError:
            return False  # it cannot be read; opening it says so
        return conversation is not None and conversation.interrupted

    async def _input(self, caller: Caller, owner: str, given: TurnGiven) -> TurnInput:
        """The turn with its images in the store. Raises `InputError` for one that says nothing, `NotFound` for another's image."""
        if not (given.text.strip() or given.images or given.unknown):
            raise InputError("the turn is empty: give a text, an image, or both")
        if given.unknown and (given.text.strip() or given.images or given.options):
            raise InputError("a turn that says 'not known' says nothing else: leave text, images and options out, or unknown")
        limit = self._house.settings.intake.max_images
        if len(given.images) > limit:
            raise InputError(f"{len(given.images)} images given; at most {limit} a turn (intake.max_images)")
        images = [await self._image(caller, owner, image) for image in given.images]
        return TurnInput(text=given.text, images=tuple(ImageInput(sha256=s) for s in images), options=given.options, unknown=given.unknown)

    async def _image(self, caller: Caller, owner: str, image: str) -> str:
        if len(image) == 64 and set(image) <= set("0123456789abcdef"):
            for holder in dict.fromkeys((caller.owner, owner)):
                if await asyncio.to_thread(self._house.register.holds, holder, image):
                    return image
            raise NotFound(f"you have uploaded no image {image[:12]}...: POST it to /api/images first")
        data = from_data_url(image, self._house.settings.intake.max_image_bytes)
        return (await self._house.keep_image(caller, data)).sha256

    async def _start(self, row: CaseRow, turn: TurnInput | None, earlier: int = 0) -> Running:
        images: Sequence[str] = [i.sha256 for i in turn.images if i.sha256 is not None] if turn is not None else []
        text = turn.model_dump_json() if turn is not None else ""
        if row.case_id in self._starting:
            raise Conflict("this case has a turn that has not ended: wait for its reply, or cancel it")
        self._starting.add(row.case_id)
        try:
            self._house.pool.check(row.case_id)
            accepted = await asyncio.to_thread(self._house.register.accept, row.case_id, text, images, earlier)
            if not accepted or row.case_id in self._house.going:
                raise NotFound(NO_SUCH_CASE)
            return self._launch(row.case_id, turn)
        finally:
            self._starting.discard(row.case_id)

    def _launch(self, case_id: str, turn: TurnInput | None) -> Running:
        async def work(hear: OnEvent) -> Reply:
            if turn is None:
                return await self._house.conversations.resume(case_id, hear)
            return await self._house.conversations.say(case_id, turn, hear)

        return self._house.pool.start(case_id, work, self._ended)

    async def _ended(self, running: Running) -> None:
        assert running.walk is not None
        if running.walk.cancelled():
            # Stopped for a restart: it stays unsettled, so that the next process takes it up. Stopped by its owner: theirs to resume.
            if running.stopping != "draining":
                await asyncio.to_thread(self._house.register.settle, running.name)
            return
        error = running.walk.exception()
        if error is None:
            await self._settle(running.name, running.walk.result())
            return
        problem = " ".join(str(error).split()) if isinstance(error, FoveaError) else "the service failed; its log says where"
        await asyncio.to_thread(self._house.register.settle, running.name, problem=problem)

    async def _settle(self, case_id: str, reply: Reply) -> None:
        report = reply.report
        headline = report.diagnosis.name if report.diagnosis is not None else OUTCOMES.get(report.outcome, report.outcome)
        settle = self._house.register.settle
        await asyncio.to_thread(settle, case_id, turns=reply.turn, headline=headline, urgency=report.triage.urgency)


def _unfinished(left: Unsettled, conversation: Conversation | None) -> TurnInput | None:
    """What to do about a turn that was not settled: None to resume it, or the turn to be said, when no walk had begun."""
    if not left.turn or (conversation is not None and conversation.interrupted):
        return None
    return TurnInput.model_validate_json(left.turn)


def _said(turn: TurnInput) -> Said:
    images = tuple(i.sha256 for i in turn.images if i.sha256 is not None)
    return Said(text=turn.text, images=images, options=turn.options, unknown=turn.unknown)
