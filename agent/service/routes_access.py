"""/api/session: signing in and out of the page, and who is asking."""

from __future__ import annotations

import asyncio
from typing import cast

from fastapi import APIRouter, Request, Response

from agent.service.access import Caller, Reading
from agent.service.house import House
from agent.service.problems import Unauthenticated, responses
from agent.service.schemas import SignInGiven, Who
from agent.service.sessions import COOKIE

router = APIRouter(prefix="/api/session", tags=["access"], responses=responses(401, 403, 422, 429))


@router.get("")
async def who(request: Request, caller: Reading) -> Who:
    """Who is asking, and the token that goes with changes made under a sign-in."""
    house = cast(House, request.app.state.house)
    cookie = request.cookies.get(COOKIE, "")
    return Who(owner=caller.owner, role=caller.role, csrf=house.sessions.csrf(cookie) if cookie else "")


@router.post("", responses=responses(400, 408, 413))
async def sign_in(request: Request, response: Response, given: SignInGiven) -> Who:
    """Sign in with an API key: the answer sets a cookie that scripts cannot read and other sites do not send."""
    house = cast(House, request.app.state.house)
    key = await asyncio.to_thread(house.keys.check, given.key.strip())
    if key is None:
        house.metrics.refused.labels("key").inc()
        raise Unauthenticated("this API key is unknown, has expired or was revoked")
    opened = await asyncio.to_thread(house.sessions.open, key)
    await house.gate.note(Caller(key.key_id, key.owner, key.role, key), "sign_in")
    response.set_cookie(
        COOKIE, opened.cookie, expires=opened.expires, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return Who(owner=key.owner, role=key.role, csrf=opened.csrf, expires=opened.expires)


@router.delete("", status_code=204)
async def sign_out(request: Request, response: Response) -> None:
    """Sign out: the cookie opens nothing any more, whoever kept a copy. Needs no token: signing someone out gives nothing away."""
    house = cast(House, request.app.state.house)
    cookie = request.cookies.get(COOKIE, "")
    key = await asyncio.to_thread(house.sessions.key, cookie) if cookie else None
    if key is not None:
        await asyncio.to_thread(house.sessions.close, cookie)
        await house.gate.note(Caller(key.key_id, key.owner, key.role, key), "sign_out")
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
