"""The report for a person at a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.markup import escape as escape_markup
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.domain import CaseReport, Step
from agent.evidence import Claim, Verdict
from agent.wording import named, percent, plain_text

_COLOURS = {"emergency": "bold white on red", "urgent": "bold red", "soon": "yellow", "routine": "green"}
_MARKS: dict[Verdict, str] = {
    "supported": "[green]✓[/]", "misattributed": "[red]≠[/]", "frankenquote": "[red]≈[/]", "not_found": "[red]✗[/]",
    "not_bearing": "[red]⊘[/]", "pending": "?",
}  # fmt: skip
_BAR = 24


def escape(text: str) -> str:
    """Text from narratives, models and documents as harmless text: no markup, no control or direction-changing characters."""
    return escape_markup(plain_text(text, keep="\n"))


def render(report: CaseReport, console: Console) -> None:
    """Prints the report, the most important first."""
    console.print(_headline(report))
    if report.triage.rules:
        console.print(_red_flags(report))
    if report.answer:
        shares = ", ".join(f"{key} {percent(share)}" for key, share in report.answer.probabilities.items())
        console.print(f"[bold]Answer[/] {report.answer.letter}: {escape(report.answer.text)}  [dim]({shares}; {report.answer.note})[/]\n")
    if report.differential:
        console.print(_differential(report))
    for image in report.images:
        plain = image.modality == "cfp" and image.gradability.status == "gradable" and image.optic_disc is not None
        note = f" - {image.note}" if image.note and not plain else ""
        counts = ", ".join(f"{sum(q.values())} {label.replace('_', ' ')}" for label, q in image.counts.items()) or "no lesion boxes"
        side = f", {image.laterality} eye" if image.laterality != "unknown" else ""
        console.print(f"[bold]Image {image.image.number}[/] {image.modality}{side}, {image.gradability.status}: {counts}{escape(note)}")
    console.print(_reasoning(report))
    if report.claims:
        console.print(_claims(report))
    console.print(Panel(escape(report.grounded_report), title="Grounded report (preliminary)", title_align="left", border_style="dim"))
    console.print(f"[dim]{escape(report.reasoner.statement)}\n{report.disclaimer}[/]")


def _headline(report: CaseReport) -> RenderableType:
    if report.diagnosis is not None:
        code = f"  ICD-10-CM {report.diagnosis.icd10}" if report.diagnosis.icd10 else ""
        title = f"[bold]{escape(report.diagnosis.name)}[/]  {percent(report.diagnosis.probability)}[dim]{code}[/]"
    elif report.outcome == "ungradable":
        title = "[bold]Ungradable[/]: the images cannot be judged"
    else:
        title = "[bold]Refer to a human[/]: no diagnosis is given"
    urgency = f"[{_COLOURS[report.triage.urgency]}] {report.triage.urgency.upper()} [/] {escape(report.triage.time_frame)}"
    lines = [title, urgency, *(f"[yellow]•[/] {escape(reason)}" for reason in report.reasons)]
    return Panel("\n".join(lines), title=f"Fovea · {report.case_id}", title_align="left", border_style="bold")


def _red_flags(report: CaseReport) -> RenderableType:
    lines = []
    for hit in report.triage.rules:
        source = named(hit.source.model_copy(update={"section": ""}))
        lines.append(
            f"[bold]{escape(hit.title)}[/] - {escape(hit.time_frame)}\n  because: {escape('; '.join(hit.because))}\n  [dim]{escape(source)}[/]"
        )
    return Panel("\n".join(lines), title="Red flags", title_align="left", border_style="red")


def _differential(report: CaseReport) -> RenderableType:
    table = Table(title="Differential", title_justify="left", box=None, padding=(0, 1))
    table.add_column("condition")
    table.add_column("", min_width=_BAR)
    table.add_column("probability", justify="right")
    for entry in report.differential[:5]:
        filled = round(entry.probability * _BAR)
        table.add_row(escape(entry.name), Text("█" * filled + "░" * (_BAR - filled), style="cyan"), percent(entry.probability))
    return table


def _reasoning(report: CaseReport) -> RenderableType:
    lines = []
    u = report.uncertainty
    if u is not None:
        change = f" → {u.entropy:.2f}" if u.rounds else ""
        lines.append(
            f"[bold]Uncertainty[/] H {u.initial_entropy:.2f}{change} nats, threshold {u.threshold:.2f}, "
            f"ω {u.omega:+.2f}: {u.rounds} of {u.depth} deliberation rounds"
        )
    lines.append(f"[bold]Path[/] {' → '.join(report.path)}")
    lines += [f"  [dim]{route.stage}: {escape(route.reason)}[/]" for route in report.routes]
    lines += [f"[dim]{_when(step)}[/] [italic]{escape(step.title)}[/]: {escape(step.text)}" for step in _told(report)]
    return Group("", *lines, "")


def _when(step: Step) -> str:
    return f"round {step.round}" if step.round else "first pass"


def _told(report: CaseReport) -> list[Step]:
    """The first pass and the last round in full, of the rounds between the outcome; the trace has everything."""
    last = max((step.round for step in report.steps), default=0)
    outcomes = {step.round: step for step in report.steps}
    return [step for step in report.steps if step.round in (0, last) or step is outcomes[step.round]]


def _claims(report: CaseReport) -> RenderableType:
    return Panel("\n".join(_claim(claim) for claim in report.claims), title="Claims and citations", title_align="left", border_style="dim")


def _claim(claim: Claim) -> str:
    if not claim.citations:
        return f"• {escape(claim.text)} [dim](Fovea's own inference, uncited)[/]"
    heading = f"[bold]{escape(claim.heading)}:[/] " if claim.heading else ""
    lines = [f"• {heading}{escape(claim.text)}" + ("" if claim.supported else " [red](unsupported)[/]")]
    for citation in claim.citations:
        source = citation.source
        where = f"{named(source)}. {source.url}" if source else "unknown source"
        verdict = citation.verdict.replace("_", " ") + (f": {citation.why}" if citation.why else "")
        lines.append(f"  {_MARKS[citation.verdict]} {escape(verdict)} [dim]{escape(f'[{citation.key}] {where}')}[/]")
    return "\n".join(lines)
