"""How far the atlas's probabilities can be trusted on narratives generated from the atlas: top-k, log loss, calibration error.

Usage: python -m evals.calibration [--cases 400]        Development seed 1, test seed 2; see evals/README.md for what was chosen with it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from agent.uncertainty import entropy
from evals.generated import GeneratedCase, cases
from knowledge import library as library_files
from knowledge.differential import DifferentialScorer, Parameters
from knowledge.reading import NarrativeReader

BINS = 10
TEMPERS = (0.3, 0.4, 0.5, 0.6, 0.7, 1.0)


def expected_calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by their size (Guo et al., ICML 2017).

    >>> expected_calibration_error([(0.95, True), (0.95, True)])
    0.05
    """
    total = 0.0
    for b in range(BINS):
        members = [(p, hit) for p, hit in pairs if min(int(p * BINS), BINS - 1) == b]
        if members:
            gap = abs(math.fsum(p for p, _ in members) - sum(hit for _, hit in members))
            total += gap
    return round(total / len(pairs), 6)


def measure(drawn: Sequence[GeneratedCase], reader: NarrativeReader, scorer: DifferentialScorer) -> tuple[float, ...]:
    """top-1, top-3, log loss, calibration error, and the mean entropy in nats."""
    ranks, losses, pairs, doubts = [], [], [], []
    for case in drawn:
        reading = reader.read(case.narrative)
        posterior = scorer.posterior(reading.findings, reading.demographics)
        order = [concept for concept, _ in posterior.ranked]
        ranks.append(order.index(case.condition_id))
        losses.append(-math.log(max(posterior.probabilities[case.condition_id], 1e-9)))
        pairs.append((posterior.ranked[0][1], order[0] == case.condition_id))
        doubts.append(entropy(posterior.probabilities.values()))
    n = len(drawn)
    return sum(r == 0 for r in ranks) / n, sum(r < 3 for r in ranks) / n, sum(losses) / n, expected_calibration_error(pairs), sum(doubts) / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=400)
    count = parser.parse_args().cases
    library = library_files.read()
    reader = NarrativeReader(library)
    table = Table("temper", "seed", "findings", "top-1", "top-3", "log loss", "calibration error", "mean entropy, nats")
    for temper in TEMPERS:
        scorer = DifferentialScorer(library, replace(Parameters(), temper=temper))
        for seed, detail in ((1, (1, 2)), (1, (3, 8)), (2, (1, 8))):
            row = measure(list(cases(library, count, seed, detail)), reader, scorer)
            table.add_row(f"{temper}", f"{seed}", f"{detail[0]} to {detail[1]}", *(f"{value:.3f}" for value in row))
    Console().print(table)


if __name__ == "__main__":
    main()
