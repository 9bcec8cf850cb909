"""Finds out whether a server has the entropy tap (`tools.entropy_tap`), with one short prompt."""

from __future__ import annotations

from typing import Any, NamedTuple

import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from agent.reasoners.responses import responses
from tools.entropy_tap.coding import ARGUMENT, COLDEST

ASK: dict[str, Any] = {"vllm_xargs": {ARGUMENT: 1}}
"""What a request adds to its body to ask for the tap."""
PROMPT = "Name one part of the eye."
TOKENS = 4


class TapAnswer(NamedTuple):
    """Whether the server taps, and in one line why not."""

    there: bool
    why: str = ""


def bears(temperature: float) -> bool:
    """Whether answers sampled at this temperature can be asked for with the tap."""
    return temperature == 0 or temperature >= COLDEST


async def detect(client: AsyncOpenAI, model: str) -> TapAnswer:
    """Asks one self-test prompt. Raises what the client raises, but for a server that refuses the request: that one has no tap."""
    try:
        completion = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": PROMPT}],
            temperature=0,
            max_tokens=TOKENS,
            logprobs=True,
            top_logprobs=0,
            extra_body=ASK,
        )
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        return TapAnswer(False, f"the server refuses the request for it ({error.status_code})")
    answers = responses(completion.to_dict(), tap_at=0.0) if isinstance(completion, ChatCompletion) else ()
    tokens = answers[0].tokens if answers else ()
    if not tokens:
        return TapAnswer(False, "the server returns no log-probabilities")
    if any(token.entropy is None for token in tokens):
        return TapAnswer(False, "its log-probabilities do not bear the tap's mark")
    return TapAnswer(True)
