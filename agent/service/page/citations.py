"""A citation opened at its sentence."""

from __future__ import annotations

import asyncio
from html import escape

from nicegui import ui

from agent.evidence import Citation, Evidence
from agent.ports import Retriever
from agent.wording import named, plain_text


def marked(text: str, quote: str) -> str:
    """The passage as HTML, the quote in it marked; everything is escaped, for a document may hold anything.

    >>> marked("a <b> is c", "<b> is")
    'a <mark>&lt;b&gt; is</mark> c'
    >>> marked("a", "x")
    'a'
    """
    text, quote = plain_text(text, keep="\n"), plain_text(quote, keep="\n")
    start = text.find(quote) if quote else -1
    if start < 0:
        return escape(text)
    end = start + len(quote)
    return f"{escape(text[:start])}<mark>{escape(text[start:end])}</mark>{escape(text[end:])}"


async def show(citation: Citation, retriever: Retriever) -> None:
    """A dialog with the passage, the quote highlighted, its source, its age, and who says otherwise."""
    passage = await asyncio.to_thread(retriever.passage, citation.key)
    with ui.dialog() as dialog, ui.card().classes("w-[44rem] max-w-full"):
        dialog.props('aria-label="Citation"')
        ui.label(named(citation.source) if citation.source else "Unknown source").classes("text-lg font-semibold")
        ui.label(f"Quotation {citation.verdict.replace('_', ' ')}{f': {citation.why}' if citation.why else ''}").classes("fv-caption")
        if passage is None:
            ui.label("The passage is no longer in the library.").classes("fv-error fv-msg")
        else:
            ui.html(marked(passage.text, citation.quote)).classes("fv-passage").props('tabindex=0 role="region" aria-label="Passage"')
            for line in _about(passage):
                ui.label(line).classes("fv-caption")
            if passage.source.url.startswith(("https://", "http://")):
                ui.link("Open the document", passage.source.url, new_tab=True).props('rel="noopener noreferrer"')
        ui.button("Close", on_click=dialog.close).props("flat autofocus")
    dialog.on("hide", dialog.delete)
    dialog.open()


def _about(passage: Evidence) -> list[str]:
    lines = [f"Applies in {passage.source.jurisdiction}."] if passage.source.jurisdiction else []
    if passage.strength:
        lines.append(f"Graded by its body: {passage.strength}.")
    if passage.outdated:
        lines.append(f"Out of date: {passage.outdated}.")
    if passage.disputes:
        lines.append(f"{len(passage.disputes)} other statements disagree.")
    return lines
