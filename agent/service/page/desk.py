"""One open page: a case, what was said of it, and what is being walked now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from nicegui import background_tasks, events, ui

from agent.conversation.values import Reply
from agent.domain import DISCLAIMER
from agent.errors import FoveaError
from agent.evidence import Citation
from agent.service.access import Caller
from agent.service.cases import Cases
from agent.service.house import House
from agent.service.page import citations, exporting, messages
from agent.service.page.examples import Example, examples
from agent.service.page.image_panel import ImagePanel
from agent.service.page.summary_panel import RedFlagBand, SummaryPanel
from agent.service.problems import Forbidden, Unauthenticated
from agent.service.running import Running
from agent.service.schemas import TurnGiven

HINT = (
    "Write what the patient said and what was found, add photographs, and send. Then ask: why not another diagnosis, how soon, why unsure; "
    "or add what came back, and see what it changes."
)
SHOWN_WORDS = 280
"""Characters of a model's words shown while it writes."""


class Desk:
    """Lays the page out and answers its events. Every act asks anew who is asking: a key revoked meanwhile opens nothing more."""

    def __init__(self, house: House, cases: Cases, request: Request, case_id: str | None) -> None:
        self._house, self._cases, self._request, self._case_id = house, cases, request, case_id
        self._uploads: list[str] = []
        self._replies: list[Reply] = []
        self._following = False
        self._lay_out()

    async def load(self) -> None:
        """Shows a case that is there already, and follows a turn of it that is being walked."""
        if self._case_id is None:
            return
        caller = await self._caller()
        view = await self._cases.view(caller, self._case_id)
        self._hint.set_visibility(False)
        for number, turn in enumerate(view.inputs):
            with self._chat:
                messages.said(turn.text or ("(not known)" if turn.unknown else ""), len(turn.images))
            if number < len(view.replies):
                self._show_reply(view.replies[number])
        running = self._house.pool.running(self._case_id)
        if running is not None:
            background_tasks.create(self._follow(running))
        elif view.summary.state == "interrupted":
            with self._chat:
                messages.failed("This turn was stopped before its reply.", self._resume)

    def _lay_out(self) -> None:
        ui.html('<a class="fv-skip" href="#fv-say">Skip to the message field</a>', sanitize=False)
        with ui.element("header").classes("fv-head"):
            ui.html("Fovea", tag="h1")
            ui.label(f"Preliminary. {DISCLAIMER.partition('. ')[2]}").classes("fv-note").mark("disclaimer")
            for example in examples():
                ui.button(example.title, on_click=lambda _, e=example: self._example(e)).props("flat dense color=white no-caps")
            self._export = ui.button("Export", icon="download").props("flat dense color=white no-caps")
            with self._export, ui.menu():
                ui.menu_item("Markdown", lambda: self._save("md"))
                ui.menu_item("PDF", lambda: self._save("pdf"))
            self._export.set_visibility(False)
            ui.button("New case", on_click=lambda: ui.navigate.to("/")).props("flat dense color=white no-caps")
            if self._house.keys.ever():
                ui.button("Sign out", on_click=self._sign_out).props("flat dense color=white no-caps")
        self._band = RedFlagBand()
        with ui.element("main"):
            with ui.element("div").classes("fv-grid"):
                self._images = ImagePanel()
                self._talk()
            self._summary = SummaryPanel()

    def _talk(self) -> None:
        with ui.element("section").classes("fv-card fv-talk").props('aria-label="Conversation"'):
            ui.html("The case, talked through", tag="h2")
            self._chat = ui.element("div").classes("fv-chat").props('tabindex=0 role="log" aria-live="polite" aria-label="Conversation"')
            with self._chat:
                self._hint = ui.label(HINT).classes("fv-hint")
            self._stages = ui.element("div").classes("fv-stages").props('role="status" aria-label="Stages"').mark("stages")
            self._words = ui.label("").classes("fv-words")
            self._thumbs = ui.element("div").classes("fv-row")
            self._box = ui.textarea(placeholder="What the patient said and what was found; a new fact; or a question about the case")
            self._box.props('outlined autogrow input-class="fv-input" for="fv-say" aria-label="Message" maxlength=100000').classes("w-full")
            self._box.on("keydown.enter.exact.prevent", self._send)
            with ui.element("div").classes("fv-row mt-2"):
                limits = self._house.settings.intake
                upload = ui.upload(
                    multiple=True, auto_upload=True, max_file_size=limits.max_image_bytes, max_files=limits.max_images,
                    on_upload=self._uploaded, on_rejected=lambda: self._tell("This file is too large, or there are too many."),
                ).props('accept="image/*,.dcm,.tif,.tiff"').classes("fv-hidden")  # fmt: skip
                ui.button("Add images", icon="add_photo_alternate", on_click=lambda: upload.run_method("pickFiles")).props("outline no-caps")
                self._send_button = ui.button("Send", icon="send", on_click=self._send).props("unelevated no-caps")
                self._stop_button = ui.button("Stop", on_click=self._stop).props("outline color=negative no-caps")
                self._stop_button.set_visibility(False)

    async def _caller(self, *, changing: bool = False) -> Caller:
        caller = await self._house.gate.admit(self._request)
        if changing and caller.role == "reader":
            raise Forbidden("a reader's key may look and change nothing: ask for a clinician's")
        return caller

    async def _guarded(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """The act's result; what it refuses is told on the page, and a sign-in that ended leads to the sign-in."""
        try:
            return await act()
        except Unauthenticated:
            ui.navigate.to("/sign-in")
        except FoveaError as error:
            self._tell(str(error))
        return None

    def _tell(self, problem: str) -> None:
        with self._chat:
            messages.failed(problem)
        self._to_the_end()

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        async def keep() -> None:
            caller = await self._caller(changing=True)
            self._house.gate.may_upload(caller)
            reference = await self._house.keep_image(caller, await event.file.read())
            self._uploads.append(reference.sha256)
            with self._thumbs:
                ui.image(f"/api/images/{reference.sha256}").classes("fv-thumb").style("width:60px").props('alt="image to be sent"')

        await self._guarded(keep)

    async def _example(self, example: Example) -> None:
        async def open_it() -> None:
            caller = await self._caller(changing=True)
            data = await asyncio.to_thread(example.image.read_bytes)
            reference = await self._house.keep_image(caller, data)
            self._uploads = [reference.sha256]
            self._box.value = example.narrative
            await self._said(TurnGiven(text=example.narrative, images=(reference.sha256,)))

        if self._case_id is not None:
            ui.navigate.to(f"/?example={example.name}")
            return
        await self._guarded(open_it)

    async def open_example(self, name: str) -> None:
        """The example of this name, where there is one."""
        found = next((example for example in examples() if example.name == name), None)
        if found is not None and self._case_id is None:
            await self._example(found)

    async def _send(self) -> None:
        text = (self._box.value or "").strip()
        if not text and not self._uploads:
            return
        await self._guarded(lambda: self._said(TurnGiven(text=text, images=tuple(self._uploads))))

    async def _unknown(self) -> None:
        await self._guarded(lambda: self._said(TurnGiven(unknown=True)))

    async def _said(self, given: TurnGiven) -> None:
        caller = await self._caller(changing=True)
        if self._following:
            raise Forbidden("the last turn is still being answered: wait for it, or stop it")
        row, running = await (self._cases.open(caller, given) if self._case_id is None else self._cases.say(caller, self._case_id, given))
        if self._case_id is None:
            self._case_id = row.case_id
            ui.run_javascript(f"history.replaceState(null, '', {json.dumps(f'/case/{row.case_id}')})")
        self._box.value = ""
        self._uploads = []
        self._thumbs.clear()
        self._hint.set_visibility(False)
        with self._chat:
            messages.said(given.text or ("Not known" if given.unknown else ""), len(given.images))
        self._to_the_end()
        background_tasks.create(self._follow(running))

    async def _stop(self) -> None:
        async def stop() -> None:
            if self._case_id is not None:
                await self._cases.cancel(await self._caller(changing=True), self._case_id)

        await self._guarded(stop)

    async def _resume(self) -> None:
        async def resume() -> None:
            assert self._case_id is not None
            _, running = await self._cases.resume(await self._caller(changing=True), self._case_id)
            background_tasks.create(self._follow(running))

        await self._guarded(resume)

    async def _follow(self, running: Running) -> None:
        """Shows the events of a turn until its end."""
        with self._chat:
            self._busy(True)
            async for moment in running.run.listen():
                if moment is None:
                    continue
                data = json.loads(moment.data)
                if moment.name == "waiting":
                    self._stage(f"waiting, {data['ahead']} before it")
                elif moment.name == "stage_started":
                    self._stage(data["stage"])
                elif moment.name == "text":
                    self._words.text = data["text"][-SHOWN_WORDS:]
                elif moment.name == "reply":
                    self._show_reply(Reply.model_validate_json(moment.data))
                elif moment.name == "failed":
                    self._tell(f"This turn could not be answered: {data.get('message') or data.get('detail') or 'the service failed'}")
                elif moment.name == "stopped":
                    with self._chat:
                        messages.failed("This turn was stopped.", self._resume)
            self._busy(False)

    def _busy(self, busy: bool) -> None:
        self._following = busy
        self._stages.clear()
        self._words.text = ""
        self._stop_button.set_visibility(busy)
        self._send_button.set_enabled(not busy)

    def _stage(self, name: str) -> None:
        for element in self._stages.default_slot.children:
            element.classes(remove="now")
        with self._stages:
            ui.label(name).classes("fv-stage now")

    def _show_reply(self, reply: Reply) -> None:
        self._replies.append(reply)
        with self._chat:
            messages.replied(reply, self._cite, self._unknown if reply.question is not None else None)
        self._band.show(reply.report)
        self._images.show(self._case_id or "", reply.report.images)
        self._summary.show(reply.report)
        self._export.set_visibility(True)
        self._to_the_end()

    async def _cite(self, citation: Citation) -> None:
        async def open_it() -> None:
            await self._caller()
            with self._chat:
                await citations.show(citation, self._house.deps.retriever)

        await self._guarded(open_it)

    async def _save(self, kind: str) -> None:
        async def save() -> None:
            await self._caller()
            assert self._case_id is not None
            if kind == "md":
                ui.download.content(exporting.markdown(self._replies), f"{self._case_id}.md", "text/markdown")
            else:
                data = await asyncio.to_thread(exporting.pdf, self._replies, self._house.deps.images)
                ui.download.content(data, f"{self._case_id}.pdf", "application/pdf")

        await self._guarded(save)

    async def _sign_out(self) -> None:
        await ui.run_javascript("await fetch('/api/session', {method: 'DELETE'})", timeout=5)
        ui.navigate.to("/sign-in")

    def _to_the_end(self) -> None:
        """The beginning of the last message into view: what matters most of an answer stands there."""
        ui.run_javascript(
            "setTimeout(() => { const c = document.querySelector('.fv-chat'), m = c && c.querySelectorAll(':scope > .fv-msg'); "
            "if (m && m.length) c.scrollTop = m[m.length - 1].offsetTop - c.offsetTop - 4; }, 80)"
        )
