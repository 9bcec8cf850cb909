"""A streamed chat completion put together again."""

from __future__ import annotations

from typing import Any

from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk, ChatCompletionTokenLogprob

from agent.reasoners.listening import Listener


class BrokenStream(Exception):
    """The stream ended before the server said that the answer was complete: nothing of it is kept."""


async def gathered(stream: AsyncStream[ChatCompletionChunk], listener: Listener) -> dict[str, Any]:
    """The whole completion of one choice, as the JSON of an unstreamed request. Raises `BrokenStream`.

    `listener` hears the text so far after every piece.
    """
    text, finish, told, identity = "", None, None, ("", "")
    tokens: list[ChatCompletionTokenLogprob] = []
    async for chunk in stream:
        identity = (chunk.id or identity[0], chunk.model or identity[1])
        told = chunk.usage or told
        for choice in chunk.choices or ():
            piece = getattr(choice.delta, "content", None) or ""
            tokens += getattr(choice.logprobs, "content", None) or ()
            finish = choice.finish_reason or finish
            if piece:
                text += piece
                listener(text)
    if finish is None:
        raise BrokenStream
    return {
        "id": identity[0],
        "model": identity[1],
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text},
                "logprobs": {"content": [token.to_dict() for token in tokens]} if tokens else None,
            }
        ],
        "usage": told.to_dict() if told else None,
    }
