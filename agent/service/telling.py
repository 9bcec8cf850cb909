"""Errors as answers: in Fovea's own form, and in OpenAI's under /v1, whose clients read no other."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from agent.errors import FoveaError
from agent.service.problems import INTERNAL, Problem, ProblemBody, headers_of, problem_of, status_of

log = logging.getLogger("fovea.service")
OPENAI_PATH = "/v1/"
PROBLEMS_SHOWN = 3


def told_to(path: str, error: FoveaError) -> JSONResponse:
    """The answer that tells an error to a client of this path."""
    return _response(path, status_of(error), problem_of(error), headers_of(error))


def openai_error(status: int, problem: Problem) -> dict[str, Any]:
    """An error in the form of OpenAI's API.

    >>> openai_error(429, Problem(code="overloaded", message="come back later", retryable=True))["error"]["type"]
    'rate_limit_error'
    """
    kinds = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = "invalid_api_key" if status == 401 else problem.code
    return {"error": {"message": problem.message, "type": kind, "param": None, "code": code}}


def install(app: FastAPI) -> None:
    """Every error of the application leaves it in one of the two forms."""

    @app.exception_handler(FoveaError)
    async def told(request: Request, error: FoveaError) -> JSONResponse:
        if status_of(error) >= 500:
            log.error("%s %s failed: %s", request.method, _route(request), type(error).__name__)
        return told_to(request.url.path, error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not echoed: it may be a narrative, and surrogates in it could not be written as JSON.
        parts = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()[:PROBLEMS_SHOWN]]
        message = "; ".join(parts).encode("utf-8", "replace").decode()
        return _response(request.url.path, 422, Problem(code="malformed", message=message))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        problem = Problem(code=f"http_{error.status_code}", message=str(error.detail))
        return _response(request.url.path, error.status_code, problem, dict(error.headers or {}))


def failed(scope: Scope, error: Exception) -> JSONResponse:
    """The answer to what nobody expected. The log gets its type and place, not its message: that may quote a narrative."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where is not None else "an unknown place"
    log.error("%s failed: %s at %s", scope.get("method", "?"), type(error).__name__, place)
    return _response(str(scope["path"]), 500, INTERNAL)


def _response(path: str, status: int, problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    body = openai_error(status, problem) if path.startswith(OPENAI_PATH) else ProblemBody(error=problem).model_dump()
    return JSONResponse(body, status, headers)


def _route(request: Request) -> str:
    """The path's pattern: a path itself names a case."""
    return str(getattr(request.scope.get("route"), "path", "an unknown path"))
