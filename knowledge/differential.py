"""A probabilistic differential over the atlas: tempered naive Bayes with background rates, and room for 'something else'.

log P(d | findings) = log prior(d | age, sex) + α Σ_f w_f log [P(f | d) / background_f] + const, with (1 - P) / (1 - background) for an
absent finding. α < 1 tempers the sum because findings are not independent. A finding that a condition does not list is as likely there
as in its background, so it neither helps nor hurts. Finding levels and priors are coarse on purpose: see `Parameters`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from agent.domain import Demographics, Finding
from knowledge.library import NAMES_PREFIX, Library
from knowledge.schema import AgeBand, Condition, Level, Prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER = "other"
"""The hypothesis that the case is none of the atlas's conditions."""


@dataclass(frozen=True)
class Parameters:
    """The scorer's numbers, in one place. Probabilities per level and prior class are ours; they order, they do not measure."""

    levels: Mapping[Level, float] = field(
        default_factory=lambda: {"hallmark": 0.9, "common": 0.6, "occasional": 0.25, "rare": 0.05, "never": 0.005}
    )
    priors: Mapping[Prior, float] = field(
        default_factory=lambda: {"very_common": 0.06, "common": 0.025, "uncommon": 0.008, "rare": 0.002, "very_rare": 0.0007}
    )
    other_prior: float = 0.05
    temper: float = 0.7
    max_nats: float = 5.5
    named_nats: float = 4.0
    named_child_nats: float = 2.5
    unnamed_nats: float = -2.5


@dataclass(frozen=True)
class Posterior:
    """Probabilities over every condition and `other` (sum 1), and what each finding added for each condition, in nats."""

    probabilities: dict[str, float]
    contributions: dict[str, dict[str, float]]

    @property
    def ranked(self) -> list[tuple[str, float]]:
        return sorted(self.probabilities.items(), key=lambda item: (-item[1], item[0]))


def age_band(years: float) -> AgeBand:
    """
    >>> age_band(0.5), age_band(56), age_band(80)
    ('infant', 'middle_aged', 'elderly')
    """
    bounds: tuple[tuple[float, AgeBand], ...] = ((2, "infant"), (16, "child"), (40, "young_adult"), (60, "middle_aged"), (75, "older"))
    return next((band for bound, band in bounds if years < bound), "elderly")


