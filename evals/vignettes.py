"""Walks a JSONL file of vignettes and prints outcome, first three diagnoses and path of each.

Usage: python -m evals.vignettes FILE.jsonl        (fields `case_summary` and `reference_diagnosis`; a `title` is never read)
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from agent.container import build
from agent.deps import Deps
from agent.domain import CaseReport, CaseRequest
from agent.walk import consult


async def run(lines: list[dict[str, str]], deps: Deps) -> list[tuple[str, CaseReport]]:
    """(reference diagnosis, report) per vignette. Only the case summary reaches the state machine."""
    return [(line["reference_diagnosis"], await consult(CaseRequest(narrative=line["case_summary"]), deps)) for line in lines]


def line_of(reference: str, report: CaseReport) -> str:
    """One row of the table."""
    top = "; ".join(f"{entry.name} {entry.probability:.0%}" for entry in report.differential[:3])
    u = report.uncertainty
    doubt = f"H {u.initial_entropy:.2f} -> {u.entropy:.2f} / {u.threshold:.2f}" if u else "-"
    return f"{reference[:60]:60} | {report.outcome:14} | {top} | {doubt} | {' '.join(report.path)}"


def main() -> None:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    for reference, report in asyncio.run(run(lines, build())):
        print(line_of(reference, report))


if __name__ == "__main__":
    main()
