"""The estimators compared: each reads one record and says how unsure it is, what confidence that means, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agent.semantic_entropy import agreement_bounds, clusters
from agent.token_entropy import mean_bounds, sequence_bounds
from evals.estimator_records import Record

Meaning = Callable[[str], str | None]
FOLDS = 5


@dataclass(frozen=True)
class Estimator:
    """`doubt` gives nats (or any number that rises with doubt), None where the record lacks what it needs. `tokens` are those generated
    beyond the answer itself. `entropic`: the doubt is an entropy, which reads as a confidence of exp(-H); otherwise it is 1 - confidence."""

    name: str
    doubt: Callable[[Record], float | None]
    tokens: Callable[[Record], int] = lambda _: 0
    entropic: bool = True

    def confidence(self, doubt: float) -> float:
        return math.exp(-max(0.0, doubt)) if self.entropic else 1 - doubt


def estimators(meaning: Meaning) -> tuple[Estimator, ...]:
    """All that need no training. `meaning` is the concept an answer names, None for none."""
    return (
        Estimator("answer tokens, mean entropy", lambda r: mean_bounds([t.token() for t in r.answer], r.vocabulary).decision),
        Estimator("answer tokens, sum of entropies", lambda r: sequence_bounds([t.token() for t in r.answer], r.vocabulary).decision),
        Estimator("thinking tokens, mean entropy", lambda r: math.fsum(r.thinking) / len(r.thinking) if r.thinking else None),
        Estimator("answer tokens, top k, tail left out", _truncated),
        Estimator("answer tokens, top k, bounded", lambda r: mean_bounds([t.token(tapped=False) for t in r.answer], r.vocabulary).decision),
        *(_semantic(n, meaning) for n in (3, 5, 10)),
        Estimator("confidence in words", lambda r: None if r.verbal is None else 1 - r.verbal, lambda r: r.verbal_tokens, entropic=False),
        Estimator("localizer disagreement", lambda r: r.disagreement),
    )


def combination(records: Sequence[Record], parts: Sequence[Estimator], seed: int = 0) -> list[float]:
    """The chance of an error by a logistic regression on `parts`, each case by a fit that did not see it (five folds).

    Raises `ValueError` when there are too few errors, or too few right answers, for the folds.
    """
    wrong = np.array([not record.correct for record in records])
    if min(wrong.sum(), (~wrong).sum()) < FOLDS:
        raise ValueError(f"a combination needs {FOLDS} right and {FOLDS} wrong answers at least")
    doubts = np.array([[part.doubt(record) or 0.0 for part in parts] for record in records])
    fitted = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return [float(p) for p in cross_val_predict(fitted, doubts, wrong, cv=folds, method="predict_proba")[:, 1]]


def _truncated(record: Record) -> float | None:
    """Mean of -sum(p ln p) over the tokens that were told, as if there were no others: what a careless client computes."""
    if not record.answer:
        return None
    return math.fsum(-math.exp(v) * v for t in record.answer for _, v in t.token(tapped=False).known) / len(record.answer)


def _semantic(n: int, meaning: Meaning) -> Estimator:
    def doubt(record: Record) -> float | None:
        if len(record.samples) < n:
            return None
        return agreement_bounds(clusters(record.samples[:n], meaning)).decision

    return Estimator(f"semantic entropy, n = {n}", doubt, lambda record: sum(record.sample_tokens[:n]))
