"""Lesions found against false alarms per photograph (FROC), and how sure an AUROC is. Plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.localizer.evaluate import Scored, matches

RATES = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
"""False alarms per photograph at which sensitivity is read, those of the LUNA16 challenge (Setio et al. 2017)."""
RESAMPLES = 2000
INTERVAL = (0.025, 0.975)
Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Froc:
    """A curve over falling thresholds: false alarms per photograph and the share of drawn boxes found. `drawn` is their number."""

    alarms: Values
    found: Values
    drawn: int

    def sensitivity(self, rate: float) -> float:
        """The share found with at most `rate` false alarms per photograph; nan when nothing was drawn."""
        if not self.drawn:
            return float("nan")
        within = self.found[self.alarms <= rate + 1e-12]
        return float(within.max()) if within.size else 0.0

    @property
    def mean(self) -> float:
        """The mean sensitivity over `RATES`."""
        return float(np.mean([self.sensitivity(rate) for rate in RATES]))


def froc(photographs: Sequence[Scored]) -> Froc:
    """Found means: an overlap (IoU) of at least one half with a drawn box not yet taken; every other box is a false alarm.

    >>> box, other = (0.0, 0.0, 0.1, 0.1), (0.5, 0.5, 0.6, 0.6)
    >>> curve = froc([Scored(((0.9, box), (0.8, other)), (box,)), Scored(((0.7, box),), (box,))])
    >>> curve.sensitivity(0.25), curve.sensitivity(0.5)
    (0.5, 1.0)
    """
    scores, hits = matches(photographs)
    return _curve(scores, hits, ~hits, photographs)


def froc_by_centre(photographs: Sequence[Scored]) -> Froc:
    """Found means: the centre of the box lies in a drawn box, or the drawn box's in it. More boxes on a lesion already found are neither
    found nor false. For lesions that graders bundle into boxes, this asks whether they were seen, not whether they were bundled alike.

    >>> bundle, speck, away = (0.0, 0.0, 0.4, 0.4), (0.1, 0.1, 0.2, 0.2), (0.8, 0.8, 0.9, 0.9)
    >>> curve = froc_by_centre([Scored(((0.9, speck), (0.8, speck), (0.7, away)), (bundle,))])
    >>> curve.sensitivity(0.5), curve.alarms.tolist()
    (1.0, [0.0, 0.0, 1.0])
    """
    scores, found, false = hits_by_centre(photographs)
    return _curve(scores, found, false, photographs)


def hits_by_centre(photographs: Sequence[Scored]) -> tuple[Values, Flags, Flags]:
    """Scores of all boxes, best first; whether each found a drawn box not yet found, by centre; whether each is a false alarm."""
    rows: list[tuple[float, bool, bool]] = []
    for one in photographs:
        drawn = np.asarray(one.drawn, dtype=np.float64).reshape(-1, 4)
        taken = np.zeros(len(drawn), dtype=bool)
        for score, bounds in sorted(one.found, key=lambda row: -row[0]):
            touched = _holds(drawn, _centre(np.asarray(bounds)[None])[0]) | _held(np.asarray(bounds), _centre(drawn))
            fresh = touched & ~taken
            if fresh.any():
                taken[int(fresh.argmax())] = True
            rows.append((score, bool(fresh.any()), not touched.any()))
    rows.sort(key=lambda row: -row[0])
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1] > 0, table[:, 2] > 0


def auroc_interval(scores: Sequence[float], positive: Sequence[bool], resamples: int = RESAMPLES) -> tuple[float, float, float]:
    """AUROC (ties count half) and its 95 % interval over photographs drawn again and again; nan where one side is empty.

    >>> auroc_interval([0.9, 0.4, 0.4, 0.1], [True, True, False, False])[0]
    0.875
    """
    levels, places = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    truth = np.asarray(positive, dtype=bool)
    rng = np.random.default_rng(0)

    def area(times: Values) -> float:
        above = np.bincount(places, times * truth, len(levels))
        below = np.bincount(places, times * ~truth, len(levels))
        pairs = above.sum() * below.sum()
        return float((above * (np.cumsum(below) - below / 2)).sum() / pairs) if pairs else float("nan")

    value = area(np.ones(len(truth)))
    if np.isnan(value):
        return value, value, value
    size = len(truth)
    drawn = [area(np.bincount(rng.integers(size, size=size), minlength=size).astype(np.float64)) for _ in range(resamples)]
    low, high = np.nanquantile(drawn, INTERVAL)
    return value, float(low), float(high)


def _curve(scores: Values, hits: Flags, alarms: Flags, photographs: Sequence[Scored]) -> Froc:
    """Boxes of one score come and go together, so a point stands at the last of each."""
    last = np.append(np.diff(scores) != 0, True) if scores.size else np.zeros(0, dtype=bool)
    drawn = sum(len(one.drawn) for one in photographs)
    return Froc(np.cumsum(alarms)[last] / max(1, len(photographs)), np.cumsum(hits)[last] / max(1, drawn), drawn)


def _centre(boxes: Values) -> Values:
    centres: Values = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres


def _holds(boxes: Values, point: Values) -> Flags:
    return np.asarray((boxes[:, :2] <= point).all(axis=1) & (point <= boxes[:, 2:]).all(axis=1))


def _held(box: Values, points: Values) -> Flags:
    return np.asarray((box[:2] <= points).all(axis=1) & (points <= box[2:]).all(axis=1))
