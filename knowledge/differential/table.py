"""What the atlas says of every pair of condition and finding, as arrays. Rows are conditions, columns findings, in the library's order."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from knowledge.differential.parameters import Parameters
from knowledge.library import Library

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TINY = 1e-4


class Table:
    """Immutable after construction.

    chance: P(finding | condition). listed: whether that comes from the atlas and not from the background. heard: column of the finding, or
    of the nearest more general one, that the condition lists; -1 where it lists none.
    """

    def __init__(self, library: Library, parameters: Parameters) -> None:
        self.library = library
        self.parameters = parameters
        self.column = {f.id: i for i, f in enumerate(library.findings)}
        self.ancestors = {f.id: _closure(library, f.id) for f in library.findings}
        self.background = np.array([f.background for f in library.findings])
        self.chance, self.listed = self._matrix()
        self.heard = self._heard()

    def _matrix(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """A finding that implies a listed one's generality lends it at least its own probability."""
        chance = np.zeros((len(self.library.conditions), len(self.library.findings)))
        listed = np.zeros(chance.shape, dtype=bool)
        for row, condition in enumerate(self.library.conditions):
            own = {f: self.parameters.levels[level] for level, findings in condition.findings.items() for f in findings}
            for finding, probability in own.items():
                column = self.column[finding]
                chance[row, column], listed[row, column] = probability, True
            for finding, probability in own.items():
                for general in self.ancestors[finding]:
                    column = self.column[general]
                    lent = max(probability, self.background[column])
                    if general not in own and lent > max(chance[row, column], self.background[column]):
                        chance[row, column], listed[row, column] = probability, True
        return self._with_background(chance, listed), listed

    def _with_background(self, chance: NDArray[np.float64], listed: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Noisy-or: what the condition does not cause may have another cause, except where the condition rules the finding out."""
        ruled_out = listed & (chance <= self.parameters.levels["never"])
        return np.where(ruled_out, chance, 1 - (1 - chance) * (1 - self.background))

    def _heard(self) -> NDArray[np.intp]:
        heard = np.full(self.listed.shape, -1, dtype=np.intp)
        for column, entry in enumerate(self.library.findings):
            for name in (entry.id, *self.ancestors[entry.id]):
                general = self.column[name]
                heard[:, column] = np.where((heard[:, column] < 0) & self.listed[:, general], general, heard[:, column])
        return heard

    @cached_property
    def generic(self) -> NDArray[np.float64]:
        """Nats per finding for a disease of which only this is known, that it is one: the log of the mean ratio over the atlas, at least 0.

        Findings from beyond the eye (history, exposure, tests, course) count by `Parameters.beyond`: letters are full of those that have
        nothing to do with the eye's disease.
        """
        ratios = self.ratios(self.chance, np.arange(len(self.library.findings)))
        nats = np.log(np.exp(ratios).mean(axis=0)).clip(min=0.0)
        of_the_eye = np.array([f.kind in ("symptom", "sign", "imaging") for f in self.library.findings])
        return np.asarray(self.parameters.generic * nats * np.where(of_the_eye, 1.0, self.parameters.beyond))

    def ratios(self, chance: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """log P(finding | condition) / background of findings that are present, rows x columns, limited; 0 where none is listed."""
        heard = self.heard[:, columns]
        rows = np.arange(len(heard))[:, None]
        nats = np.log(np.maximum(chance[rows, heard], _TINY) / np.maximum(self.background[heard], _TINY))
        limit = self.parameters.max_nats
        return np.where(heard >= 0, np.clip(nats, -limit, limit), 0.0)

    def support(self, chance: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """`ratios`, where findings that a condition hears as one and the same count once, by the strongest."""
        nats = self.ratios(chance, columns)
        heard = self.heard[:, columns]
        for first in range(len(columns)):
            for second in range(first):
                rows = np.flatnonzero((heard[:, first] == heard[:, second]) & (heard[:, first] >= 0))
                weaker = np.where(np.abs(nats[rows, first]) > np.abs(nats[rows, second]), second, first)
                nats[rows, weaker] = 0.0
        return nats

    def denials(self, chance: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """log (1 - P) / (1 - background) of findings that are absent, rows x columns, limited; 0 where a condition does not list it."""
        ratio = (1 - chance[:, columns]) / (1 - self.background[columns])
        limit = self.parameters.max_nats
        return np.where(self.listed[:, columns], np.log(np.maximum(ratio, _TINY)).clip(-limit, limit), 0.0)

    def silence(self, chance: NDArray[np.float64], mentioned: set[str]) -> NDArray[np.float64]:
        """Nats per condition if every likely finding that is not mentioned were absent."""
        named = mentioned | {a for f in mentioned for a in self.ancestors.get(f, ())}
        unmentioned = np.array([f.id not in named for f in self.library.findings])
        counts = self.listed & unmentioned & (chance > 0.5)
        nats = np.log((1 - np.minimum(chance, 0.97)) / (1 - self.background))
        return np.asarray((nats * counts).sum(axis=1), dtype=np.float64)


def _closure(library: Library, finding_id: str) -> tuple[str, ...]:
    """Every finding implied by this one, nearest first."""
    seen: list[str] = []
    queue = list(library.finding[finding_id].implies)
    while queue:
        general = queue.pop(0)
        if general not in seen and general != finding_id:
            seen.append(general)
            queue += library.finding[general].implies
    return tuple(seen)
