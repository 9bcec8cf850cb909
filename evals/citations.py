"""Whether forged citations are caught and honest ones kept: `python -m evals.citations`.

The cases (evals/data/citation_attacks.yaml, citation_honest.yaml) name statements of the guidelines by id and say what was changed, so
they follow the text; a case whose words are no longer there is an error, never a silent pass. Thresholds and rules were made on the
development half. The test half was first run when they stood: 44 of 45 forgeries were caught and 32 of 38 honest citations kept; what it
then showed (a "without" and a "no" that reached too far, a shared beginning before two numbers) was mended, so that its present numbers
are no longer blind. The baseline is plain exact containment, the whole check that many systems have.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from agent.citations import bearing, content_key, quoting, verified
from agent.citations import words as characters
from agent.composition import claims
from agent.domain import DifferentialEntry
from agent.evidence import Citation, Claim, Evidence, Source, Verdict
from evals.citation_mutations import mutations
from knowledge.claims import LibraryMeanings
from knowledge.library import Library, read
from knowledge.redflags import source_of

DATA = Path(__file__).parent / "data"
Half = Literal["development", "test"]
Suite = Literal["attacks", "honest"]
SUITES: tuple[Suite, ...] = ("attacks", "honest")
HALVES: tuple[Half, ...] = ("development", "test")
ROUNDS = 20


class Case(BaseModel):
    """One citation of the suite; see the head of citation_attacks.yaml for its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    of: str = ""
    document: str = ""
    part: str = ""
    old: str = ""
    new: str = ""
    quote: str | None = None
    quote_repeated: int = 1
    claim: str | None = None
    cites: str = ""
    key: str | None = None
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A case made concrete: the claim with its one citation, and the passages that were shown."""

    case: Case
    claim: Claim
    shown: dict[str, Evidence]


class Shelf:
    """The guidelines as evidence, by statement id and by key."""

    def __init__(self, library: Library | None = None) -> None:
        self.library = library or read()
        self.meanings = LibraryMeanings(self.library)

    @cached_property
    def evidence(self) -> dict[str, Evidence]:
        made = {}
        for s in self.library.statements:
            document = self.library.document[s.document]
            source = source_of(document, s.section)
            made[s.id] = Evidence(
                key=content_key(s.document, s.text), text=s.text, kind=s.kind, concepts=s.concepts, source=source, score=1.0
            )
        return made

    def trial(self, case: Case) -> Trial:
        """Raises `ValueError` when the words that the case changes are not in the statement."""
        own = self.evidence[case.of] if case.of else _own_document(case.document)
        for words in (case.part, "" if case.part else case.old):
            if words not in own.text:
                raise ValueError(f"{case.kind} of {case.of!r}: {words!r} is not in the statement")
        base = case.part or own.text
        if case.old and case.old not in base:
            raise ValueError(f"{case.kind} of {case.of!r}: {case.old!r} is not in {base!r}")
        quote = case.quote if case.quote is not None else base.replace(case.old, case.new, 1) if case.old else base
        quote = " ".join([quote] * case.quote_repeated)
        key = case.key if case.key is not None else self.evidence[case.cites].key if case.cites else own.key
        names = (*((case.of,) if case.of else ()), *((case.cites,) if case.cites else ()), *case.shown)
        shown = {self.evidence[name].key: self.evidence[name] for name in names} or {own.key: own}
        return Trial(case, Claim(text=case.claim if case.claim is not None else quote, citations=(Citation(key=key, quote=quote),)), shown)

    def judged(self, trial: Trial) -> Citation:
        return verified(trial.claim, trial.shown.get, trial.shown, self.meanings).citations[0]


def cases(name: Suite, half: Half) -> list[Case]:
    data = yaml.safe_load((DATA / f"citation_{name}.yaml").read_text(encoding="utf-8"))
    return [Case.model_validate(entry) for entry in data[half]]


def contained(trial: Trial) -> bool:
    """The baseline: the quote, in lower case with single spaces, is a substring of the passage with the key."""
    citation = trial.claim.citations[0]
    own = trial.shown.get(citation.key)
    quote = " ".join(citation.quote.lower().split())
    return own is not None and bool(quote) and quote in " ".join(own.text.lower().split())


def _own_document(text: str) -> Evidence:
    source = Source(organisation="unknown", title="an ingested file", year=None, section="", url="", jurisdiction="")
    return Evidence(key=content_key("file", text), text=text, kind="management", concepts=(), source=source, score=1.0)


def table(shelf: Shelf, name: Suite, console: Console, verbose: Sequence[Half] = ()) -> None:
    """Prints, for each kind, how many citations got the right answer, in each half, and the baseline's."""
    right = "caught" if name == "attacks" else "kept"
    shown = Table(title=f"{name}: share {right}", title_justify="left", box=None)
    for column in ("kind", "development", "test", "exact containment, both halves"):
        shown.add_column(column, justify="left" if column == "kind" else "right")
    counts: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for half in HALVES:
        for case in cases(name, half):
            trial = shelf.trial(case)
            verdict = shelf.judged(trial)
            good = (verdict.verdict == "supported") == (name == "honest")
            for kind in (case.kind, "all"):
                counts[kind][half].append(good)
                counts[kind]["baseline"].append(contained(trial) == (name == "honest"))
            if not good and half in verbose:
                console.print(f"{half} {name} {case.kind} {case.of}: {verdict.verdict}: {verdict.why}", markup=False)
    for kind in sorted(counts, key=lambda k: (k == "all", k)):
        shown.add_row(kind.replace("_", " "), *(_share(counts[kind][column]) for column in (*HALVES, "baseline")))
    console.print(shown)