class DifferentialScorer:
    """Scores findings against every condition of a library. Immutable after construction, callable from any thread."""

    def __init__(self, library: Library, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.library = library
        self.conditions = library.conditions
        self._column = {f.id: i for i, f in enumerate(library.findings)}
        self._ancestors = {f.id: _closure(library, f.id) for f in library.findings}
        self._background = np.array([f.background for f in library.findings])
        self.chance, self.listed = self._matrix()

    def _matrix(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """P(finding | condition), conditions x findings, and whether it comes from the atlas. A finding that implies a listed one's
        generality lends it at least its own probability."""
        chance = np.tile(self._background, (len(self.conditions), 1))
        listed = np.zeros(chance.shape, dtype=bool)
        for row, condition in enumerate(self.conditions):
            own = {f: self.parameters.levels[level] for level, findings in condition.findings.items() for f in findings}
            for finding, probability in own.items():
                column = self._column[finding]
                chance[row, column], listed[row, column] = probability, True
            for finding, probability in own.items():
                for general in self._ancestors[finding]:
                    column = self._column[general]
                    if general not in own and probability > chance[row, column]:
                        chance[row, column], listed[row, column] = probability, True
        return chance, listed

    def prior(self, condition: Condition, who: Demographics) -> float:
        """Unnormalised prior of a condition for this age and sex."""
        value = self.parameters.priors[condition.prior]
        if who.age is not None:
            value *= condition.age.get(age_band(who.age), 1.0)
        if who.sex is not None:
            value *= condition.sex.get(who.sex, 1.0)
        return value

    def posterior(
        self,
        findings: Sequence[Finding],
        who: Demographics,
        *,
        extra: Mapping[str, float] | None = None,
        silence: float = 0.0,
        chance: NDArray[np.float64] | None = None,
    ) -> Posterior:
        """`extra`: further nats per condition. `silence` (0 to 1): how much an unmentioned finding counts as absent; it grows with the
        detail of a narrative. `chance`: another P(finding | condition) of the same shape, for sensitivity analysis."""
        table = self.chance if chance is None else chance
        contributions: dict[str, dict[str, float]] = {c.id: {} for c in self.conditions}
        self._add_present(table, findings, contributions)
        self._add_absent(table, findings, contributions)
        self._add_named(findings, contributions)
        quiet = self._silence(table, findings) * silence if silence else np.zeros(len(self.conditions))
        logs = {OTHER: math.log(self.parameters.other_prior)}
        for row, condition in enumerate(self.conditions):
            evidence = math.fsum(contributions[condition.id].values()) + float(quiet[row])
            extras = (extra or {}).get(condition.id, 0.0)
            logs[condition.id] = math.log(self.prior(condition, who)) + self.parameters.temper * evidence + extras
        return Posterior(_softmax(logs), contributions)

    def _add_present(self, table: NDArray[np.float64], findings: Sequence[Finding], out: dict[str, dict[str, float]]) -> None:
        weights = {f.finding_id: f.weight for f in findings if f.presence != "absent" and f.finding_id in self._column}
        implied = {a for f in weights for a in self._ancestors[f]}
        for specific in (f for f in weights if f not in implied):
            chain = (specific, *self._ancestors[specific])
            for row, condition in enumerate(self.conditions):
                heard = next((f for f in chain if self.listed[row, self._column[f]]), None)
                if heard is not None:
                    column = self._column[heard]
                    nats = weights[specific] * self._ratio(table[row, column], self._background[column])
                    known = out[condition.id].get(heard)
                    out[condition.id][heard] = nats if known is None else max(known, nats, key=abs)

    def _add_absent(self, table: NDArray[np.float64], findings: Sequence[Finding], out: dict[str, dict[str, float]]) -> None:
        for finding in findings:
            if finding.presence == "absent" and finding.finding_id in self._column:
                column = self._column[finding.finding_id]
                for row in np.flatnonzero(self.listed[:, column]):
                    nats = finding.weight * self._ratio(1 - table[row, column], 1 - self._background[column])
                    out[self.conditions[row].id][f"no {finding.finding_id}"] = nats

    def _add_named(self, findings: Sequence[Finding], out: dict[str, dict[str, float]]) -> None:
        for finding in findings:
            if finding.finding_id.startswith(NAMES_PREFIX):
                named = finding.finding_id.removeprefix(NAMES_PREFIX)
                p = self.parameters
                for condition in self.conditions:
                    strength = p.named_nats if condition.id == named else p.named_child_nats if condition.parent == named else 0.0
                    if strength and finding.presence == "absent":
                        strength = p.unnamed_nats
                    if strength:
                        out[condition.id][finding.finding_id] = strength * finding.weight

    def _silence(self, table: NDArray[np.float64], findings: Sequence[Finding]) -> NDArray[np.float64]:
        mentioned = {f.finding_id for f in findings}
        mentioned |= {a for f in mentioned if f in self._ancestors for a in self._ancestors[f]}
        open_columns = np.array([f.id not in mentioned for f in self.library.findings])
        counts = self.listed & open_columns & (table > 0.5)
        nats = np.log((1 - np.minimum(table, 0.97)) / (1 - self._background))
        return np.asarray((nats * counts).sum(axis=1), dtype=np.float64)

    def _ratio(self, probability: float, background: float) -> float:
        limit = self.parameters.max_nats
        return max(-limit, min(limit, math.log(max(probability, 1e-4) / max(background, 1e-4))))


def _closure(library: Library, finding_id: str) -> tuple[str, ...]:
    """Every finding implied by this one, nearest first."""
    seen: list[str] = []
    queue = list(library.finding[finding_id].implies)
    while queue:
        general = queue.pop(0)
        if general not in seen and general != finding_id:
            seen.append(general)
            queue += library.finding[general].implies
    return tuple(seen)


def _softmax(logs: Mapping[str, float]) -> dict[str, float]:
    top = max(logs.values())
    weights = {key: math.exp(value - top) for key, value in logs.items()}
    total = math.fsum(weights.values())
    return {key: value / total for key, value in weights.items()}
