"""What is said, as it stands on the page. Words of users, models and documents are shown as text, or as Markdown that can
neither load nor run anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from markdown_it import MarkdownIt
from nicegui import ui

from agent.conversation.values import Question, Reply
from agent.evidence import Citation
from agent.service.footnotes import cited_claims
from agent.wording import named, percent, plain_text

OUTCOMES = {"refer_to_human": "Refer to a human: no diagnosis is given", "ungradable": "Ungradable: the images cannot be judged"}
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink", "reference"])
Open = Callable[[Citation], Awaitable[None]]


def said(text: str, images: int) -> None:
    """What the user said."""
    with ui.element("div").classes("fv-msg fv-user").props('aria-label="You said"'):
        ui.label(plain_text(text, keep="\n") or "(no words)")
        if images:
            ui.label(f"{images} image{'s' if images > 1 else ''}").classes("fv-caption")


def replied(reply: Reply, open_citation: Open, unknown: Callable[[], Awaitable[None]] | None) -> None:
    """What Fovea answers: outcome and urgency, what changed, the text with its citations, and the question it has, if any."""
    report = reply.report
    with ui.element("div").classes("fv-msg fv-fovea").props('aria-label="Fovea answers"').mark("reply"):
        if reply.kind == "walk":
            with ui.element("div").classes("fv-diagnosis"):
                title = f"{report.diagnosis.name} ({percent(report.diagnosis.probability)})" if report.diagnosis else OUTCOMES[report.outcome]
                ui.label(title)
            ui.label(f"{report.triage.urgency.capitalize()}: {report.triage.time_frame}").classes(f"fv-urgency fv-{report.triage.urgency}")
        ui.html(shown(reply.text)).classes("fv-text")
        cited = cited_claims(reply)
        if cited:
            with ui.element("div").props('role="list" aria-label="Citations"'):
                for number, citations in enumerate(cited, 1):
                    for citation in citations:
                        _chip(f"[{number}] {named(citation.source) if citation.source else citation.key}", citation, open_citation)
        for claim in reply.claims:
            if claim.citations and not claim.supported:
                _chip(f"uncited: {claim.citations[0].verdict.replace('_', ' ')}", claim.citations[0], open_citation, "fv-uncited")
        if reply.question is not None:
            _asked(reply.question, unknown)


def failed(message: str, again: Callable[[], Awaitable[None]] | None = None) -> None:
    """An error, told kindly: what happened, and what can be done."""
    with ui.element("div").classes("fv-msg fv-error").props('role="alert"').mark("failure"):
        ui.label(plain_text(message))
        ui.label("Nothing of the case was lost.").classes("fv-caption")
        if again is not None:
            ui.button("Go on from where it stopped", on_click=again).props("flat dense")


def shown(markdown: str) -> str:
    """Markdown as HTML in which nothing is loaded, opened or run: no HTML of its own, no images, no links.

    >>> shown("a <script>x</script> ![p](http://e/x.png) [t](http://e) **b**")
    '<p>a &lt;script&gt;x&lt;/script&gt; ![p](http://e/x.png) [t](http://e) <strong>b</strong></p>\\n'
    """
    return str(_MARKDOWN.render(plain_text(markdown, keep="\n")))


def _chip(words: str, citation: Citation, open_citation: Open, extra: str = "") -> None:
    button = ui.element("button").classes(f"fv-chip {extra}").props('type="button" role="listitem"').mark("citation")
    with button:
        ui.label(plain_text(words))
    button.on("click", lambda: open_citation(citation))


def _asked(question: Question, unknown: Callable[[], Awaitable[None]] | None) -> None:
    with ui.element("div").classes("fv-question").mark("question"):
        ui.label(question.text).classes("font-semibold")
        because = f", it would tell apart {', '.join(question.because)}" if question.because else ""
        ui.label(f"Knowing this would most change the differential (expected gain {question.expected_gain:.2f} nats{because}).").classes(
            "fv-caption"
        )
        if unknown is not None:
            ui.button("Not known", on_click=unknown).props("flat dense").mark("not-known")
