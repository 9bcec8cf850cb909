"""The scorer's numbers, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knowledge.schema import AgeBand, Level, Prior


@dataclass(frozen=True)
class Parameters:
    """Probabilities per level and prior class are the editors': they order, they do not measure. `evals/README.md` says how the rest was
    chosen (`python -m evals.scorers --fit`).

    levels: P(finding | condition), before the leak. priors: relative frequency of a condition in an eye clinic. prior_weight: exponent on
    the prior, not on its age and sex. other_prior: share of cases that no condition of the atlas explains. temper: exponent on the likelihood.
    crowding: how much each further finding that is present takes from the weight of all, for long letters repeat themselves and wander.
    absent: exponent on findings denied, on top of the temper. generic: the share of a finding's mean support over all conditions that
    `other` may claim; beyond: the same for findings from beyond the eye, on top. max_nats: limit of one finding's log ratio.
    named_nats and the next two: nats for a condition the narrative names, for a child of it, and for one it rules out.
    """

    levels: Mapping[Level, float] = field(
        default_factory=lambda: {"hallmark": 0.9, "common": 0.6, "occasional": 0.25, "rare": 0.05, "never": 0.005}
    )
    priors: Mapping[Prior, float] = field(
        default_factory=lambda: {"very_common": 0.06, "common": 0.025, "uncommon": 0.008, "rare": 0.002, "very_rare": 0.0007}
    )
    prior_weight: float = 0.5
    other_prior: float = 0.1
    temper: float = 1.4
    crowding: float = 0.08
    absent: float = 0.5
    generic: float = 1.35
    beyond: float = 0.5
    max_nats: float = 5.5
    named_nats: float = 4.0
    named_child_nats: float = 2.5
    unnamed_nats: float = -2.5


def age_band(years: float) -> AgeBand:
    """
    >>> age_band(0.5), age_band(56), age_band(80)
    ('infant', 'middle_aged', 'elderly')
    """
    bounds: tuple[tuple[float, AgeBand], ...] = ((2, "infant"), (16, "child"), (40, "young_adult"), (60, "middle_aged"), (75, "older"))
    return next((band for bound, band in bounds if years < bound), "elderly")
