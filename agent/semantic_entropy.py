"""Semantic entropy: how much sampled answers differ in what they mean, not in their words (Kuhn et al., ICLR 2023). In nats.

Two answers mean the same when they name the same concept of the disease atlas, by whichever name, synonym or code; of what the atlas does
not hold, when they are the same words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from agent.token_entropy import Bounds
from agent.uncertainty import entropy

Answer = TypeVar("Answer")


def clusters(answers: Iterable[Answer], meaning: Callable[[Answer], str | None]) -> dict[str, int]:
    """Cluster -> answers in it. `meaning` gives an answer's concept; an answer that has none (None) agrees with no other.

    >>> clusters(["AMD", "amd", "?", ""], lambda answer: answer.casefold().strip("?") or None)
    {'amd': 2, 'useless 1': 1, 'useless 2': 1}
    """
    meant = [meaning(answer) for answer in answers]
    counted = Counter(m for m in meant if m is not None)
    return {**counted, **{f"useless {n}": 1 for n in range(1, meant.count(None) + 1)}}


def agreement_bounds(counts: Mapping[str, int]) -> Bounds:
    """Semantic entropy of sampled answers, clustered by meaning: `counts` is cluster -> answers.

    `lower` is the entropy of the frequencies. Few samples read too low (a single one reads 0), so `upper` adds one answer in a
    cluster not seen yet. One sample says nothing about agreement: there the decision is the upper bound.

    >>> bounds = agreement_bounds({"glaucoma": 10})
    >>> bounds.lower, round(bounds.upper, 3)
    (0.0, 0.305)
    >>> round(agreement_bounds({"glaucoma": 1}).decision, 3)
    0.693
    """
    n = sum(counts.values())
    if n == 0:
        raise ValueError("agreement_bounds needs at least one answer")
    lower = entropy(count / n for count in counts.values())
    upper = entropy([*(count / (n + 1) for count in counts.values()), 1 / (n + 1)])
    return Bounds(lower, max(lower, upper), usable=n > 1)
