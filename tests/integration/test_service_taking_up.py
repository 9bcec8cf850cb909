"""What an earlier process had accepted and not answered: all of it is, however little room there is, and whatever state it was left in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
from fastapi import FastAPI

from agent.conversation.values import TurnInput
from agent.deps import Deps
from agent.service.register import Register
from tests.serving import TEXT, application

Make = Callable[..., Deps]


def left_behind(app: FastAPI, *turns: str) -> list[str]:
    """Cases with an accepted turn of which nothing was walked, as a killed process leaves them."""
    register: Register = app.state.house.register
    ids = []
    for turn in turns:
        ids.append(register.open("local").case_id)
        assert register.accept(ids[-1], turn, (), 0)
    return ids


async def settled(client: httpx.AsyncClient, ids: list[str]) -> dict[str, str]:
    for _ in range(500):
        states = {c["case_id"]: c["state"] for c in (await client.get("/api/cases")).json()["cases"]}
        if not {"running", "waiting", "new"} & {states[case_id] for case_id in ids}:
            return states
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


async def test_more_turns_than_places_are_all_taken_up(quick: Make) -> None:
    app = application(quick(), turns_at_once=1, turns_waiting=1)
    turn = TurnInput(text=TEXT).model_dump_json()
    ids = left_behind(app, *[turn] * 6)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        assert set((await settled(client, ids)).values()) == {"idle"}
        for case_id in ids:
            assert len((await client.get(f"/api/cases/{case_id}")).json()["replies"]) == 1
        assert app.state.house.register.unsettled() == ()


async def test_a_turn_that_cannot_be_read_keeps_no_other_and_says_so(quick: Make) -> None:
    app = application(quick())
    broken, resumption, good = left_behind(app, '{"words": "of another version"}', "", TurnInput(text=TEXT).model_dump_json())
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        states = await settled(client, [broken, good])
        assert (states[broken], states[resumption], states[good]) == ("failed", "new", "idle")
        assert "say it again" in (await client.get(f"/api/cases/{broken}")).json()["summary"]["problem"]
        assert app.state.house.register.unsettled() == ()


async def test_a_turn_that_was_answered_just_before_the_end_is_settled(quick: Make) -> None:
    app = application(quick())
    house = app.state.house
    (case_id,) = left_behind(app, TurnInput(text=TEXT).model_dump_json())
    await house.conversations.say(case_id, TurnInput(text=TEXT))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        summary = (await client.get(f"/api/cases/{case_id}")).json()["summary"]
        assert (summary["state"], summary["turns"]) == ("idle", 1)
        assert summary["headline"]
        assert house.register.unsettled() == ()
