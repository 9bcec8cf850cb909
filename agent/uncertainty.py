"""From entropy to depth: pure functions behind the dial.

OphthaReason's uncertainty-aware dynamic thinking (UADT) computes token entropy H = -Σ π log π, keeps an adaptive threshold
τ_s = EMA(τ_{s-1}) and turns (H, τ) through tanh into an adjustment ω. Its authors use it in training; here the same quantities set,
at inference, how many rounds, samples, passages and tokens a case is given. The constants are settings, and ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from agent.domain import UncertaintyReport
from agent.ports import Effort, Measurement
from agent.settings import Dial


def entropy(probabilities: Iterable[float]) -> float:
    """Shannon entropy in nats. The values are taken as they are; mass missing from 1 counts as one further outcome.

    >>> round(entropy([0.5, 0.5]), 4)
    0.6931
    >>> entropy([1.0])
    0.0
    >>> round(entropy([0.5]), 4) == round(entropy([0.5, 0.5]), 4)
    True
    """
    values = list(probabilities)
    if any(p < 0 or p > 1 + 1e-9 or math.isnan(p) for p in values):
        raise ValueError(f"not probabilities: {values!r}")
    rest = 1 - math.fsum(values)
    if rest < -1e-6:
        raise ValueError(f"probabilities sum to {1 - rest}, more than 1")
    if rest > 1e-9:
        values.append(rest)
    return max(0.0, -math.fsum(p * math.log(p) for p in values if p > 0))


def updated_average(average: float, value: float, dial: Dial) -> float:
    """One step of the exponential moving average τ_s = m τ_{s-1} + (1 - m) H, kept within the dial's bounds. All relative to the
    initial threshold (1), so that one average serves entropies of different scale.

    The bounds hold on every step: a run of hard (or easy) cases neither teaches the dial that doubt is normal, nor winds the average
    up so far that the cases after it are long held against a threshold they never set.

    >>> updated_average(1.0, 2.0, Dial(momentum=0.9))
    1.1
    >>> updated_average(1.4, 9.0, Dial(momentum=0.9, ceiling=1.5))
    1.5
    """
    return _bounded(dial.momentum * average + (1 - dial.momentum) * value, dial)


def effective_threshold(average: float, seen: int, initial: float, dial: Dial) -> float:
    """The threshold a case is held against, in nats: the initial one until the warm-up is over, then `average` times it.

    >>> effective_threshold(9.0, seen=3, initial=1.0, dial=Dial(warm_up=10))
    1.0
    >>> effective_threshold(9.0, seen=30, initial=2.0, dial=Dial(warm_up=10, ceiling=1.5))
    3.0
    """
    return initial if not dial.adaptive or seen < dial.warm_up else initial * _bounded(average, dial)


def _bounded(average: float, dial: Dial) -> float:
    return min(max(average, dial.floor), dial.ceiling)


def adjustment(value: float, threshold: float, scale: float) -> float:
    """ω = tanh((H - τ) / scale): -1 very sure, 0 at the threshold, 1 very unsure.

    >>> adjustment(1.0, 1.0, 0.5)
    0.0
    >>> round(adjustment(2.0, 1.5, 0.5), 3)
    0.762
    """
    return math.tanh((value - threshold) / scale)


def depth(omega: float, dial: Dial) -> int:
    """Deliberation rounds that ω buys: none at or below 0, at least one above it, `max_rounds` towards 1.

    >>> [depth(w, Dial(max_rounds=3)) for w in (-0.5, 0.0, 0.1, 0.5, 0.9)]
    [0, 0, 1, 2, 3]
    """
    return 0 if omega <= 0 else min(dial.max_rounds, math.ceil(omega * dial.max_rounds))


def passages(omega: float, dial: Dial) -> int:
    """Guideline passages per candidate: `min_passages` at ω <= 0, rising to `max_passages` at 1.

    >>> [passages(w, Dial(min_passages=2, max_passages=6)) for w in (-1, 0, 0.5, 1)]
    [2, 2, 4, 6]
    """
    return round(dial.min_passages + max(0.0, omega) * (dial.max_passages - dial.min_passages))


def effort(omega: float, round_number: int, dial: Dial) -> Effort:
    """What one round may spend at this ω; every part of it grows with ω.

    >>> effort(1.0, 1, Dial(max_samples=10)).samples
    10
    """
    share = max(0.0, omega)
    return Effort(
        round=round_number,
        samples=max(3, round(share * dial.max_samples)),
        passages=passages(omega, dial),
        tokens=max(512, round(share * dial.max_tokens)),
    )


def agreed(votes: Iterable[int], confidence: float) -> bool:
    """Whether enough samples agree to stop asking: the chance that the leading answer is truly ahead of all others taken as one, under a
    flat prior, is at least `confidence` (the Beta criterion of adaptive consistency, Aggarwal et al., EMNLP 2023).

    >>> agreed([3], 0.95), agreed([4], 0.95), agreed([4, 1], 0.95), agreed([7, 1], 0.95)
    (False, True, False, True)
    """
    counts = sorted(votes, reverse=True)
    first, rest = (counts[0], sum(counts[1:])) if counts else (0, 0)
    tosses = first + rest + 1
    return math.fsum(math.comb(tosses, heads) for heads in range(first + 1)) / 2**tosses >= confidence and first > rest


def report(measurement: Measurement, disagreement: float, threshold: float, dial: Dial) -> UncertaintyReport:
    """The first measurement and its disagreement with the localizer, held against the threshold: this sets the dial. All in nats."""
    value = measurement.entropy + disagreement
    omega = adjustment(value, threshold, dial.scale)
    return UncertaintyReport(
        entropy=value,
        initial_entropy=value,
        lower=measurement.lower + disagreement,
        upper=measurement.upper + disagreement,
        threshold=threshold,
        omega=omega,
        depth=depth(omega, dial),
        method=measurement.method,
        disagreement=disagreement,
        spans=measurement.spans,
    )


def remeasured(before: UncertaintyReport, measurement: Measurement, disagreement: float, threshold: float) -> UncertaintyReport:
    """The uncertainty after a round of deliberation, held against `threshold` (nats): that of the first pass, or of the method where it
    measures on another scale. The dial stays as the first pass set it."""
    return before.model_copy(
        update={
            "entropy": measurement.entropy + disagreement,
            "lower": measurement.lower + disagreement,
            "upper": measurement.upper + disagreement,
            "threshold": threshold,
            "method": measurement.method,
            "disagreement": disagreement,
            "spans": measurement.spans,
            "rounds": before.rounds + 1,
        }
    )
