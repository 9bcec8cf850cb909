"""A chat completion read into plain values. Servers leave fields out or send null or NaN; none of it raises here."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.domain import Usage
from agent.token_entropy import Token
from tools.entropy_tap.coding import beside, decode, tapped


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: its text, its tokens (empty without log-probabilities), and whether the token limit ended it."""

    text: str
    tokens: tuple[Token, ...]
    cut_off: bool


def responses(completion: Mapping[str, Any], tap_at: float | None = None) -> tuple[Response, ...]:
    """All answers of a completion, the JSON of a server as plain values, in order. Every field may be missing or be something else.

    `tap_at`: the temperature, where the entropy tap was asked for. An answer that lacks its mark in any token is read as an ordinary one.
    """
    return tuple(_response(choice, tap_at) for choice in _list(completion, "choices"))


def usage(completion: Mapping[str, Any]) -> Usage:
    """One request and the tokens the server counted for it."""
    told = _part(completion, "usage")
    return Usage(
        requests=1,
        prompt_tokens=_count(told, "prompt_tokens"),
        cached_tokens=_count(_part(told, "prompt_tokens_details"), "cached_tokens"),
        completion_tokens=_count(told, "completion_tokens"),
    )


def _response(choice: Any, tap_at: float | None) -> Response:
    text = _part(choice, "message").get("content")
    return Response(
        text=_printable(text) if isinstance(text, str) else "",
        tokens=_tokens(_list(_part(choice, "logprobs"), "content"), tap_at),
        cut_off=isinstance(choice, dict) and choice.get("finish_reason") == "length",
    )


def _part(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _list(value: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else ()


def _count(value: Mapping[str, Any], name: str) -> int:
    found = value.get(name)
    return found if isinstance(found, int) and found > 0 else 0


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
    if not token.alternatives:
        return ()
    logprobs = beside(token.logprob, (value for _, value in token.alternatives), tap_at)
    return tuple((text, logprob) for (text, _), logprob in zip(token.alternatives, logprobs, strict=True))


def _token(told: Any) -> Token:
    if not isinstance(told, dict):
        return Token("", math.nan)
    alternatives = told.get("top_logprobs")
    others = tuple((_text(each), _logprob(each)) for each in alternatives if isinstance(each, dict)) if isinstance(alternatives, list) else ()
    return Token(_text(told), _logprob(told), others)


def _text(told: Mapping[str, Any]) -> str:
    text = told.get("token")
    return text if isinstance(text, str) else ""


def _logprob(told: Mapping[str, Any]) -> float:
    value = told.get("logprob")
    return float(value) if isinstance(value, int | float) else math.nan
