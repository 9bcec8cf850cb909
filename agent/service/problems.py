"""What the service refuses, with its HTTP status, and how every error of Fovea is told to a caller.

ServiceError
├── Unauthenticated   401  no key, or one that is unknown, expired or revoked
├── Forbidden         403  the key's role does not allow it, or another web site asked
├── NotFound          404  no such thing, or none of the caller's
├── TooSlow           408  the body did not arrive in time
├── Conflict          409  the case is not in a state for it
├── TooLarge          413  the body is larger than accepted
├── Overloaded        429  too many turns wait, or too many requests of one key; `retry_after` seconds
└── Draining          503  the service is about to stop; `retry_after` seconds
"""

from __future__ import annotations

import math
from typing import Any

from agent.errors import ConversationError, FoveaError, InputError, ReasonerError, ReasonerUnreachable
from agent.values import Value


class ServiceError(FoveaError):
    status = 400
    code = "bad_request"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unauthenticated(ServiceError):
    status, code = 401, "unauthenticated"


class Forbidden(ServiceError):
    status, code = 403, "forbidden"


class NotFound(ServiceError):
    status, code = 404, "not_found"


class TooSlow(ServiceError):
    status, code, retryable = 408, "too_slow", True


class Conflict(ServiceError):
    status, code, retryable = 409, "conflict", True


class TooLarge(ServiceError):
    status, code = 413, "too_large"


class Overloaded(ServiceError):
    status, code, retryable = 429, "overloaded", True


class Draining(ServiceError):
    status, code, retryable = 503, "draining", True


class Problem(Value):
    """An error in words that say what to do. `retryable`: the same request may succeed later."""

    code: str
    message: str
    retryable: bool = False


class ProblemBody(Value):
    error: Problem


INTERNAL = Problem(code="internal", message="the service failed; its log says where", retryable=True)


def status_of(error: FoveaError) -> int:
    """The HTTP status an error is told with.

    >>> status_of(InputError("")), status_of(ReasonerUnreachable("")), status_of(NotFound(""))
    (400, 503, 404)
    """
    if isinstance(error, ServiceError):
        return error.status
    if isinstance(error, InputError):
        return 400
    if isinstance(error, ReasonerUnreachable):
        return 503
    if isinstance(error, ReasonerError):
        return 502
    return 409 if isinstance(error, ConversationError) else 500


def problem_of(error: FoveaError) -> Problem:
    """What a caller is told. Errors of Fovea name what is wrong with the caller's own input, so their words may be shown to the caller."""
    code = error.code if isinstance(error, ServiceError) else _snake(type(error).__name__)
    return Problem(code=code, message=" ".join(str(error).split()), retryable=error.retryable)


def headers_of(error: FoveaError) -> dict[str, str]:
    """`Retry-After` in whole seconds, at least 1, where a later try may succeed."""
    headers: dict[str, str] = {}
    if error.retryable:
        wait = error.retry_after if isinstance(error, ServiceError) and error.retry_after is not None else 1.0
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if status_of(error) == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors an operation may answer, for its OpenAPI description."""
    return {status: {"model": ProblemBody, "description": MEANINGS[status]} for status in statuses}


MEANINGS = {
    400: "The input cannot be used; the message says why.",
    401: "No API key, or one that is unknown, expired or revoked.",
    403: "The key's role does not allow this, or another web site asked for it.",
    404: "No such thing, or none of the caller's.",
    408: "The body did not arrive in time.",
    409: "The case is not in a state for this.",
    411: "The body's length cannot be told.",
    413: "The body is larger than accepted.",
    415: "The body is of a kind that is not read here.",
    422: "The body is not of the described shape.",
    429: "Too many turns wait, or too many requests of this key; `Retry-After` says when to come back.",
    500: "The service failed.",
    502: "The model gave no usable answer.",
    503: "The service is about to stop, or the model behind it does not answer; `Retry-After` says when to come back.",
}


def _snake(name: str) -> str:
    """
    >>> _snake("ReasonerUnreachable")
    'reasoner_unreachable'
    """
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
