"""How the tap writes a token's log-probability and entropy into one number, and how that number is read. Pure; needs no vLLM.

Sampling does not change when a constant is added to every logit of a row. So the tap normalises the row, which makes the sampled token's
value its log-probability, and lowers the whole row by STEP for every RES nats of its entropy, and by STEP once more as a mark that it was
here. With temperature T a server divides its logits by T; the tap multiplies its shift by T beforehand, so that what comes back is

    value = logp / T - STEP * (1 + q),     q = round((H + carry) / RES)

where `carry` is what rounding left over from the tokens before. A sum of q * RES from the first token of an answer is therefore exact to
RES / 2, and over any later span to RES. Greedy answers count as T = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ARGUMENT = "fovea_entropy"
"""The request's own argument that asks for the tap (`vllm_xargs` of the OpenAI-compatible server)."""
RES = 0.05
"""Nats of entropy a unit."""
STEP = 32.0
"""What a unit lowers the row by. A sampled token's logp / T stays above -STEP, see `COLDEST`; 240 units, more than ln V of any vocabulary
in use, stay above -9999, below which the server's interface cuts off."""
COLDEST = 0.5
"""The lowest temperature above 0 at which logp / T of a sampled token stays above -STEP: the tempered distribution's own normalisation is at
most (1 / T - 1) ln V, 12 nats here, and a token rarer than e^-20 in it is not met."""

ROUNDING = 1e-3
"""A server computes in float32: a log-probability of 0 may come back above it by this much."""


class Reading(NamedTuple):
    """A token's log-probability at temperature 1 and the entropy of its distribution, both in nats; `entropy` is a multiple of RES."""

    logprob: float
    entropy: float


def asks(arguments: object) -> bool:
    """Whether a request's own arguments ask for the tap. Raises `ValueError` for a value that is neither yes nor no.

    >>> asks({"fovea_entropy": 1}), asks({"fovea_entropy": 0}), asks(None)
    (True, False, False)
    """
    value = arguments.get(ARGUMENT, 0) if isinstance(arguments, dict) else 0
    if value not in (0, 1):
        raise ValueError(f"{ARGUMENT} must be 0 or 1, got {value!r}")
    return bool(value)


def encode(logprobs: Iterable[float], entropies: Iterable[float], temperature: float = 1.0) -> list[float]:
    """What a tapped server returns for an answer's tokens, in order. The server itself does this on whole rows.

    >>> encode([-0.5], [0.0])
    [-32.5]
    """
    carry, values = 0.0, []
    for logprob, entropy in zip(logprobs, entropies, strict=True):
        units = round((entropy + carry) / RES)
        carry += entropy - units * RES
        values.append(logprob / _divisor(temperature) - STEP * (1 + units))
    return values


def decode(values: Sequence[float], temperature: float = 1.0) -> list[Reading]:
    """Readings of an answer's tokens. Raises `ValueError` for a value that no tap wrote: NaN, or above -STEP.

    >>> decode([-32.5, -64.25])
    [Reading(logprob=-0.5, entropy=0.0), Reading(logprob=-0.25, entropy=0.05)]
    """
    divisor = _divisor(temperature)
    return [_read(value, divisor) for value in values]


def beside(value: float, others: Iterable[float], temperature: float = 1.0) -> list[float]:
    """Log-probabilities, nats at temperature 1, of other tokens of the position whose sampled token has this `value`: they are lowered alike.

    >>> beside(-64.25, [-65.0, -9999.0])[0]
    -1.0
    """
    divisor = _divisor(temperature)
    _read(value, divisor)
    lowered = STEP * math.floor((ROUNDING - value) / STEP)
    return [min(0.0, (other + lowered) * divisor) if math.isfinite(other) else other for other in others]


def tapped(values: Sequence[float]) -> bool:
    """Whether every value bears the tap's mark.

    >>> tapped([-40.0]), tapped([-0.1]), tapped([float("nan")]), tapped([])
    (True, False, False, False)
    """
    return bool(values) and all(math.isfinite(value) and value <= ROUNDING - STEP for value in values)


def _read(value: float, divisor: float) -> Reading:
    if not (math.isfinite(value) and value <= ROUNDING - STEP):
        raise ValueError(f"{value!r} was not written by the entropy tap")
    units = math.floor((ROUNDING - value) / STEP)
    return Reading(min(0.0, (value + STEP * units) * divisor), round((units - 1) * RES, 10))


def _divisor(temperature: float) -> float:
    if temperature < 0 or 0 < temperature < COLDEST:
        raise ValueError(f"the entropy tap bears no temperature of {temperature:g}: 0, or {COLDEST:g} and more")
    return temperature or 1.0
