"""The scorer's numbers, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knowledge.schema import AgeBand, Level, Prior


@dataclass(frozen=True)
class Parameters:
    """Probabilities per level and prior class are ours; they order, they do not measure.

    levels: P(finding | condition), before the leak is added. priors: relative frequency of a condition in an eye clinic.
    prior_weight: exponent on the prior (with its age and sex). other_prior: share of cases that no condition of the atlas explains.
    temper: exponent on the likelihood. kinds: exponent per kind of finding on top of it. absent: the same for a finding denied.
    overlap: how far findings that point to the same conditions share one vote (0 not at all).
    generic: how much of a finding's average support over all conditions `other` may claim. max_nats: limit of one finding's log ratio.
    named_nats and the next two: nats for a condition the narrative names, for a child of it, and for one it rules out.
    """

    levels: Mapping[Level, float] = field(
        default_factory=lambda: {"hallmark": 0.9, "common": 0.6, "occasional": 0.25, "rare": 0.05, "never": 0.005}
    )
    priors: Mapping[Prior, float] = field(
        default_factory=lambda: {"very_common": 0.06, "common": 0.025, "uncommon": 0.008, "rare": 0.002, "very_rare": 0.0007}
    )
    kinds: Mapping[str, float] = field(default_factory=dict)
    prior_weight: float = 1.0
    other_prior: float = 0.05
    temper: float = 0.7
    absent: float = 1.0
    overlap: float = 0.0
    generic: float = 0.0
    leak: bool = False
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
