"""What `fovea knowledge search` and `show` print: a passage with its source, its validity and whoever disagrees; a condition's profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from agent.errors import InputError
from agent.evidence import Evidence
from agent.ports import Retriever
from agent.wording import named
from knowledge.ingest.evidence import quoted_span
from knowledge.ingest.store import DocumentStore
from knowledge.library import Library
from knowledge.retrieval.passages import key_of
from knowledge.schema import JUDGEMENT, Basis, Condition, Level

AROUND = 240
"""Characters of the page shown before and after a passage."""


def print_results(console: Console, results: Sequence[Evidence], retriever: Retriever) -> None:
    """Ranked passages, each with its source."""
    for number, evidence in enumerate(results, 1):
        console.print(f"[bold]{number}.[/] {escape(evidence.text)}")
        for line in _about(evidence):
            console.print(f"   [dim]{escape(line)}[/]", soft_wrap=True)
        for line in _troubles(evidence, retriever):
            console.print(f"   [yellow]{escape(line)}[/]")
    if not results:
        console.print("Nothing was found.")


def print_passage(console: Console, evidence: Evidence, retriever: Retriever, library: Library) -> None:
    """One passage, with all that is known of it."""
    names = ", ".join(library.condition[c].name for c in evidence.concepts if c in library.condition) or "no condition of the atlas"
    lines = [escape(evidence.text), "", f"[dim]{evidence.kind.replace('_', ' ')}; about: {escape(names)}[/]"]
    lines += [f"[dim]{escape(line)}[/]" for line in _about(evidence)]
    lines += [f"[yellow]{escape(line)}[/]" for line in _troubles(evidence, retriever)]
    keys = {evidence.key, *evidence.disputes}
    for conflict in library.conflicts:
        if {key_of(library.statement[s]) for s in conflict.statements} <= keys:
            lines.append(f"[yellow]{escape(conflict.topic)}: {escape(conflict.text)}[/]")
    console.print(Panel("\n".join(lines), title=escape(evidence.key), title_align="left"))


def print_place(console: Console, evidence: Evidence, store: DocumentStore, quote: str | None) -> None:
    """Where a passage of the user's own document stands: the text around it, and the sentence that holds the quote marked.

    Raises `InputError` when the quote does not stand in it.
    """
    where = evidence.locator
    stored = next((p for p in store.passages(where.document) if p.key == evidence.key), None) if where is not None else None
    if where is None or stored is None:
        return
    page = store.page(where.document, where.page)
    start, end = where.start, where.end
    if quote is not None:
        span = quoted_span(stored, page, quote) if quote.strip() else None
        if span is None:
            raise InputError(f"{quote!r} does not stand in {evidence.key}")
        start, end = span
    before, after = page[max(0, start - AROUND) : start], page[end : end + AROUND]
    title = f"page {where.page}, characters {start} to {end} of {where.document}"
    body = f"[dim]{escape(before)}[/][bold reverse]{escape(page[start:end])}[/][dim]{escape(after)}[/]"
    console.print(Panel(body, title=escape(title), title_align="left", border_style="dim"))


def print_condition(console: Console, condition: Condition, library: Library) -> None:
    """A condition's profile: codes, priors, findings with their levels and basis, discriminators, tests."""
    console.print(Panel(Group(*_profile(condition, library)), title=escape(f"{condition.name} ({condition.id})"), title_align="left"))


def _about(evidence: Evidence) -> Iterator[str]:
    source = evidence.source
    yield named(source)
    where = f"page {evidence.locator.page}, characters {evidence.locator.start} to {evidence.locator.end}" if evidence.locator else ""
    graded = f"graded: {evidence.strength}" if evidence.strength else ""
    reviewed = f"reviewed {evidence.reviewed.isoformat()}" if evidence.reviewed else ""
    yield " · ".join(part for part in (source.jurisdiction, graded, where, reviewed, f"[{evidence.key}]") if part)
    yield source.url


def _troubles(evidence: Evidence, retriever: Retriever) -> Iterator[str]:
    if evidence.outdated:
        yield f"Out of date: {evidence.outdated}."
    for key in evidence.disputes:
        other = retriever.passage(key)
        if other is not None:
            old = f" (out of date: {other.outdated})" if other.outdated else ""
            yield f"Bodies differ: {other.source.organisation} ({other.source.jurisdiction}): {other.text} [{other.key}]{old}"


def _profile(condition: Condition, library: Library) -> Iterator[RenderableType]:
    snomed = ""
    if condition.snomed is not None:
        snomed = f" · SNOMED CT {condition.snomed.code}" + ("" if condition.snomed.verified else " (not verified)")
    yield escape(condition.description)
    yield f"[dim]ICD-10-CM {condition.icd10}{snomed} · prior {condition.prior.replace('_', ' ')} · {condition.urgency}[/]"
    if condition.synonyms:
        yield f"[dim]Also: {escape(', '.join(condition.synonyms))}[/]"
    if condition.systemic:
        yield f"[dim]With: {escape(', '.join(f'{d.name} {d.icd10}' if d.icd10 else d.name for d in condition.systemic))}[/]"
    table = Table("finding", "how often", "seen by", "basis", box=None, padding=(0, 1))
    for level in get_args(Level):
        for finding in condition.findings.get(level, ()):
            entry = library.finding[finding]
            table.add_row(escape(entry.name), level, entry.modality or entry.kind, escape(_basis(condition.basis.get(finding, JUDGEMENT))))
    yield table
    for discriminator in condition.discriminators:
        yield f"Against {escape(library.condition[discriminator.against].name)}: {escape(discriminator.text)}"
    if condition.tests:
        yield f"Tests: {escape('; '.join(condition.tests))}"


def _basis(basis: Basis) -> str:
    return basis.kind if not basis.source else f"{basis.kind}: {basis.source}"