def verdicts(shelf: Shelf, console: Console) -> None:
    """Prints what the forged citations were called, by kind."""
    order: tuple[Verdict, ...] = ("supported", "misattributed", "frankenquote", "not_found", "not_bearing")
    shown = Table(title="attacks: verdicts", title_justify="left", box=None)
    for column in ("kind", *order):
        shown.add_column(column, justify="left" if column == "kind" else "right")
    counts: dict[str, list[str]] = defaultdict(list)
    for half in HALVES:
        for case in cases("attacks", half):
            counts[case.kind].append(shelf.judged(shelf.trial(case)).verdict)
    for kind, found in sorted(counts.items()):
        shown.add_row(kind.replace("_", " "), *(str(found.count(verdict)) for verdict in order))
    console.print(shown)


def by_rule(shelf: Shelf, console: Console) -> dict[str, tuple[list[bool], list[bool]]]:
    """Prints, for the forgeries made by rule from every statement, how many are caught as quotes and as claims. Returns the answers."""
    answers: dict[str, tuple[list[bool], list[bool]]] = defaultdict(lambda: ([], []))
    for evidence in shelf.evidence.values():
        shown = {evidence.key: evidence}
        for mutation in mutations(evidence):
            for column, claim in enumerate((mutation.forged_quote, mutation.forged_claim)):
                caught = not verified(claim, shown.get, shown, shelf.meanings).supported
                for kind in (mutation.kind, "all"):
                    answers[kind][column].append(caught)
    shown_table = Table(title="one word of a statement changed by rule: share caught", title_justify="left", box=None)
    for name in ("kind", "as a quote", "as a claim over the honest quote"):
        shown_table.add_column(name, justify="left" if name == "kind" else "right")
    for kind in sorted(answers, key=lambda k: (k == "all", k)):
        shown_table.add_row(kind, *(_share(column) for column in answers[kind]))
    console.print(shown_table)
    return answers


def composed(shelf: Shelf, console: Console) -> list[bool]:
    """Prints how many of the claims that reports make today, one for each statement and condition, are kept. Returns the answers."""
    kept = []
    for evidence in shelf.evidence.values():
        for concept in evidence.concepts:
            entry = DifferentialEntry(concept_id=concept, name=shelf.library.condition[concept].name, probability=0.9)
            made = [claim for claim in claims((entry,), (), (evidence,)) if claim.citations]
            kept += [verified(claim, {evidence.key: evidence}.get, {}, shelf.meanings).supported for claim in made]
    console.print(f"claims composed today: {_share(kept)} kept")
    return kept


def speed(shelf: Shelf, console: Console) -> None:
    """Microseconds a claim with one citation: cold (every cache empty but the compiled lexicon) and warm (the same texts again)."""
    trials = [shelf.trial(case) for name in SUITES for half in HALVES for case in cases(name, half)]
    shelf.judged(trials[0])
    cold, warm = [], []
    for trial in trials:
        forget(shelf)
        cold.append(_timed(shelf, trial))
    for trial in trials:
        shelf.judged(trial)
    for _ in range(ROUNDS):
        warm += [_timed(shelf, trial) for trial in trials]
    for label, times in (("cold", cold), ("warm", warm)):
        cuts = statistics.quantiles(times, n=100)
        found = f"mean {statistics.mean(times):.0f}, median {statistics.median(times):.0f}, p99 {cuts[98]:.0f}"
        console.print(f"{label}: {found} microseconds of one core a claim")


def forget(shelf: Shelf) -> None:
    """Empties what is remembered of texts; what is remembered of single words stays, as it would in a running process."""
    shelf.meanings.subjects.cache_clear()
    shelf.meanings.drugs.cache_clear()
    for remembered in (characters.words, characters.forms, quoting._runs, bearing._told):
        remembered.cache_clear()


def _timed(shelf: Shelf, trial: Trial) -> float:
    start = time.thread_time_ns()  # the thread's own time: other work on the machine does not count
    shelf.judged(trial)
    return (time.thread_time_ns() - start) / 1e3


def _share(answers: Sequence[bool]) -> str:
    return f"{sum(answers)}/{len(answers)} = {sum(answers) / len(answers):.0%}" if answers else "-"


def main() -> None:
    console = Console(width=120, soft_wrap=True)
    shelf = Shelf()
    verbose = HALVES if "--all-failures" in sys.argv else (HALVES[0],) if "--failures" in sys.argv else ()
    for name in SUITES:
        table(shelf, name, console, verbose)
        console.print()
    verdicts(shelf, console)
    console.print()
    by_rule(shelf, console)
    console.print()
    composed(shelf, console)
    speed(shelf, console)


if __name__ == "__main__":
    main()
