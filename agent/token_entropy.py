"""Entropy of generated tokens from truncated log-probabilities, in nats. Pure functions; nothing here talks to a server.

A server tells the k most likely tokens of a position, not the whole distribution. With p_i = exp(logprob_i) and the tail mass
r = 1 - sum(p_i), the entropy over a vocabulary of V tokens lies between

    lower = -sum(p ln p) - r ln r                the tail is one token
    upper = lower + r ln(V - k)                  the tail is spread evenly

Leaving the tail out reads far too low exactly where a model is unsure. Where the known tokens are the likeliest ones, no token of
the tail is likelier than the least of them, c; then the tail is at least r / c tokens and `lower` rises: a flat distribution, whose
tail is nearly everything, would otherwise read as nearly certain. Decisions use the midpoint of the two bounds, whose error
is never more than half their distance; where a token's log-probability is unusable they use the upper bound, so that damage
can never look like confidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.entropy_tap.coding import RES

ROUNDING = 1e-3
"""A log-probability may exceed 0 by this much through float16 or bfloat16 rounding; beyond it, it is damaged."""
OVERFLOW = 1e-2
"""The probabilities of a position may sum to this much more than 1 by rounding; beyond it they are no distribution and tell nothing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """An entropy known to lie between two values, nats. `usable` says whether every value behind it was."""

    lower: float
    upper: float
    usable: bool = True

    @property
    def decision(self) -> float:
        """The value to compare with a threshold: the midpoint, or the upper bound when something was unusable."""
        return (self.lower + self.upper) / 2 if self.usable else self.upper


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token: its text, its log-probability and the most likely tokens of its position (itself may be among them).

    `entropy`: that of its whole distribution, nats, where an entropy tap told it (`tools.entropy_tap`), in steps of its resolution.
    """

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()
    entropy: float | None = None

    @property
    def usable(self) -> bool:
        """Whether the token's own log-probability is a number a probability can have."""
        return usable(self.logprob)

    @property
    def known(self) -> tuple[tuple[str, float], ...]:
        """The distinct tokens of this position whose log-probability was told."""
        # A server lists distinct tokens, though two may read alike (parts of one character): only the sampled one can be missing.
        if any(text == self.text for text, _ in self.alternatives):
            return self.alternatives
        return (*self.alternatives, (self.text, self.logprob))

    @property
    def cap(self) -> float:
        """A log-probability that no token outside `known` exceeds; infinite where nothing is known of it.

        The sampled token may be an unlikely one that the server put beside, or in the place of, the last of the likeliest.
        """
        if not all(usable(value) for _, value in self.alternatives):
            return math.inf  # a damaged one may be above all others
        return min((value for text, value in self.alternatives if text != self.text), default=math.inf)


def usable(logprob: float) -> bool:
    """Whether a log-probability is a number that a probability can have."""
    return not math.isnan(logprob) and logprob <= ROUNDING


def _information(p: float) -> float:
    return -p * math.log(p) if p > 0 else 0.0


def entropy_bounds(logprobs: Iterable[float], vocabulary: int, cap: float = math.inf) -> Bounds:
    """Bounds on the entropy of one position from the log-probabilities of some of its tokens.

    `cap` is a log-probability no untold token exceeds; without it the tail may be a single token. NaN and values above 0 tell
    nothing and fall into the tail; -inf is a token of probability 0; a sum a little above 1 is rounding and is scaled back, a larger one
    is no distribution and tells nothing. Nothing usable gives 0 to ln V.

    >>> entropy_bounds([math.log(0.5), math.log(0.5)], 1000).decision.__round__(3)
    0.693
    >>> bounds = entropy_bounds([math.log(0.83)], 150_000)
    >>> round(bounds.lower, 2), round(bounds.upper, 2)
    (0.46, 2.48)
    >>> flat = entropy_bounds([math.log(0.001)] * 5, 1000, cap=math.log(0.001))
    >>> round(flat.lower, 2), round(flat.upper, 2)
    (6.91, 6.91)
    >>> round(entropy_bounds([math.nan], 150_000).upper, 2)
    11.92
    """
    given = list(logprobs)
    known = [math.exp(min(value, 0.0)) for value in given if usable(value)]
    total = math.fsum(known)
    if total > 1 + OVERFLOW:
        return unknown(vocabulary)
    if total > 1:
        known = [p / total for p in known]
    tail = max(0.0, 1 - total)
    told = math.fsum(map(_information, known))
    upper = told + _information(tail) + tail * math.log(max(1, vocabulary - len(known)))
    lower = told + _least_information(tail, math.exp(min(cap, 0.0)) if usable(cap) else 1.0)
    return Bounds(min(lower, upper), upper, usable=len(known) == len(given) and bool(given))


