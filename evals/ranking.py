"""Measures of a ranked list against graded answers, and how sure one may be of their means. Pure; nothing here knows what is ranked.

Grades: 2 answers the question, 1 is relevant or answers a part of it, 0 neither. Lists are best first; a key counts once, where it stands
first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ANSWERS = 2
"""The grade from which recall and reciprocal rank count."""
RESAMPLES = 10_000


def recall_at(k: int, ranked: Sequence[str], grades: Mapping[str, int]) -> float:
    """Share of the answers (grade 2) among the first k; of k of them where there are more. Raises `ValueError` when there are none.

    >>> recall_at(2, ["a", "x", "b"], {"a": 2, "b": 2, "x": 1})
    0.5
    """
    answers = {key for key, grade in grades.items() if grade >= ANSWERS}
    if not answers:
        raise ValueError("recall is undefined where nothing answers the question")
    return len(answers & set(ranked[:k])) / min(k, len(answers))


def ndcg_at(k: int, ranked: Sequence[str], grades: Mapping[str, int]) -> float:
    """Normalised discounted cumulative gain: gain 2^grade - 1, discount log2(1 + rank), over that of the best order (Järvelin and
    Kekäläinen, ACM TOIS 2002; the exponential gain of Burges et al., ICML 2005). Raises `ValueError` when no grade is above 0.

    >>> ndcg_at(10, ["b", "a"], {"a": 2, "b": 1}) < ndcg_at(10, ["a", "b"], {"a": 2, "b": 1}) == 1.0
    True
    """
    best = _dcg(sorted(grades.values(), reverse=True)[:k])
    if best == 0:
        raise ValueError("nDCG is undefined where nothing is relevant")
    return _dcg([grades.get(key, 0) for key in list(dict.fromkeys(ranked))[:k]]) / best


def _dcg(grades: Sequence[int]) -> float:
    return math.fsum((2**grade - 1) / math.log2(rank + 2) for rank, grade in enumerate(grades))


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int]) -> float:
    """One over the rank of the first answer (grade 2); 0 when none is in the list.

    >>> reciprocal_rank(["x", "y", "a"], {"a": 2, "x": 1}) == 1 / 3
    True
    """
    return next((1 / rank for rank, key in enumerate(dict.fromkeys(ranked), 1) if grades.get(key, 0) >= ANSWERS), 0.0)


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Chance that a positive scores higher than a negative, ties counted half. Raises `ValueError` when either is empty.

    >>> auroc([3, 2], [1, 2])
    0.875
    """
    if not positives or not negatives:
        raise ValueError("auroc needs positives and negatives")
    above = np.subtract.outer(np.asarray(positives, dtype=float), np.asarray(negatives, dtype=float))
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean (Efron 1979), the questions drawn with replacement.

    >>> interval([0.5, 0.5, 0.5])
    (0.5, 0.5)
    """
    sample = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(seed).integers(len(sample), size=(RESAMPLES, len(sample)))
    low, high = np.percentile(sample[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """Mean of the paired differences, its 95 % bootstrap interval, and the two-sided p of a sign-flip permutation test."""

    mean: float
    low: float
    high: float
    p: float


def paired(values: Sequence[float], baseline: Sequence[float], seed: int = 0) -> Difference:
    """A system against a baseline on the same questions, in the same order. Raises `ValueError` when the lengths differ.

    >>> paired([1.0, 0.5], [1.0, 0.5])
    Difference(mean=0.0, low=0.0, high=0.0, p=1.0)
    """
    if len(values) != len(baseline):
        raise ValueError(f"{len(values)} values cannot be paired with {len(baseline)}")
    gaps = np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(RESAMPLES, len(gaps)))
    extreme = np.abs((signs * gaps).mean(axis=1)) >= abs(gaps.mean()) - 1e-12
    return Difference(float(gaps.mean()), *interval(list(gaps), seed), p=float((1 + extreme.sum()) / (1 + RESAMPLES)))
