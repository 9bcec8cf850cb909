"""A log-linear differential over the atlas: each finding a noisy-or with its background as the leak, and a hypothesis for what is missing.

log P(d | findings) = γ log prior(d) + log [age, sex] + α Σ_f w_f log [P(f | d) / background_f] + const, with P(f | d) = 1 - (1 - level)(1 -
background), and (1 - P) / (1 - background) for an absent finding. A finding that a condition does not list is as likely there as in its
background, so it neither helps nor hurts. `other` is a disease of which only that is known: every finding speaks for it by what it is
worth on average over the atlas, so it wins where no condition explains what is there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.domain import Demographics, Finding
from knowledge.differential.parameters import Parameters, age_band
from knowledge.differential.table import Table
from knowledge.library import NAMES_PREFIX, Library
from knowledge.schema import Condition

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER = "other"
"""The hypothesis that the case is none of the atlas's conditions."""


@dataclass(frozen=True)
class Posterior:
    """Probabilities over every condition and `other` (sum 1), and the nats by which each finding moved the log odds of each of them."""

    probabilities: dict[str, float]
    contributions: dict[str, dict[str, float]]

    @property
    def ranked(self) -> list[tuple[str, float]]:
        return sorted(self.probabilities.items(), key=lambda item: (-item[1], item[0]))


class DifferentialScorer:
    """Scores findings against every condition of a library. Immutable after construction, callable from any thread."""

    table_type: type[Table] = Table

    def __init__(self, library: Library, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.library = library
        self.conditions = library.conditions
        self.table = self.table_type(library, self.parameters)

    @property
    def chance(self) -> NDArray[np.float64]:
        """P(finding | condition), conditions x findings."""
        return self.table.chance

    @property
    def listed(self) -> NDArray[np.bool_]:
        """Which of them the atlas gives, and which are the background."""
        return self.table.listed

    def prior(self, condition: Condition, who: Demographics) -> float:
        """Unnormalised prior of a condition for this age and sex. How common it is counts by `prior_weight`, for a case that is written
        down is seldom the commonest one; age and sex count in full."""
        value: float = self.parameters.priors[condition.prior] ** self.parameters.prior_weight
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
        """`extra`: further nats per condition, which move probability among the conditions and leave `other` its share. `silence` (0 to
        1): how much an unmentioned finding counts as absent; it grows with the detail of a narrative. `chance`: another P(finding |
        condition) of the same shape, for sensitivity analysis."""
        chance = self.table.chance if chance is None else chance
        temper = self.parameters.temper
        columns, weights = self._present(findings)
        denied, certainty = self._denied(findings)
        support = temper * weights * self.table.support(chance, columns)
        against = temper * self.parameters.absent * certainty * self.table.denials(chance, denied)
        unexplained = temper * weights * self.table.generic[columns]
        named = self._named(findings)
        logs = self._log_priors(who) + support.sum(axis=1) + against.sum(axis=1)
        if silence:
            logs = logs + temper * silence * self.table.silence(chance, {f.finding_id for f in findings})
        totals = {c.id: float(v) + math.fsum(named.get(c.id, {}).values()) for c, v in zip(self.conditions, logs, strict=True)}
        if extra:
            before = _log_sum(totals.values())
            totals = {c: v + extra.get(c, 0.0) for c, v in totals.items()}
            level = before - _log_sum(totals.values())
            totals = {c: v + level for c, v in totals.items()}
        totals[OTHER] = math.log(self.parameters.other_prior) + float(unexplained.sum())
        names = [self.library.findings[c].id for c in columns] + [f"no {self.library.findings[c].id}" for c in denied]
        moved = {
            c.id: {**{n: float(v) for n, v in zip(names, row, strict=True) if v}, **named.get(c.id, {})}
            for c, row in zip(self.conditions, np.hstack([support, against]), strict=True)
        }
        moved[OTHER] = {n: float(v) for n, v in zip(names, unexplained, strict=False) if v}
        return Posterior(_softmax(totals), moved)

    def _log_priors(self, who: Demographics) -> NDArray[np.float64]:
        """Normalised over the conditions to what `other` leaves, so that its prior means the same in an atlas of any size."""
        logs = np.log([self.prior(c, who) for c in self.conditions])
        top = logs.max()
        return np.asarray(logs - top - np.log(np.exp(logs - top).sum()) + math.log1p(-self.parameters.other_prior))

    def _present(self, findings: Sequence[Finding]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Columns of the most specific findings that are there, and how much each counts."""
        weights = {f.finding_id: f.weight for f in findings if f.presence != "absent" and f.finding_id in self.table.column}
        implied = {general for f in weights for general in self.table.ancestors[f]}
        specific = [f for f in weights if f not in implied]
        sure = np.array([weights[f] for f in specific])
        return self._columns(specific), sure / (1 + self.parameters.crowding * float(sure.sum()))

    def _denied(self, findings: Sequence[Finding]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Columns of the findings said to be absent, and how sure that is."""
        weights = {f.finding_id: f.weight for f in findings if f.presence == "absent" and f.finding_id in self.table.column}
        return self._columns(weights), np.array(list(weights.values()))

    def _columns(self, names: Sequence[str] | Mapping[str, float]) -> NDArray[np.intp]:
        return np.array([self.table.column[name] for name in names], dtype=np.intp)

    def _named(self, findings: Sequence[Finding]) -> dict[str, dict[str, float]]:
        """Nats for conditions that the narrative names or rules out, and for children of them."""
        p = self.parameters
        moved: dict[str, dict[str, float]] = {}
        for finding in findings:
            if finding.finding_id.startswith(NAMES_PREFIX):
                named = finding.finding_id.removeprefix(NAMES_PREFIX)
                for condition in self.conditions:
                    strength = p.named_nats if condition.id == named else p.named_child_nats if condition.parent == named else 0.0
                    if strength:
                        nats = p.unnamed_nats if finding.presence == "absent" else strength
                        moved.setdefault(condition.id, {})[finding.finding_id] = nats * finding.weight
        return moved


def _log_sum(logs: Collection[float]) -> float:
    top = max(logs)
    return top + math.log(math.fsum(math.exp(v - top) for v in logs))


def _softmax(logs: Mapping[str, float]) -> dict[str, float]:
    top = max(logs.values())
    weights = {key: math.exp(value - top) for key, value in logs.items()}
    total = math.fsum(weights.values())
    return {key: value / total for key, value in weights.items()}
