"""Compares the differential's scorers on written, published and generated narratives: rank, log loss, calibration, and what lies outside.

Usage: python -m evals.scorers [--test] [--json] [--fit] [--no-embedding] [--generated 300]

Without --test the test halves stay closed: nothing is chosen on them. --fit searches the shipped scorer's constants on the development
sets and prints them; nothing is written. See evals/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from evals import generated, vignette_sets
from evals.fitting import FITTED, Read, fit, relatives
from evals.measures import Judged, auroc, judge, reliability, scorecard, share_above
from evals.rivals import Rival, all_of
from evals.vignette_sets import Narrative
from knowledge import library as library_files
from knowledge.differential import OTHER
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader
from knowledge.retrieval.embedding import SentenceEmbedder

SHIPPED = ("shipped, first pass", "shipped, with likeness")
DEVELOPMENT, TEST = "written, development", "written, test"
GENERATED_DEVELOPMENT, GENERATED_TEST = "generated, development", "generated, test"
SURE = 0.5
"""Probability of a named condition from which an answer to a case from outside counts as confidently wrong."""
ENTROPIES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


@dataclass(frozen=True)
class Outside:
    """`other` on cases the atlas cannot know: the same cases with their condition taken out, and (if any) diseases it never had.

    auroc: of P(other) against the cases as they are. mean: P(other). wrong: share where some condition has `SURE` or more.
    """

    auroc_taken_out: float
    mean_taken_out: float
    wrong_taken_out: float
    foreign: int
    auroc_foreign: float | None
    mean_foreign: float | None
    wrong_foreign: float | None
    mean_inside: float


def sets_of(library: Library, count: int) -> dict[str, list[Narrative]]:
    """Every set by name; the published ones only where they are present."""
    sets = {
        DEVELOPMENT: vignette_sets.half(library, "development"),
        TEST: vignette_sets.half(library, "test"),
        GENERATED_DEVELOPMENT: _generated(library, count, seed=11),
        GENERATED_TEST: _generated(library, count, seed=12),
        "case reports, development": vignette_sets.case_reports(library),
        "exam questions, development": vignette_sets.exam_questions(library),
    }
    return {name: rows for name, rows in sets.items() if rows}


def _generated(library: Library, count: int, seed: int) -> list[Narrative]:
    drawn = generated.cases(library, count, seed)
    return [Narrative(f"{seed}-{n}", c.narrative, c.condition_id, frozenset({c.condition_id})) for n, c in enumerate(drawn)]


def judged(rows: Sequence[Read], posteriors: Sequence[Mapping[str, float]]) -> list[Judged]:
    """The cases whose condition the atlas holds."""
    pairs = [(r.narrative, p) for r, p in zip(rows, posteriors, strict=True) if r.narrative.reference != OTHER]
    return [judge(p, n.reference, n.accepted, OTHER) for n, p in pairs]


def outside(library: Library, rows: Sequence[Read], score: Rival) -> Outside:
    """See `Outside`."""
    held, taken, foreign = [], [], []
    for row in rows:
        if row.narrative.reference == OTHER:
            foreign.append(score(row.narrative, row.reading, row.narrative.accepted - {OTHER}))
        else:
            held.append(score(row.narrative, row.reading, frozenset())[OTHER])
            taken.append(score(row.narrative, row.reading, relatives(library, row.narrative)))
    others, strangers = [p[OTHER] for p in taken], [p[OTHER] for p in foreign]
    return Outside(
        auroc_taken_out=auroc(held, others),
        mean_taken_out=math.fsum(others) / len(others),
        wrong_taken_out=share_above([_best(p) for p in taken], SURE),
        foreign=len(foreign),
        auroc_foreign=auroc(held, strangers) if foreign else None,
        mean_foreign=math.fsum(strangers) / len(strangers) if foreign else None,
        wrong_foreign=share_above([_best(p) for p in foreign], SURE) if foreign else None,
        mean_inside=math.fsum(held) / len(held),
    )


def _best(probabilities: Mapping[str, float]) -> float:
    return max(p for concept, p in probabilities.items() if concept != OTHER)


def coverage(cases: Sequence[Judged]) -> list[tuple[float, float, float | None]]:
    """(entropy in nats, share of cases not above it, accuracy of the first condition among them) at each of `ENTROPIES`."""
    rows = []
    for limit in ENTROPIES:
        kept = [c for c in cases if c.entropy <= limit]
        rows.append((limit, len(kept) / len(cases), sum(c.rank == 0 for c in kept) / len(kept) if kept else None))
    return rows


def measure(library: Library, sets: Mapping[str, Sequence[Read]], rivals: Mapping[str, Rival]) -> dict[str, object]:
    """Everything, as plain values for --json."""
    result: dict[str, object] = {}
    for name, rows in sets.items():
        for rival, score in rivals.items():
            posteriors = [score(r.narrative, r.reading, frozenset()) for r in rows]
            cases = judged(rows, posteriors)
            entry: dict[str, object] = {**scorecard(cases).as_dict(), "outside": asdict(outside(library, rows, score))}
            if rival in SHIPPED:
                entry["reliability"] = reliability([(c.confidence, c.hit) for c in cases])
                entry["coverage"] = coverage(cases)
            result.setdefault(name, {})[rival] = entry  # type: ignore[index]
    return result


def show(console: Console, result: Mapping[str, object]) -> None:
    """The tables of --json for reading."""
    for name, rivals in result.items():
        assert isinstance(rivals, dict)
        held = f"{name}: {_cases(rivals)} cases the atlas holds"
        table = Table("scorer", "top-1", "top-3", "top-5", "log loss", "ECE", "entropy", title=held)
        beyond = Table("scorer", "AUROC", "P(other)", "sure, wrong", "foreign: AUROC", "P(other)", "sure, wrong", "inside: P(other)",
                       title=f"{name}: condition taken out of the atlas; foreign diseases")  # fmt: skip
        for rival, row in rivals.items():
            table.add_row(rival, *(f"{row[key]:.3f}" for key in ("top1", "top3", "top5", "nll", "ece", "entropy")))
            far = row["outside"]
            keys = ("auroc_taken_out", "mean_taken_out", "wrong_taken_out", "auroc_foreign", "mean_foreign", "wrong_foreign", "mean_inside")
            beyond.add_row(rival, *("-" if far[key] is None else f"{far[key]:.3f}" for key in keys))
        console.print(table, beyond)
        for rival in (r for r in SHIPPED if r in rivals):
            reliable = Table("confidence", "cases", "mean", "right", title=f"{name}: reliability of {rival}")
            for low, high, n, mean, right in rivals[rival]["reliability"]:
                reliable.add_row(f"{low:.1f} to {high:.1f}", str(n), f"{mean:.2f}", f"{right:.2f}")
            kept = Table("entropy at most, nats", "cases kept", "first one right", title=f"{name}: coverage of {rival}")
            for limit, share, right in rivals[rival]["coverage"]:
                kept.add_row(f"{limit:.1f}", f"{share:.2f}", "-" if right is None else f"{right:.2f}")
            console.print(reliable, kept)


def _cases(rivals: Mapping[str, Mapping[str, object]]) -> object:
    return next(iter(rivals.values()))["cases"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--no-embedding", action="store_true")
    parser.add_argument("--generated", type=int, default=300)
    asked = parser.parse_args()
    library = library_files.read()
    reader = NarrativeReader(library)
    chosen = {name: rows for name, rows in sets_of(library, asked.generated).items() if asked.test or name not in (TEST, GENERATED_TEST)}
    sets = {name: [Read(n, reader.read(n.text)) for n in rows] for name, rows in chosen.items()}
    console = Console(width=160)
    if asked.fit:
        for parameters, cost in fit(library, [sets[DEVELOPMENT], sets[GENERATED_DEVELOPMENT]]):
            console.print(f"{cost:.4f}", {name: round(getattr(parameters, name), 3) for name in FITTED})
        return
    result = measure(library, sets, all_of(library, None if asked.no_embedding else SentenceEmbedder()))
    if asked.json:
        print(json.dumps(result, indent=1))
    else:
        show(console, result)


if __name__ == "__main__":
    main()
