"""The image with what was found on it: classes switched, lesions named on a click, zoomed by button or key."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nicegui import events, ui

from agent.imaging import ImageFindings
from agent.service.page import eye

ZOOMS = (100, 150, 200, 300, 400)


class ImagePanel:
    """Left half of the page. `show` replaces what it holds."""

    def __init__(self) -> None:
        self._case_id = ""
        self._images: Sequence[ImageFindings] = ()
        self._number, self._zoom = 0, 0
        self._chosen: int | None = None
        self._hidden: set[str] = set()
        self._view: ui.interactive_image | None = None
        with ui.element("section").classes("fv-card").props('aria-label="Images"'):
            self._root = ui.element("div")
        ui.keyboard(self._key, ignore=["input", "select", "button", "textarea"])
        self._draw()

    def show(self, case_id: str, images: Sequence[ImageFindings]) -> None:
        """The images of a case, with what the last report says of them."""
        if [i.image.sha256 for i in images] != [i.image.sha256 for i in self._images]:
            self._number, self._zoom = 0, 0
        self._case_id, self._images, self._chosen = case_id, images, None
        self._draw()

    def _draw(self) -> None:
        self._root.clear()
        with self._root:
            ui.html("What the eye shows", tag="h2")
            if not self._images:
                with ui.element("div").classes("fv-eye"), ui.element("div").classes("fv-empty"):
                    ui.icon("visibility", size="40px")
                    ui.label("No image yet. Add a fundus photograph beside the message, or open an example case.")
                return
            seen = self._images[self._number]
            if len(self._images) > 1:
                names = {n: f"Image {one.image.number}" for n, one in enumerate(self._images)}
                ui.toggle(names, value=self._number, on_change=self._turn).props('aria-label="Which image" dense')
            with ui.element("div").classes("fv-eye").props('tabindex=0 role="group" aria-label="Photograph; plus and minus zoom"'):
                self._view = ui.interactive_image(
                    f"/api/images/{seen.image.sha256}?case_id={self._case_id}", size=(seen.image.width, seen.image.height), sanitize=False
                )  # the SVG is ours: numbers and fixed words, nothing from a narrative or a file
                self._view.on("svg:pointerdown", self._clicked)
                # The component takes no text for its image, and a screen reader needs one.
                alt = json.dumps(eye.summary(seen))
                ui.run_javascript(f"setTimeout(() => document.querySelectorAll('.fv-eye img').forEach(i => i.alt = {alt}), 50)")
            with ui.element("div").classes("fv-row mt-2"):
                ui.button(icon="zoom_in", on_click=lambda: self._zoomed(1)).props('dense outline aria-label="Zoom in"')
                ui.button(icon="zoom_out", on_click=lambda: self._zoomed(-1)).props('dense outline aria-label="Zoom out"')
                for kind in eye.kinds(seen):
                    box = ui.checkbox(eye.WORDS[kind], value=kind not in self._hidden, on_change=lambda e, k=kind: self._switch(k, e.value))
                    box.props(f'dense aria-label="{eye.WORDS[kind]}"').style(f"border-left:6px solid {eye.COLOURS[kind]};padding-left:4px")
            self._told = ui.label("").classes("fv-caption").props('aria-live="polite"')
            ui.label(eye.summary(seen)).classes("fv-caption")
        self._paint()

    def _paint(self) -> None:
        if self._view is None or not self._images:
            return
        seen = self._images[self._number]
        self._view.content = eye.overlay(seen, set(eye.kinds(seen)) - self._hidden, self._chosen)
        self._view.style(f"width:{ZOOMS[self._zoom]}%")

    def _switch(self, kind: str, shown: bool) -> None:
        (self._hidden.discard if shown else self._hidden.add)(kind)
        self._paint()

    def _turn(self, event: events.ValueChangeEventArguments[int]) -> None:
        self._number, self._chosen = int(event.value), None
        self._draw()

    def _zoomed(self, step: int) -> None:
        self._zoom = min(len(ZOOMS) - 1, max(0, self._zoom + step))
        self._paint()

    def _key(self, event: events.KeyEventArguments) -> None:
        if event.action.keydown and event.key.name in ("+", "=", "-"):
            self._zoomed(-1 if event.key.name == "-" else 1)

    def _clicked(self, event: events.GenericEventArguments) -> None:
        seen = self._images[self._number]
        lesion = eye.numbered(seen.lesions, str((event.args or {}).get("element_id", "")))
        if lesion is not None:
            self._chosen = lesion.number
            self._told.text = eye.described(lesion)
            self._paint()
