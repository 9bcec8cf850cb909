"""Below the conversation: differential, uncertainty and the path taken; above it, red flags."""

from __future__ import annotations

from nicegui import ui

from agent.domain import CaseReport, RuleHit
from agent.service.page import charts
from agent.wording import named


class RedFlagBand:
    """Across the whole page, and absent while there is nothing to say. What is urgent is told in full, the rest can be opened."""

    def __init__(self) -> None:
        self._root = ui.element("div").props('role="alert"')

    def show(self, report: CaseReport | None) -> None:
        self._root.clear()
        if report is None or not report.triage.rules:
            return
        grave = [hit for hit in report.triage.rules if hit.urgency in ("urgent", "emergency")]
        rest = [hit for hit in report.triage.rules if hit not in grave]
        with self._root:
            if grave:
                with ui.element("section").classes("fv-band").props('aria-label="Red flags"').mark("red-flags"):
                    for hit in grave:
                        self._told(hit, "h2")
            if rest:
                with ui.expansion(f"{len(rest)} further rule{'s' if len(rest) > 1 else ''} of lower urgency").classes("fv-lower w-full"):
                    for hit in rest:
                        self._told(hit, "h3")

    def _told(self, hit: RuleHit, heading: str) -> None:
        with ui.element(heading):
            ui.label(f"{'Red flag: ' if heading == 'h2' else ''}{hit.title}. {hit.urgency.upper()}, {hit.time_frame}")
        with ui.element("p"):
            ui.label(f"Because: {'; '.join(hit.because)}. Source: {named(hit.source)}")


class SummaryPanel:
    def __init__(self) -> None:
        self._root = ui.element("div").classes("fv-below")
        self.show(None)

    def show(self, report: CaseReport | None) -> None:
        self._root.clear()
        self._root.set_visibility(report is not None)
        if report is None:
            return
        with self._root:
            with self._card("Differential"):
                if report.differential:
                    words = _quoted(charts.in_words(report))
                    ui.echart(charts.differential(report)).style("height:280px").props(f'role="img" aria-label="{words}"')
                else:
                    ui.label("No diagnosis is offered.")
                ui.label(charts.in_words(report)).classes("fv-sr")
            with self._card("Uncertainty"):
                options = charts.uncertainty(report)
                if options is not None:
                    ui.echart(options).style("height:150px").props(f'role="img" aria-label="{_quoted(charts.doubt_in_words(report))}"')
                ui.label(charts.doubt_in_words(report)).classes("fv-caption")
                for reason in report.reasons:
                    ui.label(f"• {reason}").classes("fv-caption")
            with self._card("Path taken"):
                ui.mermaid(charts.path(report), config={"securityLevel": "strict"}).classes("fv-path").props('role="img" aria-label="Path"')
                for route in report.routes:
                    ui.label(f"{route.stage} → {route.next}: {route.reason}").classes("fv-caption")
                ui.label(report.reasoner.statement).classes("fv-caption")

    def _card(self, title: str) -> ui.element:
        card = ui.element("section").classes("fv-card").props(f'aria-label="{title}"')
        with card:
            ui.html(title, tag="h2")
        return card


def _quoted(text: str) -> str:
    """Text inside a property's double quotes."""
    return text.replace("\\", "").replace('"', "'")
