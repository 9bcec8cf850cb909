"""Chooses the scorer's constants on development narratives: written ones and generated ones, never a test half.

The cost is the log loss of in-atlas cases, and of the same cases when their condition is taken out of the atlas (then `other` is right),
mixed as if one case in ten came from outside. Coordinate search in shrinking steps, from where it is told to start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evals.measures import SMALLEST, without
from evals.vignette_sets import Narrative
from knowledge.differential import OTHER, DifferentialScorer, Parameters
from knowledge.library import Library
from knowledge.reading.narrative import Reading

FITTED = ("temper", "prior_weight", "crowding", "generic")
"""The others are set by hand: the cost hardly moves with them."""
STEPS = (1.4, 1.2, 1.1)
OUTSIDE = 0.1
"""Share of cases from outside the atlas; also `Parameters.other_prior`."""


@dataclass(frozen=True)
class Read:
    narrative: Narrative
    reading: Reading


def relatives(library: Library, narrative: Narrative) -> set[str]:
    """What must be taken out for a narrative to come from outside: whatever is accepted for it, and its parent and children."""
    parents = {library.condition[c].parent for c in narrative.accepted if c in library.condition}
    children = {c.id for c in library.conditions if c.parent in narrative.accepted}
    return {c for c in (*narrative.accepted, *parents, *children) if c is not None}


def loss(library: Library, parameters: Parameters, sets: Sequence[Sequence[Read]]) -> float:
    """Mean over the sets of their mixed log loss, in nats."""
    scorer = DifferentialScorer(library, parameters)
    return math.fsum(_loss(library, scorer, rows) for rows in sets) / len(sets)


def _loss(library: Library, scorer: DifferentialScorer, rows: Sequence[Read]) -> float:
    inside, outside = [], []
    for row in rows:
        p = scorer.posterior(row.reading.findings, row.reading.demographics).probabilities
        if row.narrative.reference == OTHER:
            outside.append(p[OTHER])
        else:
            inside.append(p[row.narrative.reference])
            outside.append(without(p, relatives(library, row.narrative))[OTHER])
    return (1 - OUTSIDE) * _log_loss(inside) + OUTSIDE * _log_loss(outside)


def _log_loss(chances: Sequence[float]) -> float:
    return math.fsum(-math.log(max(p, SMALLEST)) for p in chances) / len(chances)


def fit(library: Library, sets: Sequence[Sequence[Read]], start: Parameters | None = None) -> Iterator[tuple[Parameters, float]]:
    """Parameters and their cost after each pass, better each time."""
    best = start or Parameters()
    cost = loss(library, best, sets)
    for step in STEPS:
        for name in FITTED:
            for factor in (step, 1 / step):
                while True:
                    trial = replace(best, **{name: getattr(best, name) * factor})
                    found = loss(library, trial, sets)
                    if found >= cost - 1e-4:
                        break
                    best, cost = trial, found
        yield best, cost
