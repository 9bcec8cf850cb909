"""What every request passes before the application sees it: whom it was meant for, who sent it here, and how much it may say.

Pure ASGI, so that bodies are counted while they stream in and answers stream out untouched.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.service.problems import Forbidden, ServiceError, TooLarge, TooSlow
from agent.service.telling import failed, told_to

HeaderPairs = tuple[tuple[str, str], ...]
SECURITY_HEADERS: HeaderPairs = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)
NOTHING_RUNS = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
"""For everything but the page: an image or a JSON text opened in a browser runs nothing."""
DATA_PATHS = ("/api/", "/v1/", "/metrics", "/healthz", "/readyz", "/openapi.json")
SAFE = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*)(?::\d{1,5})?")


class BrokenAnswer(Exception):
    """An answer that failed after it had begun. Holds nothing of what failed."""


class Guard:
    """`hosts`: names the service answers to; loopback always. `origins`: web sites that may write, besides its own.
    `most`: the largest body accepted at a path, in bytes. `idle` and `whole`: seconds of silence, and in all, while a body arrives."""

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str], origins: Iterable[str], most: Callable[[str], int], idle: float, whole: float
    ) -> None:
        self._app, self._most, self._idle, self._whole = app, most, idle, whole
        self._hosts = frozenset(h.lower().strip("[]") for h in hosts)
        self._origins = frozenset(o.lower().rstrip("/") for o in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._unasked(scope, headers)
        if scope["type"] == "websocket":
            if refusal is not None:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
                return
            await self._app(scope, receive, send)
            return
        guarded = _dressed(scope["path"], send)
        if refusal is None:
            refusal = _too_long(headers, self._most(scope["path"]))
        if refusal is not None:
            await _answer(refusal, scope, receive, guarded)
            return
        body = _Body(receive, self._most(scope["path"]), self._idle, self._whole)
        answer = _Answer(body, scope, receive, guarded)
        try:
            await self._app(scope, body.receive, answer.send)
        except ClientDisconnect:
            # Told so by `body` when it refuses; otherwise there is nobody left to answer.
            await answer.refuse()
        except Exception as error:  # noqa: BLE001 - the last resort: logged without its words and told as a failure, never printed whole
            if answer.started:
                # Half an answer cannot be taken back: the server closes the connection, and the client sees that it was cut.
                raise BrokenAnswer from None
            await failed(scope, error)(scope, receive, guarded)

    def _unasked(self, scope: Scope, headers: Headers) -> ServiceError | None:
        """Why a request is refused whatever it asks: it was meant for another host (a name an attacker points here), or another web
        site's script sent it (the browser says so)."""
        named = headers.get("host", "")
        match = _HOST.fullmatch(named)
        host = match.group(1).strip("[]").lower() if match else ""
        if not (loopback(host) or host in self._hosts):
            return Forbidden(f"this service is not {named[:80]!r}: name it in FOVEA_SERVICE__ALLOWED_HOSTS if it is reached that way")
        if scope["type"] == "http" and scope["method"] in SAFE:
            return None
        origin = headers.get("origin")
        if origin is None:
            return Forbidden("another web site asked for this") if headers.get("sec-fetch-site") == "cross-site" else None
        if origin.lower() in self._origins or _same(origin, named):
            return None
        return Forbidden(f"a page of {origin[:80]!r} may not change anything here: FOVEA_SERVICE__ALLOWED_ORIGINS lists who may")


class _Body:
    """Counts a body while it arrives. Once refused, `problem` says why, and what the application answers is not sent."""

    def __init__(self, receive: Receive, most: int, idle: float, whole: float) -> None:
        self._receive, self._most, self._idle, self._whole = receive, most, idle, whole
        self._seen, self.done, self._deadline = 0, False, 0.0
        self.problem: ServiceError | None = None

    async def receive(self) -> Message:
        if self.done:
            return await self._receive()
        if self.problem is not None:
            return {"type": "http.disconnect"}
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._whole
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, min(self._idle, self._deadline - now)))
        except TimeoutError:
            self.problem = TooSlow(f"the body did not arrive in time: no silence over {self._idle:g} s, {self._whole:g} s in all")
            return {"type": "http.disconnect"}
        self._seen += len(message.get("body", b""))
        self.done = message["type"] == "http.disconnect" or not message.get("more_body", False)
        if self._seen > self._most:
            self.problem = TooLarge(f"the body has more than the {self._most:,} bytes accepted here")
            self.done = False
            return {"type": "http.disconnect"}
        return message


class _Answer:
    """Sends what the application answers; once the body was refused, the refusal in its place."""

    def __init__(self, body: _Body, scope: Scope, receive: Receive, send: Send) -> None:
        self._body, self._scope, self._receive, self._send = body, scope, receive, send
        self.started = False

    async def send(self, message: Message) -> None:
        if self._body.problem is not None and not self.started:
            await self.refuse()
        elif self._body.problem is None:
            self.started = True
            if message["type"] == "http.response.start" and self._more_to_come():
                # Answered before the body has arrived: else the server would go on reading it, however long it is.
                MutableHeaders(scope=message)["Connection"] = "close"
            await self._send(message)

    def _more_to_come(self) -> bool:
        headers = Headers(scope=self._scope)
        has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        return has_body and not self._body.done

    async def refuse(self) -> None:
        if self._body.problem is not None and not self.started:
            self.started = True
            await _answer(self._body.problem, self._scope, self._receive, self._send)


async def _answer(problem: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    response: Response = told_to(scope["path"], problem)
    if isinstance(problem, TooLarge | TooSlow):
        # What is still to come is not read: the connection cannot be used again.
        response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _dressed(path: str, send: Send) -> Send:
    data = path.startswith(DATA_PATHS)

    async def dress(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in (*SECURITY_HEADERS, *((NOTHING_RUNS,) if data else ())):
                headers.setdefault(name, value)
            if data:
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return dress


def _too_long(headers: Headers, most: int) -> TooLarge | None:
    told = headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        return TooLarge(f"the body has {int(told):,} bytes; at most {most:,} are accepted here")
    return None


def loopback(host: str) -> bool:
    """
    >>> loopback("127.0.0.1"), loopback("::1"), loopback("localhost"), loopback("evil.example")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _same(origin: str, host: str) -> bool:
    """
    >>> _same("http://127.0.0.1:8080", "127.0.0.1:8080"), _same("http://127.0.0.1:9", "127.0.0.1:8080"), _same("null", "localhost")
    (True, False, False)
    """
    return urlsplit(origin).netloc.lower() == host.lower() and bool(host)