def _least_information(tail: float, cap: float) -> float:
    """The least `tail` can add when no token of it is above `cap`: as many tokens at the cap as fit, and one with the rest."""
    if not 1e-9 < cap < tail:  # below 1e-9 rounding of the tail would count for more than the cap
        return _information(tail)
    whole = int(tail / cap)
    return whole * _information(cap) + _information(max(0.0, tail - whole * cap))


def sequence_bounds(tokens: Sequence[Token], vocabulary: int) -> Bounds:
    """Sum of the entropies of a span's tokens, nats: the chain-rule estimate, from one sample, of the entropy of the whole span.

    Where a tap told the entropies their sum is exact to its resolution, because what rounding leaves over is carried from token to token;
    tokens it did not tell add the bounds of each. An empty span is unknown.

    >>> bounds = sequence_bounds([Token("a", -0.1, entropy=0.5), Token("b", math.log(0.83))], 150_000)
    >>> round(bounds.lower, 2), round(bounds.upper, 2)
    (0.91, 3.03)
    """
    if not tokens:
        return unknown(vocabulary)
    exact = [token.entropy for token in tokens if token.entropy is not None]
    each = [entropy_bounds((v for _, v in token.known), vocabulary, token.cap) for token in tokens if token.entropy is None]
    told, slack = math.fsum(exact), RES if exact else 0.0
    most = max(told, len(exact) * math.log(vocabulary))
    return Bounds(
        max(0.0, told - slack) + math.fsum(b.lower for b in each),
        min(told + slack, most) + math.fsum(b.upper for b in each),
        usable=all(b.usable for b in each) and all(token.usable for token in tokens),
    )


def mean_bounds(tokens: Sequence[Token], vocabulary: int) -> Bounds:
    """Mean entropy over a span of tokens, nats a token, bounded as in `sequence_bounds`; an empty span is unknown: 0 to ln V.

    >>> sure, torn = Token("a", 0.0), Token("b", math.log(0.5), (("b", math.log(0.5)), ("c", math.log(0.5))))
    >>> round(mean_bounds([sure, torn], 1000).decision, 3)
    0.347
    >>> mean_bounds([], 1000).usable
    False
    >>> bounds = mean_bounds([Token("a", -0.1, entropy=0.5), Token("b", -0.2, entropy=0.25)], 1000)
    >>> round(bounds.lower, 3), round(bounds.upper, 3)
    (0.35, 0.4)
    """
    whole, n = sequence_bounds(tokens, vocabulary), max(1, len(tokens))
    return Bounds(whole.lower / n, whole.upper / n, whole.usable)


def unknown(vocabulary: int) -> Bounds:
    """What is known of an entropy nothing was told about: it is at most ln V, and decisions take that."""
    return Bounds(0.0, math.log(vocabulary), usable=False)


def joint_probability(tokens: Sequence[Token]) -> float | None:
    """Probability of exactly these tokens in a row, 0 to 1; None when there are none or one of them is unusable.

    >>> joint_probability([Token("a", math.log(0.5)), Token("b", math.log(0.5))])
    0.25
    >>> joint_probability([Token("a", math.nan)]) is None
    True
    """
    if not tokens or not all(token.usable for token in tokens):
        return None
    return math.exp(min(0.0, math.fsum(token.logprob for token in tokens)))


def tokens_within(tokens: Sequence[Token], start: int, end: int) -> tuple[Token, ...]:
    """The tokens that share at least one character with [start, end) of their concatenated texts.

    >>> [token.text for token in tokens_within([Token(t, 0.0) for t in ("<answer", ">B", "</", "answer>")], 8, 9)]
    ['>B']
    """
    inside, position = [], 0
    for token in tokens:
        begin, position = position, position + len(token.text)
        if begin < end and position > start and position > begin:
            inside.append(token)
    return tuple(inside)
