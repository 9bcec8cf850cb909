"""A chat completion read into plain values. Servers leave fields out or send null or NaN; none of it raises here."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Any

from openai.types.chat import ChatCompletion

from agent.domain import Usage
from agent.token_entropy import Token


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: its text, its tokens (empty without log-probabilities), and whether the token limit ended it."""

    text: str
    tokens: tuple[Token, ...]
    cut_off: bool


def responses(completion: ChatCompletion) -> tuple[Response, ...]:
    """All answers of a completion, in order. The client library does not validate, so every field may be missing."""
    return tuple(
        Response(
            text=_printable(getattr(getattr(choice, "message", None), "content", None) or ""),
            tokens=tuple(_token(token) for token in getattr(getattr(choice, "logprobs", None), "content", None) or ()),
            cut_off=getattr(choice, "finish_reason", None) == "length",
        )
        for choice in completion.choices
    )


def usage(completion: ChatCompletion) -> Usage:
    """One request and the tokens the server counted for it; failed attempts before it are not counted."""
    told = getattr(completion, "usage", None)
    return Usage(
        requests=1,
        prompt_tokens=getattr(told, "prompt_tokens", None) or 0,
        completion_tokens=getattr(told, "completion_tokens", None) or 0,
    )


def _printable(text: str) -> str:
    """Without control characters other than line breaks and tabs: a broken model emits them, and terminals and databases mind."""
    return "".join(character for character in text if character in "\n\t" or unicodedata.category(character) != "Cc")


def _token(token: Any) -> Token:
    alternatives = getattr(token, "top_logprobs", None) or ()
    return Token(_text(token), _logprob(token), tuple((_text(each), _logprob(each)) for each in alternatives))


def _text(token: Any) -> str:
    return getattr(token, "token", None) or ""


def _logprob(token: Any) -> float:
    value = getattr(token, "logprob", None)
    return float(value) if isinstance(value, int | float) else math.nan
