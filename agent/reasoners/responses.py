"""A chat completion read into plain values. Servers leave fields out or send null or NaN; none of it raises here."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openai.types.chat import ChatCompletion

from agent.domain import Usage
from agent.token_entropy import Token
from tools.entropy_tap.coding import beside, decode, tapped


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: its text, its tokens (empty without log-probabilities), and whether the token limit ended it."""

    text: str
    tokens: tuple[Token, ...]
    cut_off: bool


def responses(completion: ChatCompletion, tap_at: float | None = None) -> tuple[Response, ...]:
    """All answers of a completion, in order. The client library does not validate, so every field may be missing.

    `tap_at`: the temperature, where the entropy tap was asked for. An answer that lacks its mark in any token is read as an ordinary one.
    """
    return tuple(
        Response(
            text=_printable(getattr(getattr(choice, "message", None), "content", None) or ""),
            tokens=_tokens(getattr(getattr(choice, "logprobs", None), "content", None) or (), tap_at),
            cut_off=getattr(choice, "finish_reason", None) == "length",
        )
        for choice in completion.choices
    )


def usage(completion: ChatCompletion) -> Usage:
    """One request and the tokens the server counted for it."""
    told = getattr(completion, "usage", None)
    details = getattr(told, "prompt_tokens_details", None)
    return Usage(
        requests=1,
        prompt_tokens=getattr(told, "prompt_tokens", None) or 0,
        cached_tokens=getattr(details, "cached_tokens", None) or 0,
        completion_tokens=getattr(told, "completion_tokens", None) or 0,
    )


def _printable(text: str) -> str:
    """Without control characters other than line breaks and tabs: a broken model emits them, and terminals and databases mind."""
    return "".join(character for character in text if character in "\n\t" or unicodedata.category(character) != "Cc")


def _tokens(told: Sequence[Any], tap_at: float | None) -> tuple[Token, ...]:
    plain = tuple(_token(token) for token in told)
    values = [token.logprob for token in plain]
    if tap_at is None or not tapped(values):
        return plain
    return tuple(
        Token(token.text, reading.logprob, _lifted(token, tap_at), reading.entropy)
        for token, reading in zip(plain, decode(values, tap_at), strict=True)
    )


def _lifted(token: Token, tap_at: float) -> tuple[tuple[str, float], ...]:
    logprobs = beside(token.logprob, (value for _, value in token.alternatives), tap_at)
    return tuple((text, logprob) for (text, _), logprob in zip(token.alternatives, logprobs, strict=True))


def _token(token: Any) -> Token:
    alternatives = getattr(token, "top_logprobs", None) or ()
    return Token(_text(token), _logprob(token), tuple((_text(each), _logprob(each)) for each in alternatives))


def _text(token: Any) -> str:
    return getattr(token, "token", None) or ""


def _logprob(token: Any) -> float:
    value = getattr(token, "logprob", None)
    return float(value) if isinstance(value, int | float) else math.nan
