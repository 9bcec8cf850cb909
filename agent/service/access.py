"""Who is asking: an API key, a signed-in page, or, while no key was ever made, the one local owner."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from agent.service.audit import Action, Audit
from agent.service.guard import SAFE, loopback
from agent.service.keys import LOCAL, Key, Keys, Role
from agent.service.limits import Limits
from agent.service.metrics import Metrics
from agent.service.problems import Forbidden, Overloaded, Unauthenticated
from agent.service.sessions import COOKIE, CSRF_HEADER, Sessions
from agent.settings import Service

REQUESTS, BYTES = "requests", "uploaded bytes"


@dataclass(frozen=True)
class Caller:
    """`actor` is what the audit log names: a key's id, or 'local'."""

    actor: str
    owner: str
    role: Role
    key: Key | None = None

    @property
    def sees_all(self) -> bool:
        return self.role == "admin"


LOCAL_CALLER = Caller(LOCAL, LOCAL, "admin")


class Gate:
    """Lets callers in, and counts what they ask."""

    def __init__(self, keys: Keys, sessions: Sessions, limits: Limits, audit: Audit, metrics: Metrics, settings: Service) -> None:
        self._keys, self._sessions, self._limits = keys, sessions, limits
        self._audit, self._metrics, self._settings = audit, metrics, settings

    async def admit(self, request: Request) -> Caller:
        """Raises `Unauthenticated`, `Forbidden` (a change without its token) or `Overloaded`."""
        caller = await asyncio.to_thread(self._known, request)
        if caller.key is not None:
            per_minute = caller.key.requests_per_minute or self._settings.requests_per_minute
            try:
                self._limits.ask(caller.key.key_id, REQUESTS, per_minute, 1)
            except Overloaded:
                self._metrics.refused.labels("key_limit").inc()
                raise
        return caller

    def may_upload(self, caller: Caller) -> None:
        """Raises `Overloaded` when the key has sent all it may for now."""
        if caller.key is not None:
            self._limits.ask(caller.key.key_id, BYTES, self._bytes(caller.key))

    def uploaded(self, caller: Caller, size: int) -> None:
        if caller.key is not None:
            self._limits.count(caller.key.key_id, BYTES, self._bytes(caller.key), size)

    async def note(self, caller: Caller, action: Action, subject: str = "", outcome: str = "done") -> None:
        """Writes the audit log; a request that cannot be written down is not answered."""
        await asyncio.to_thread(self._audit.note, caller.actor, caller.owner, caller.role, action, subject, outcome)

    def _bytes(self, key: Key) -> int:
        return key.upload_bytes_per_minute or self._settings.upload_bytes_per_minute

    def _known(self, request: Request) -> Caller:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        cookie = request.cookies.get(COOKIE, "")
        if not self._keys.ever():
            if request.client is None or not loopback(request.client.host):
                raise Unauthenticated("this service has no API keys, so it answers this machine alone: `fovea key add` makes one")
            # Clients of OpenAI's protocol must send some key; while there is none, any is as good as none.
            return LOCAL_CALLER
        if scheme.lower() == "bearer":
            key = self._keys.check(secret.strip())
            if key is None:
                self._metrics.refused.labels("key").inc()
                raise Unauthenticated("this API key is unknown, has expired or was revoked")
            return _caller(key)
        key = self._sessions.key(cookie) if cookie else None
        if key is None:
            self._metrics.refused.labels("key").inc()
            raise Unauthenticated("an API key is needed: send `Authorization: Bearer fov_...`, or sign in")
        if request.method not in SAFE and not self._sessions.may_change(cookie, request.headers.get(CSRF_HEADER, "")):
            raise Forbidden(f"a change under a sign-in needs its token in the header {CSRF_HEADER}")
        return _caller(key)


def _caller(key: Key) -> Caller:
    return Caller(key.key_id, key.owner, key.role, key)


_BEARER = HTTPBearer(auto_error=False, description="An API key, `fov_...`; none is needed on loopback while none was ever made.")


async def reading(request: Request, _: Annotated[object, Depends(_BEARER)]) -> Caller:
    gate: Gate = request.app.state.house.gate
    return await gate.admit(request)


async def changing(request: Request, caller: Annotated[Caller, Depends(reading)]) -> Caller:
    if caller.role == "reader":
        gate: Gate = request.app.state.house.gate
        await gate.note(caller, "refused", request.scope["route"].path, "role")
        raise Forbidden("a reader's key may look and change nothing: ask for a clinician's")
    return caller


Reading = Annotated[Caller, Depends(reading)]
"""Anyone who is known."""
Changing = Annotated[Caller, Depends(changing)]
"""Anyone who is known and may change things."""
