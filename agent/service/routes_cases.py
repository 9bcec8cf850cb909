"""/api/cases: open, talk, listen, stop, resume, look, delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from agent.service.access import Changing, Reading
from agent.service.cases import Cases
from agent.service.house import House
from agent.service.problems import responses
from agent.service.register import CaseRow
from agent.service.running import Running
from agent.service.schemas import CaseList, CaseSummary, CaseView, TurnAccepted, TurnGiven

router = APIRouter(prefix="/api/cases", tags=["cases"], responses=responses(401, 403, 422, 429))
CaseId = Annotated[str, Path(pattern=r"^case-[0-9a-f]{32}$", description="the case's id, as it was given when it was opened")]
Wait = Annotated[bool, Query(description="answer with the reply, when there is one, instead of at once")]
TURN_ERRORS = responses(400, 404, 408, 409, 413, 500, 502, 503)


def _cases(request: Request) -> Cases:
    return cast(Cases, request.app.state.cases)


@router.post("", status_code=202, responses=TURN_ERRORS)
async def open_case(request: Request, response: Response, caller: Changing, given: TurnGiven, wait: Wait = False) -> TurnAccepted:
    """Open a case with its first turn. The turn is walked in the background: listen to its events, or wait for its reply."""
    row, running = await _cases(request).open(caller, given)
    return await _accepted(response, row, running, wait)


@router.get("")
async def list_cases(
    request: Request,
    caller: Reading,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> CaseList:
    """The caller's cases, the last changed first; an admin's list has everyone's."""
    return CaseList(cases=await _cases(request).list(caller, limit, offset))


@router.get("/{case_id}", responses=responses(404))
async def view_case(request: Request, caller: Reading, case_id: CaseId) -> CaseView:
    """A case with all that was said and answered."""
    return await _cases(request).view(caller, case_id)


@router.post("/{case_id}/turns", status_code=202, responses=TURN_ERRORS)
async def say(
    request: Request, response: Response, caller: Changing, case_id: CaseId, given: TurnGiven, wait: Wait = False
) -> TurnAccepted:
    """A further turn: a fact, an image, a question about the case, or the answer to the pending question."""
    row, running = await _cases(request).say(caller, case_id, given)
    return await _accepted(response, row, running, wait)


@router.post("/{case_id}/resume", status_code=202, responses=responses(404, 409, 500, 502, 503))
async def resume(request: Request, response: Response, caller: Changing, case_id: CaseId, wait: Wait = False) -> TurnAccepted:
    """Walk a turn that was stopped on from the stage it had reached."""
    row, running = await _cases(request).resume(caller, case_id)
    return await _accepted(response, row, running, wait)


@router.post("/{case_id}/cancel", responses=responses(404, 409))
async def cancel(request: Request, caller: Changing, case_id: CaseId) -> CaseSummary:
    """Stop the turn that is being walked. It can be resumed."""
    cases = _cases(request)
    await cases.cancel(caller, case_id)
    return (await cases.view(caller, case_id)).summary


@router.delete("/{case_id}", status_code=204, responses=responses(404))
async def delete(request: Request, caller: Changing, case_id: CaseId) -> None:
    """Delete a case for good: what was said and answered, every checkpoint, and its images where no other case uses them."""
    await _cases(request).delete(caller, case_id)


@router.get(
    "/{case_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: waiting, stage_started, stage_ended, route_taken, text, then one of reply, failed, stopped.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "No turn is being walked, and the events of the last are no longer kept: do not come back."},
        **responses(404),
    },
)
async def events(request: Request, caller: Reading, case_id: CaseId) -> Response:
    """The events of the turn that is being walked, or of the last one while they are kept; from the beginning, or after Last-Event-ID."""
    house = cast(House, request.app.state.house)
    await _cases(request).row(caller, case_id)
    run = house.pool.run(case_id)
    await house.gate.note(caller, "case.events", case_id)
    if run is None:
        return Response(status_code=204)
    last_seen = request.headers.get("last-event-id", "")

    async def wire() -> AsyncIterator[bytes]:
        async for moment in run.listen(last_seen, house.settings.service.heartbeat_seconds):
            yield run.wire(moment)

    return StreamingResponse(wire(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _accepted(response: Response, row: CaseRow, running: Running, wait: bool) -> TurnAccepted:
    # A caller who goes away while waiting does not stop the turn: its reply is in the case.
    reply = await asyncio.shield(running.reply()) if wait else None
    response.headers["Location"] = f"{router.prefix}/{row.case_id}"
    return TurnAccepted(case_id=row.case_id, events=f"{router.prefix}/{row.case_id}/events", reply=reply)
