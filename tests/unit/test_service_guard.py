"""What no request gets past: hosts that are not ours, other sites' scripts, bodies that are too long or too slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from agent.service.guard import Guard


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def broken(request: Request) -> PlainTextResponse:
    raise ValueError("the narrative of a patient")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.add_api_route("/api/echo", echo, methods=["GET", "POST"])
    app.add_api_route("/page", echo, methods=["GET"])
    app.add_api_route("/api/broken", broken)
    app.add_middleware(Guard, hosts=("eye.example",), origins=("https://chat.example",), most=lambda path: 1000, idle=0.2, whole=0.5)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "[::1]:8080", "eye.example", "EYE.example:443", "127.8.0.1"])
async def test_hosts_that_are_ours(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/api/echo", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "eye.example.evil", "evil@127.0.0.1", "[::1", "", "10.0.0.1", "localhost:1:2"])
async def test_a_rebound_name_is_refused(client: httpx.AsyncClient, host: str) -> None:
    answer = await client.get("/api/echo", headers={"Host": host})
    assert answer.status_code == 403
    assert "ALLOWED_HOSTS" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:8080"}, 200),
        ({"Origin": "https://chat.example"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_another_sites_script_changes_nothing(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    assert (await client.post("/api/echo", headers=headers, content=b"x")).status_code == status


async def test_headers_of_every_answer(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/api/echo"), await client.get("/api/none"), await client.get("/api/echo", headers={"Host": "evil"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert "content-security-policy" not in (await client.get("/page")).headers


async def test_a_long_body_is_refused_by_its_length_before_it_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/echo", content=b"x" * 1001)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert (await client.post("/api/echo", content=b"x" * 1000)).text == "1000"


async def test_a_body_of_untold_length_is_cut_where_it_grows_too_long(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100_000:
            sent += 100
            yield b"x" * 100

    answer = await client.post("/api/echo", content=endless())
    assert answer.status_code == 413
    assert sent <= 1200, "what is refused is not read on"


@pytest.mark.parametrize(("pause", "pieces"), [(5.0, 2), (0.1, 100)], ids=["silent", "trickling"])
async def test_a_slow_body_is_given_up(client: httpx.AsyncClient, pause: float, pieces: int) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(pieces):
            yield b"x"
            await asyncio.sleep(pause)

    began = time.monotonic()
    answer = await client.post("/api/echo", content=slow())
    assert answer.status_code == 408
    assert time.monotonic() - began < 2


async def test_a_defect_is_told_and_logged_without_its_words(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = await client.get("/api/broken")
    assert answer.status_code == 500
    assert "patient" not in answer.text
    assert "ValueError" in caplog.text
    assert "patient" not in caplog.text


async def test_a_web_socket_of_another_site_is_closed() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("reached")

    async def send(message: Any) -> None:
        sent.append(message)

    guarded = Guard(app, hosts=(), origins=(), most=lambda path: 1, idle=1, whole=1)
    scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"127.0.0.1:1"), (b"origin", b"http://evil.example")]}
    await guarded(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["type"] == "websocket.close"
