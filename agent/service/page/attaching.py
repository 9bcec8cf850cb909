"""Puts the page on the application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from nicegui import ui
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.service.cases import Cases
from agent.service.guard import DATA_PATHS
from agent.service.house import House
from agent.service.page.desk import Desk
from agent.service.problems import NotFound, Unauthenticated

STYLE = (Path(__file__).parent / "style.css").read_text("utf-8")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""NiceGUI compiles templates in the browser, hence unsafe-eval; nothing is loaded from elsewhere."""
SIGN_IN = """
const key = document.querySelector('#fv-key').value;
const answer = await fetch('/api/session', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({key})});
if (answer.ok) location.href = '/'; else document.querySelector('#fv-refused').textContent = (await answer.json()).error?.message
  ?? 'This key is unknown, has expired or was revoked.';
"""


def attach(app: FastAPI) -> None:
    """Adds the pages `/`, `/case/…` and `/sign-in`. Once a process: NiceGUI has one set of pages."""
    house: House = app.state.house
    cases: Cases = app.state.cases

    @ui.page("/", title="Fovea")
    async def new_case(request: Request, example: str = "") -> None:
        await _desk(request, None, example)

    @ui.page("/case/{case_id}", title="Fovea · case")
    async def case(request: Request, case_id: str) -> None:
        await _desk(request, case_id)

    @ui.page("/sign-in", title="Fovea · sign in")
    async def sign_in() -> None:
        _dress()
        with ui.element("main").classes("w-full flex justify-center p-10"), ui.element("section").classes("fv-card w-96"):
            ui.html("Sign in to Fovea", tag="h1").classes("text-xl font-semibold mb-2")
            ui.label("Use the API key that whoever runs this service gave you.").classes("fv-caption")
            ui.input("API key", password=True).props('for="fv-key" autocomplete="current-password" outlined').classes("w-full")
            ui.html('<p id="fv-refused" role="alert" class="fv-caption" style="color:#a3150e"></p>', sanitize=False)
            ui.button("Sign in").props("unelevated").on("click", js_handler=f"async () => {{{SIGN_IN}}}")

    async def _desk(request: Request, case_id: str | None, example: str = "") -> None:
        _dress()
        try:
            await house.gate.admit(request)
        except Unauthenticated:
            ui.navigate.to("/sign-in")
            return
        desk = Desk(house, cases, request, case_id)
        try:
            await desk.load()
        except NotFound:
            ui.navigate.to("/")
        if example:
            await desk.open_example(example)

    ui.run_with(app, title="Fovea", language="en-GB", dark=False, show_welcome_message=False)
    app.add_middleware(_Policy)


def _dress() -> None:
    ui.colors(primary="#1f6f8b", negative="#a3150e")
    ui.add_css(STYLE)


class _Policy:
    """The content security policy of everything that is not data."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", POLICY)
            await send(message)

        page = scope["type"] == "http" and not scope["path"].startswith(DATA_PATHS)
        await self._app(scope, receive, dressed if page else send)
