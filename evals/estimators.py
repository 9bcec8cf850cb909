"""Estimators of uncertainty compared: which of them knows when an answer is wrong, and at what price.

    python -m evals.estimators                          simulated models of known calibration
    python -m evals.estimators RUN.jsonl [RUN.jsonl]    answers of a real run (see evals.estimator_records)
    python -m evals.estimators --write DIRECTORY        keep the simulated records, one file a model
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agent.reasoners.concepts import concept_of
from agent.settings import load_settings
from evals.estimator_records import Record, read_records, write_records
from evals.estimator_signals import Estimator, combination, estimators
from evals.estimator_simulator import TEMPERS, Simulator
from evals.measures import auroc, confident_errors, expected_calibration_error, risk_coverage_area
from knowledge.library import Library
from knowledge.retrieval import index
from knowledge.retrieval.opening import open_knowledge
from knowledge.terminology import Terminology

COMBINED = ("answer tokens, sum of entropies", "semantic entropy, n = 5", "confidence in words", "localizer disagreement")


class Row(NamedTuple):
    """How one estimator did: area under risk-coverage (nearer to `best` is better), AUROC of errors above right answers, expected
    calibration error, share of the errors among the surer half, and tokens generated beyond the answer, relative to it."""

    name: str
    area: float
    auroc: float
    calibration: float
    confident: float
    cost: float


def compare(records: Sequence[Record], library: Library) -> list[Row]:
    """A row for each estimator that the records allow, their combination, and the two ends: a perfect order and none at all.

    Raises `ValueError` when all answers are right, or all wrong: then there is nothing to tell apart.
    """
    terminology = Terminology(library)
    known: dict[str, str | None] = {}

    def meaning(answer: str) -> str | None:
        if answer not in known:
            known[answer] = concept_of(answer, terminology).concept_id if answer.strip() else None
        return known[answer]

    right = [record.correct for record in records]
    if len(set(right)) < 2:
        raise ValueError("all answers are right, or all are wrong: no estimator can tell them apart")
    offered = [e for e in estimators(meaning) if all(e.doubt(record) is not None for record in records)]
    rows = [_row(e, [e.doubt(r) or 0.0 for r in records], records) for e in offered]
    parts = [e for e in offered if e.name in COMBINED]
    if len(parts) > 1:
        together = Estimator("combination, fitted", lambda _: None, lambda r: sum(part.tokens(r) for part in parts), entropic=False)
        rows.append(_row(together, combination(records, parts), records))
    rows.append(Row("(a perfect order)", risk_coverage_area([(float(not r), r) for r in right]), 1.0, math.nan, _least(right), math.nan))
    rows.append(Row("(no order)", right.count(False) / len(right), 0.5, math.nan, 0.5, 0.0))
    return rows


def _least(right: Sequence[bool]) -> float:
    return confident_errors([(float(not r), r) for r in right])


def _row(estimator: Estimator, doubts: Sequence[float], records: Sequence[Record]) -> Row:
    right = [record.correct for record in records]
    judged = list(zip(doubts, right, strict=True))
    return Row(
        estimator.name,
        risk_coverage_area(judged),
        auroc([d for d, correct in judged if correct], [d for d, correct in judged if not correct]),
        expected_calibration_error([(min(1.0, max(0.0, estimator.confidence(d))), correct) for d, correct in judged]),
        confident_errors(judged),
        sum(map(estimator.tokens, records)) / sum(record.tokens for record in records),
    )


def table(title: str, records: Sequence[Record], rows: Sequence[Row]) -> str:
    """Markdown."""
    accuracy = sum(record.correct for record in records) / len(records)
    lines = [f"**{title}**: {len(records)} answers, {accuracy:.0%} right", ""]
    lines += ["| estimator | risk-coverage area | AUROC | calibration error | confident errors | extra tokens |", "|---|---|---|---|---|---|"]
    for row in rows:
        cost = "" if math.isnan(row.cost) else f"{row.cost:.2f}x"
        calibration = "" if math.isnan(row.calibration) else f"{row.calibration:.2f}"
        lines.append(f"| {row.name} | {row.area:.3f} | {row.auroc:.2f} | {calibration} | {row.confident:.0%} | {cost} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="JSON lines of answered cases")
    parser.add_argument("--model", action="append", choices=list(TEMPERS), help="only this simulated model; may be repeated")
    parser.add_argument("--cases", type=int, default=1000, help="cases for each simulated model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="keep the simulated records in this directory")
    chosen = parser.parse_args(arguments)
    library = index.load_library(open_knowledge(load_settings()).directory)
    for run in chosen.runs:
        records = read_records(run)
        print(table(run.stem, records, compare(records, library)))
    if chosen.runs:
        return
    for name in chosen.model or TEMPERS:
        records = tuple(Simulator(library, TEMPERS[name], chosen.seed).records(chosen.cases))
        if chosen.write is not None:
            chosen.write.mkdir(parents=True, exist_ok=True)
            write_records(chosen.write / f"{name.replace(' ', '-')}.jsonl", records)
        print(table(name, records, compare(records, library)), flush=True)


if __name__ == "__main__":
    main()
