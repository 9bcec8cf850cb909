"""A tempered log-linear differential over the atlas, with background rates as a leak and a hypothesis for what the atlas lacks.

log P(d | findings) = γ log prior(d | age, sex) + α Σ_f w_f log [P(f | d) / background_f] + const, with (1 - P) / (1 - background) for an
absent finding. A finding that a condition does not list is as likely there as in its background, so it neither helps nor hurts it;
`other` is a disease that could show any finding, so findings that nobody explains speak for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.domain import Demographics, Finding
from knowledge.differential.parameters import Parameters, age_band
from knowledge.library import NAMES_PREFIX, Library
from knowledge.schema import Condition

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER = "other"
"""The hypothesis that the case is none of the atlas's conditions."""
_TINY = 1e-4


@dataclass(frozen=True)
class Posterior:
    """Probabilities over every condition and `other` (sum 1), and the nats each finding added to each of them."""

    probabilities: dict[str, float]
    contributions: dict[str, dict[str, float]]

    @property
    def ranked(self) -> list[tuple[str, float]]:
        return sorted(self.probabilities.items(), key=lambda item: (-item[1], item[0]))


class DifferentialScorer:
    """Scores findings against every condition of a library. Immutable after construction, callable from any thread."""

    def __init__(self, library: Library, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.library = library
        self.conditions = library.conditions
        self._column = {f.id: i for i, f in enumerate(library.findings)}
        self._ancestors = {f.id: _closure(library, f.id) for f in library.findings}
        self._background = np.array([f.background for f in library.findings])
        self._kind = np.array([self.parameters.kinds.get(f.kind, 1.0) for f in library.findings])
        self.chance, self.listed = self._matrix()
        self._heard = self._heard_as()
        everything = np.arange(len(library.findings))
        ratios = self._ratios(self.chance, everything)
        self._generic = np.log(np.exp(ratios).mean(axis=0)).clip(min=0.0)
        unit = ratios / np.maximum(np.linalg.norm(ratios, axis=0), 1e-12)
        self._alike = np.clip(unit.T @ unit, 0.0, 1.0)

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
        if self.parameters.leak:
            chance = np.where(listed, 1 - (1 - chance) * (1 - self._background), chance)
        return chance, listed

    def _heard_as(self) -> NDArray[np.intp]:
        """Per condition and finding, the column of the nearest generality that the condition lists; -1 where it lists none."""
        heard = np.full(self.listed.shape, -1, dtype=np.intp)
        for column, entry in enumerate(self.library.findings):
            for name in (entry.id, *self._ancestors[entry.id]):
                general = self._column[name]
                heard[:, column] = np.where((heard[:, column] < 0) & self.listed[:, general], general, heard[:, column])
        return heard

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
        temper = self.parameters.temper
        columns, weights = self._present(findings)
        support = self._support(table, columns) * weights * temper
        denied, denials = self._denied(table, findings)
        denials = denials * temper
        named = self._named(findings)
        unexplained = self.parameters.generic * temper * weights * self._generic[columns]
        logs = self._log_priors(who) + support.sum(axis=1) + denials.sum(axis=1)
        if silence:
            logs = logs + temper * silence * self._silence(table, findings)
        names = [self.library.findings[c].id for c in columns] + [f"no {self.library.findings[c].id}" for c in denied]
        contributions = {
            condition.id: {**{n: float(v) for n, v in zip(names, row, strict=True) if v}, **named.get(condition.id, {})}
            for condition, row in zip(self.conditions, np.hstack([support, denials]), strict=True)
        }
        contributions[OTHER] = {n: float(v) for n, v in zip(names, unexplained, strict=False) if v}
        totals = {c.id: float(v) + math.fsum(named.get(c.id, {}).values()) for c, v in zip(self.conditions, logs, strict=True)}
        for concept, nats in (extra or {}).items():
            totals[concept] += nats
        totals[OTHER] = math.log(self.parameters.other_prior) + float(unexplained.sum())
        return Posterior(_softmax(totals), contributions)

    def _log_priors(self, who: Demographics) -> NDArray[np.float64]:
        """Normalised over the conditions to what `other` leaves, so that its prior means the same in an atlas of any size."""
        logs = self.parameters.prior_weight * np.log([self.prior(c, who) for c in self.conditions])
        top = logs.max()
        return np.asarray(logs - top - np.log(np.exp(logs - top).sum()) + math.log1p(-self.parameters.other_prior))

    def _present(self, findings: Sequence[Finding]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Columns of the most specific findings that are there, and the weight of each: certainty, kind, and its share of a common vote."""
        weights = {f.finding_id: f.weight for f in findings if f.presence != "absent" and f.finding_id in self._column}
        implied = {a for f in weights for a in self._ancestors[f]}
        specific = [f for f in weights if f not in implied]
        columns = np.array([self._column[f] for f in specific], dtype=np.intp)
        sure = np.array([weights[f] for f in specific])
        if not specific:
            return columns, sure
        alike = self._alike[np.ix_(columns, columns)] - np.eye(len(columns))
        votes = 1 + self.parameters.overlap * np.clip(alike, 0, None) @ sure
        return columns, sure * self._kind[columns] / votes

    def _support(self, table: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Log ratios, conditions x columns. Findings that a condition hears as one and the same count there once, by the strongest."""
        nats = self._ratios(table, columns)
        heard = self._heard[:, columns]
        for first in range(len(columns)):
            for second in range(first):
                same = (heard[:, first] == heard[:, second]) & (heard[:, first] >= 0)
                if same.any():
                    weaker = np.where(np.abs(nats[:, first]) > np.abs(nats[:, second]), second, first)
                    rows = np.flatnonzero(same)
                    nats[rows, weaker[rows]] = 0.0
        return nats

    def _ratios(self, table: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        heard = self._heard[:, columns]
        rows = np.arange(len(self.conditions))[:, None]
        nats = np.log(np.maximum(table[rows, heard], _TINY) / np.maximum(self._background[heard], _TINY))
        limit = self.parameters.max_nats
        return np.where(heard >= 0, np.clip(nats, -limit, limit), 0.0)

    def _denied(self, table: NDArray[np.float64], findings: Sequence[Finding]) -> tuple[list[int], NDArray[np.float64]]:
        """Columns of the findings said to be absent, and their log ratios, conditions x columns."""
        absent = {self._column[f.finding_id]: f.weight for f in findings if f.presence == "absent" and f.finding_id in self._column}
        columns = list(absent)
        ratio = (1 - table[:, columns]) / (1 - self._background[columns])
        nats = np.log(np.maximum(ratio, _TINY)).clip(-self.parameters.max_nats, self.parameters.max_nats)
        weights = self.parameters.absent * np.array(list(absent.values())) * self._kind[columns]
        return columns, np.where(self.listed[:, columns], nats, 0.0) * weights

    def _named(self, findings: Sequence[Finding]) -> dict[str, dict[str, float]]:
        """Nats for conditions that the narrative names or rules out, and for children of them."""
        p = self.parameters
        out: dict[str, dict[str, float]] = {}
        for finding in findings:
            if finding.finding_id.startswith(NAMES_PREFIX):
                named = finding.finding_id.removeprefix(NAMES_PREFIX)
                for condition in self.conditions:
                    strength = p.named_nats if condition.id == named else p.named_child_nats if condition.parent == named else 0.0
                    if strength:
                        nats = p.unnamed_nats if finding.presence == "absent" else strength
                        out.setdefault(condition.id, {})[finding.finding_id] = p.temper * nats * finding.weight
        return out

    def _silence(self, table: NDArray[np.float64], findings: Sequence[Finding]) -> NDArray[np.float64]:
        mentioned = {f.finding_id for f in findings}
        mentioned |= {a for f in mentioned if f in self._ancestors for a in self._ancestors[f]}
        open_columns = np.array([f.id not in mentioned for f in self.library.findings])
        counts = self.listed & open_columns & (table > 0.5)
        nats = np.log((1 - np.minimum(table, 0.97)) / (1 - self._background))
        return np.asarray((nats * counts).sum(axis=1), dtype=np.float64)


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
