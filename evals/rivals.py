"""The scorers that were compared, each a function from a narrative and its reading to probabilities over conditions and `other`.

What ships is `knowledge.differential`; the others are here so that the comparison can be run again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from agent.domain import Finding
from evals.measures import without
from evals.vignette_sets import Narrative
from knowledge.differential import OTHER, DifferentialScorer, Parameters
from knowledge.differential.likeness import likeness_nats, passages, profile
from knowledge.differential.table import Table
from knowledge.library import Library
from knowledge.reading.narrative import Reading
from knowledge.retrieval.embedding import Embedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rival = Callable[[Narrative, Reading, Set[str]], dict[str, float]]
"""The set holds conditions that are to be taken out of the atlas first."""
Nats = Callable[[Narrative, Reading], dict[str, float]]
PLAIN = Parameters(prior_weight=1.0, other_prior=0.05, temper=1.0, crowding=0.0, absent=1.0, generic=0.0)
"""Textbook values: what naive Bayes and noisy-or are without what was fitted."""


class _WithoutLeak(Table):
    """Naive Bayes: a listed level stands for the whole probability, however common the finding is anyway."""

    def _with_background(self, chance: NDArray[np.float64], listed: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.where(listed, chance, self.background)


class NaiveBayes(DifferentialScorer):
    """Tempered naive Bayes with background rates, as it shipped before."""

    table_type = _WithoutLeak


class Overlapping(DifferentialScorer):
    """The shipped scorer where findings that point to the same conditions share a vote: five words for one thing count less than five."""

    share = 0.2

    def _present(self, findings: Sequence[Finding]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        columns, weights = super()._present(findings)
        ratios = self.table.ratios(self.chance, columns)
        unit = ratios / np.maximum(np.linalg.norm(ratios, axis=0), 1e-12)
        alike = np.clip(unit.T @ unit - np.eye(len(columns)), 0, 1)
        return columns, weights / (1 + self.share * alike.sum(axis=1))


def of_scorer(scorer: DifferentialScorer, likeness: Nats | None = None) -> Rival:
    """A scorer, and with `likeness` the log-linear combination of both, as `DifferentialScorer.posterior` takes it in `extra`."""

    def score(narrative: Narrative, reading: Reading, taken: Set[str]) -> dict[str, float]:
        p = without(scorer.posterior(reading.findings, reading.demographics).probabilities, taken)
        if likeness is None:
            return p
        nats = likeness(narrative, reading)
        tilted = _normalised({c: math.log(max(v, 1e-300)) + nats.get(c, 0.0) for c, v in p.items() if c != OTHER})
        return {**{c: (1 - p[OTHER]) * v for c, v in tilted.items()}, OTHER: p[OTHER]}

    return score


def keywords(library: Library) -> Rival:
    """Counts the findings that a condition lists: what 'better than counting keywords' is measured against. One nat a finding."""
    scorer = DifferentialScorer(library, PLAIN)

    def score(_: Narrative, reading: Reading, taken: Set[str]) -> dict[str, float]:
        columns = scorer._present(reading.findings)[0]
        hits = (scorer.table.heard[:, columns] >= 0).sum(axis=1)
        return without(_normalised({**{c.id: float(n) for c, n in zip(scorer.conditions, hits, strict=True)}, OTHER: 0.0}), taken)

    return score


def second_disease(library: Library, parameters: Parameters, chance_of_second: float = 0.05) -> Rival:
    """QMR-style: every condition alone, or with a second one that may cause what it does not (noisy-or of both and the leak).

    A second disease is drawn by its prior; the first keeps the probability.
    """
    scorer = DifferentialScorer(library, parameters)
    priors = np.array([parameters.priors[c.prior] for c in library.conditions])
    second = priors / priors.sum()

    def score(_: Narrative, reading: Reading, taken: Set[str]) -> dict[str, float]:
        columns, weights = scorer._present(reading.findings)
        denied, certainty = scorer._denied(reading.findings)
        background = scorer.table.background[columns]
        ratios = scorer.table.support(scorer.chance, columns)
        present = np.clip(np.exp(ratios) * background, 0.0, 0.999)
        both = 1 - (1 - present[:, None, :]) * (1 - present[None, :, :]) / (1 - background)
        pair = parameters.temper * (np.log(np.maximum(both / background, 1e-4)) * weights).sum(axis=-1)
        alone = parameters.temper * (ratios * weights).sum(axis=1)
        top = max(float(alone.max()), float(pair.max(initial=0.0)))
        mixed = (1 - chance_of_second) * np.exp(alone - top) + chance_of_second * (np.exp(pair - top) @ second)
        against = parameters.temper * parameters.absent * (certainty * scorer.table.denials(scorer.chance, denied)).sum(axis=1)
        logs = scorer._log_priors(reading.demographics) + np.log(np.maximum(mixed, 1e-300)) + top + against
        unexplained = parameters.temper * float((weights * scorer.table.generic[columns]).sum())
        rows = {c.id: float(v) for c, v in zip(library.conditions, logs, strict=True)}
        return without(_normalised({**rows, OTHER: math.log(parameters.other_prior) + unexplained}), taken)

    return score


class Likeness:
    """Narrative against profile by sentence embeddings, in nats per condition; vectors of narratives are kept."""

    def __init__(self, library: Library, embedder: Embedder) -> None:
        self._embedder = embedder
        self._ids = [c.id for c in library.conditions]
        self._profiles = embedder.embed([profile(library, c) for c in library.conditions])
        self._known: dict[str, dict[str, float]] = {}

    def nats(self, narrative: Narrative, reading: Reading) -> dict[str, float]:
        if narrative.text not in self._known:
            told = passages(narrative.text, reading.findings)
            rows = self._embedder.embed(told) @ self._profiles.T if told else ()
            similarities = [dict(zip(self._ids, map(float, row), strict=True)) for row in rows]
            self._known[narrative.text] = likeness_nats(similarities, sum(map(len, told)))
        return self._known[narrative.text]

    def alone(self, scale: float = 2.0) -> Rival:
        """The embedding by itself; it says nothing of `other`, which is given its prior."""

        def score(narrative: Narrative, reading: Reading, taken: Set[str]) -> dict[str, float]:
            nats = self.nats(narrative, reading)
            among = _normalised({c: scale * nats.get(c, 0.0) for c in self._ids if c not in taken})
            return {**{c: 0.9 * p for c, p in among.items()}, OTHER: 0.1}

        return score


def all_of(library: Library, embedder: Embedder | None) -> dict[str, Rival]:
    """Every rival by name, the shipped ones last; those that need embeddings only with an embedder."""
    shipped = DifferentialScorer(library)
    rivals: dict[str, Rival] = {
        "counting keywords": keywords(library),
        "naive Bayes, temper 0.7 (before)": of_scorer(NaiveBayes(library, replace(PLAIN, temper=0.7))),
        "naive Bayes": of_scorer(NaiveBayes(library, PLAIN)),
        "noisy-or with leak": of_scorer(DifferentialScorer(library, PLAIN)),
        "noisy-or, second disease": second_disease(library, Parameters()),
        "shipped, overlapping findings share": of_scorer(Overlapping(library)),
    }
    if embedder is not None:
        likeness = Likeness(library, embedder)
        rivals["embedding likeness"] = likeness.alone()
        rivals["naive Bayes + likeness"] = of_scorer(NaiveBayes(library, PLAIN), likeness.nats)
        rivals["shipped, first pass"] = of_scorer(shipped)
        rivals["shipped, with likeness"] = of_scorer(shipped, likeness.nats)
    else:
        rivals["shipped, first pass"] = of_scorer(shipped)
    return rivals


def _normalised(logs: Mapping[str, float]) -> dict[str, float]:
    top = max(logs.values())
    weights = {c: math.exp(v - top) for c, v in logs.items()}
    total = math.fsum(weights.values())
    return {c: w / total for c, w in weights.items()}
