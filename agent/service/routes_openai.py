"""/v1: the endpoint that speaks OpenAI's protocol, for clients that know no other. Nothing of a chat is kept."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Literal, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from agent.conversation.values import OnEvent, Reply, TurnInput
from agent.errors import FoveaError, InputError
from agent.service.access import Caller, Changing, Reading
from agent.service.chat import Chat, read
from agent.service.footnotes import markdown
from agent.service.house import House
from agent.service.problems import INTERNAL, MEANINGS, NotFound, problem_of, status_of
from agent.service.running import Running
from agent.service.schemas_openai import (
    Answered,
    ChatRequest,
    ChatResponse,
    ChatUsage,
    Choice,
    Chunk,
    ChunkChoice,
    Delta,
    Model,
    ModelList,
    OpenAIErrorBody,
)
from agent.service.telling import openai_error
from agent.service.uploads import from_data_url

router = APIRouter(
    prefix="/v1",
    tags=["openai"],
    responses={s: {"model": OpenAIErrorBody, "description": MEANINGS[s]} for s in (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503)},
)
PIECE = 240
"""Characters of an answer sent at once."""
HEARTBEAT = b": still here\n\n"


@router.get("/models")
async def models(request: Request, _: Reading) -> ModelList:
    """The models offered: who may reason about a case."""
    return ModelList(data=tuple(Model(id=name) for name in cast(House, request.app.state.house).models))


@router.post(
    "/chat/completions",
    response_model=ChatResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The report, whole or streamed."}},
)
async def complete(request: Request, caller: Changing, given: ChatRequest) -> Response:
    """Answer a chat: all that its user messages say and show is one case. Citations come as footnotes with their quotes."""
    house = cast(House, request.app.state.house)
    if given.model not in house.models:
        raise NotFound(f"there is no model {given.model[:60]!r} here: one of {', '.join(house.models)}")
    chat = read(given)
    answer = _Answering(house, given.model, chat)
    running = await answer.start(caller)
    if given.stream:
        usage = given.stream_options is not None and bool(given.stream_options.include_usage)
        return StreamingResponse(answer.chunks(running, usage), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    leaving = asyncio.create_task(_left(request))
    replying = asyncio.create_task(running.reply())
    try:
        await asyncio.wait((leaving, replying), return_when=asyncio.FIRST_COMPLETED)
        if not replying.done():
            # Nobody is there to read the answer, and nothing of it is kept.
            await house.pool.stop(running.name)
        return Response(answer.whole(await replying).model_dump_json(), media_type="application/json")
    finally:
        leaving.cancel()


class _Answering:
    """One chat on its way to its answer."""

    def __init__(self, house: House, model: str, chat: Chat) -> None:
        self._house, self._model, self._chat = house, model, chat
        self._stateless = house.models[model]
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    async def start(self, caller: Caller) -> Running:
        """Raises what `Pool.check` raises, and `ImageError` for an image that is none."""
        self._house.pool.check()
        limits = self._house.settings.intake
        if len(self._chat.images) > limits.max_images:
            raise InputError(f"{len(self._chat.images)} images given; at most {limits.max_images} a conversation (intake.max_images)")
        data = [from_data_url(url, limits.max_image_bytes) for url in self._chat.images]
        self._house.gate.may_upload(caller)
        self._house.gate.uploaded(caller, sum(map(len, data)))
        async with self._house.decoding:
            images = await self._stateless.images(data)
        turns = [TurnInput(text=self._chat.facts, images=images)]
        if self._chat.question:
            turns.append(TurnInput(text=self._chat.question))

        async def work(hear: OnEvent) -> Reply:
            return await self._stateless.answer(turns, hear)

        async def ended(running: Running) -> None:
            self._house.pool.forget(running.name)

        running = self._house.pool.start(self._id, work, ended)
        await self._house.gate.note(caller, "chat", self._id)
        return running

    def whole(self, reply: Reply) -> ChatResponse:
        return ChatResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(Choice(message=Answered(content=self._text(reply))),),
            usage=_usage(reply),
            system_fingerprint=self._stateless.fingerprint,
        )

    async def chunks(self, running: Running, usage: bool) -> AsyncIterator[bytes]:
        """Server-sent events as OpenAI sends them: the stages as reasoning, then the answer in pieces."""
        try:
            yield self._chunk(Delta(role="assistant", content=""))
            async for moment in running.run.listen(heartbeat=self._house.settings.service.heartbeat_seconds):
                if moment is None:
                    yield HEARTBEAT
                elif moment.name == "stage_started":
                    yield self._chunk(Delta(reasoning_content=json.loads(moment.data)["stage"] + "\n"))
            try:
                reply = await running.reply()
            except FoveaError as error:
                yield _data(openai_error(status_of(error), problem_of(error)))
                return
            except Exception:  # noqa: BLE001 - logged where it was caught first; here it is told
                yield _data(openai_error(500, INTERNAL))
                return
            text = self._text(reply)
            for start in range(0, len(text), PIECE):
                yield self._chunk(Delta(content=text[start : start + PIECE]))
            yield self._chunk(Delta(), "stop")
            if usage:
                yield self._chunk(None, usage=_usage(reply))
            yield b"data: [DONE]\n\n"
        finally:
            # A client that went away wants no answer.
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._house.pool.stop(running.name))

    def _text(self, reply: Reply) -> str:
        return markdown(reply) + (f"\n\n*{self._chat.note}*" if self._chat.note else "")

    def _chunk(self, delta: Delta | None, finish: Literal["stop"] | None = None, usage: ChatUsage | None = None) -> bytes:
        chunk = Chunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(ChunkChoice(delta=delta, finish_reason=finish),) if delta is not None else (),
            usage=usage,
            system_fingerprint=self._stateless.fingerprint,
        )
        return _data(chunk.model_dump(mode="json", exclude_none=True))


def _data(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


def _usage(reply: Reply) -> ChatUsage:
    used = reply.report.usage
    total = used.prompt_tokens + used.completion_tokens
    return ChatUsage(prompt_tokens=used.prompt_tokens, completion_tokens=used.completion_tokens, total_tokens=total)


async def _left(request: Request) -> None:
    """Ends when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
