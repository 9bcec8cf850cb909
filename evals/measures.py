"""What a differential is judged by: rank, log loss, calibration, and whether `other` rises where it should. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass

BINS = 10
SMALLEST = 1e-9


@dataclass(frozen=True)
class Judged:
    """One differential beside its truth: p(reference), rank of the first acceptable condition (0 best), top probability, hit, entropy.

    A condition's rank counts conditions only, as a differential lists them; `other` ranks among all. Confidence and hit are the top one's,
    `other` included.
    """

    reference_probability: float
    rank: int
    confidence: float
    hit: bool
    entropy: float
    other: float


@dataclass(frozen=True)
class Scorecard:
    """`top1` to `top5` and `ece` are shares; `nll` and `entropy` are means in nats."""

    cases: int
    top1: float
    top3: float
    top5: float
    nll: float
    ece: float
    entropy: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def judge(probabilities: Mapping[str, float], reference: str, accepted: Set[str], other: str) -> Judged:
    """`accepted` holds the reference too. A condition the probabilities do not know has none.

    >>> judge({"a": 0.6, "b": 0.3, "other": 0.1}, "b", {"b"}, "other").rank
    1
    """
    order = sorted(probabilities, key=lambda c: (-probabilities[c], c))
    listed = order if other in accepted else [c for c in order if c != other]
    rank = next((n for n, concept in enumerate(listed) if concept in accepted), len(listed))
    doubt = -math.fsum(p * math.log(p) for p in probabilities.values() if p > 0)
    return Judged(probabilities.get(reference, 0.0), rank, probabilities[order[0]], order[0] in accepted, doubt, probabilities.get(other, 0.0))


def scorecard(judged: Sequence[Judged]) -> Scorecard:
    """Raises `ValueError` without cases."""
    if not judged:
        raise ValueError("a scorecard needs at least one case")
    n = len(judged)
    return Scorecard(
        cases=n,
        top1=sum(j.rank < 1 for j in judged) / n,
        top3=sum(j.rank < 3 for j in judged) / n,
        top5=sum(j.rank < 5 for j in judged) / n,
        nll=math.fsum(-math.log(max(j.reference_probability, SMALLEST)) for j in judged) / n,
        ece=expected_calibration_error([(j.confidence, j.hit) for j in judged]),
        entropy=math.fsum(j.entropy for j in judged) / n,
    )


def reliability(pairs: Sequence[tuple[float, bool]]) -> list[tuple[float, float, int, float, float]]:
    """(from, to, cases, mean confidence, accuracy) of each equal-width bin that holds a case.

    >>> reliability([(0.95, True), (0.91, False)])
    [(0.9, 1.0, 2, 0.93, 0.5)]
    """
    rows = []
    for b in range(BINS):
        members = [(p, hit) for p, hit in pairs if min(int(p * BINS), BINS - 1) == b]
        if members:
            mean = math.fsum(p for p, _ in members) / len(members)
            rows.append((b / BINS, (b + 1) / BINS, len(members), round(mean, 6), round(sum(hit for _, hit in members) / len(members), 6)))
    return rows


def expected_calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by their size (Guo et al., ICML 2017).

    >>> expected_calibration_error([(0.95, True), (0.95, True)])
    0.05
    """
    return round(math.fsum(n * abs(confidence - accuracy) for _, _, n, confidence, accuracy in reliability(pairs)) / len(pairs), 6)


def auroc(negatives: Sequence[float], positives: Sequence[float]) -> float:
    """Chance that a positive scores above a negative, ties half.

    >>> auroc([0.1, 0.2], [0.2, 0.9])
    0.875
    """
    wins = math.fsum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    return wins / (len(positives) * len(negatives))


def risk_coverage_area(judged: Sequence[tuple[float, bool]]) -> float:
    """Mean share of errors among the k surest cases, over all k: the area under the risk-coverage curve, 0 best (Geifman et al., ICLR 2019).

    `judged` holds (doubt, correct). Cases of equal doubt come in any order, so each stands for the mean of its block.

    >>> risk_coverage_area([(0.1, True), (0.9, False)])
    0.25
    >>> risk_coverage_area([(0.5, True), (0.5, False)])
    0.5
    """
    errors = _errors_by_coverage(judged)
    return math.fsum(wrong / k for k, wrong in enumerate(errors, start=1)) / len(errors)


def confident_errors(judged: Sequence[tuple[float, bool]], coverage: float = 0.5) -> float:
    """Share of all errors that lie among the surest `coverage` of the cases; 0 best, `coverage` by chance. NaN without an error.

    >>> confident_errors([(0.1, True), (0.2, False), (0.8, False), (0.9, False)])
    0.3333333333333333
    """
    errors = _errors_by_coverage(judged)
    return errors[max(1, round(coverage * len(errors))) - 1] / errors[-1] if errors[-1] else math.nan


def _errors_by_coverage(judged: Sequence[tuple[float, bool]]) -> list[float]:
    """Expected number of errors among the k surest cases, k from 1 on."""
    if not judged:
        raise ValueError("no case to judge")
    blocks: dict[float, list[bool]] = {}
    for doubt, correct in sorted(judged, key=lambda pair: pair[0]):
        blocks.setdefault(doubt, []).append(not correct)
    errors, before = [], 0.0
    for block in blocks.values():
        errors += [before + sum(block) * n / len(block) for n in range(1, len(block) + 1)]
        before += sum(block)
    return errors


def share_above(values: Sequence[float], limit: float) -> float:
    """
    >>> share_above([0.2, 0.5, 0.9], 0.5)
    0.6666666666666666
    """
    return sum(v >= limit for v in values) / len(values)


def without(probabilities: Mapping[str, float], taken: Set[str]) -> dict[str, float]:
    """The posterior of an atlas that lacks `taken`: their probability goes to the rest in proportion.

    >>> without({"a": 0.5, "b": 0.25, "other": 0.25}, {"a"})
    {'b': 0.5, 'other': 0.5}
    """
    rest = {c: p for c, p in probabilities.items() if c not in taken}
    total = math.fsum(rest.values())
    return {c: p / total for c, p in rest.items()}
