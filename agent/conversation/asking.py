"""What to ask next: the finding not yet known whose answer is expected to settle most of the differential. Pure; information in nats.

The expected gain of a finding f is H(D) - E[H(D | f)], the mutual information of f and the diagnosis D: D is distributed as the
reasoner's differential, with what it leaves over as 'something else', and P(f | d) is the library's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agent.conversation.hearing import answerable
from agent.conversation.values import Question
from agent.domain import Differential, Finding
from knowledge.differential import OTHER
from knowledge.differential.parameters import Parameters
from knowledge.differential.table import Table
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader
from knowledge.schema import FindingEntry

if TYPE_CHECKING:
    from numpy.typing import NDArray

ASKABLE = ("symptom", "sign", "history", "exposure", "test", "course")
"""Kinds of finding that a human can tell; what only a further imaging modality shows is not asked for."""
_DERIVED = ("normal_", "full_", "no_", "bilateral_involvement", "unilateral_involvement")
"""Findings that are the absence of others, or that follow from the sides of others."""
_OPENINGS = {
    "symptom": "Does the patient have this symptom: {name}?",
    "sign": "On examination, is this present: {name}?",
    "history": "Is this in the history: {name}?",
    "exposure": "Does this apply to the patient: {name}?",
    "test": "Is this test known: {name}? A value will do.",
    "course": "Does this describe the complaint: {name}?",
}
TOLD_APART = 3
"""Candidates named in a question."""
_NOTHING = 1e-9
"""Nats: a question worth less is none, whatever the setting."""
NEGLIGIBLE = 0.02
"""A candidate less probable than this is not named in a question."""


class Asking:
    """Asks from one library. Callable from any thread."""

    def __init__(self, library: Library, reader: NarrativeReader) -> None:
        self._library, self._reader = library, reader
        self._table = Table(library, Parameters())
        self._rows = {condition.id: row for row, condition in enumerate(library.conditions)}
        self._answerable: dict[str, bool] = {}

    def question(self, differential: Differential, findings: Sequence[Finding], asked: Collection[str], least: float) -> Question | None:
        """The question worth most, of at least `least` nats; None when none is. What was asked before is not asked again."""
        spread = self.spread(differential)
        known = self._known(findings) | set(asked)
        gains = dict(zip((entry.id for entry in self._library.findings), self.gains(spread), strict=True))
        for finding in sorted(gains, key=lambda f: (-gains[f], f)):
            if gains[finding] < max(least, _NOTHING):
                return None
            entry = self._library.finding[finding]
            if finding not in known and self._askable(entry):
                because = self._because(spread, finding)
                return Question(finding_id=finding, name=entry.name, text=worded(entry), expected_gain=gains[finding], because=because)
        return None

    def _askable(self, entry: FindingEntry) -> bool:
        """Whether a human can tell it, and the answer can be read."""
        if entry.kind not in ASKABLE or entry.id.startswith(_DERIVED):
            return False
        if entry.id not in self._answerable:
            self._answerable[entry.id] = answerable(entry, self._reader)
        return self._answerable[entry.id]

    def spread(self, differential: Differential) -> dict[str, float]:
        """The differential over the library's conditions; what is left over is 'something else'."""
        spread = {e.concept_id: e.probability for e in differential if e.concept_id in self._rows}
        return {**spread, OTHER: max(0.0, 1 - math.fsum(spread.values()))}

    def chance(self, finding: str, condition: str) -> float:
        """P(finding | condition) of the library; for 'something else' the finding's background."""
        column = self._table.column[finding]
        return float(self._table.background[column] if condition == OTHER else self._table.chance[self._rows[condition], column])

    def gains(self, spread: Mapping[str, float]) -> Sequence[float]:
        """H(D) - E[H(D | f)] of every finding of the library, in its order, in nats.

        As H(F) - E[H(F | D)], which is the same and needs no posterior.
        """
        shares = np.array(list(spread.values()))
        chances = np.array([self._table.background if c == OTHER else self._table.chance[self._rows[c]] for c in spread])
        gains = _binary(shares @ chances) - shares @ _binary(chances)
        return [float(gain) for gain in gains.clip(min=0.0)]

    def _because(self, spread: Mapping[str, float], finding: str) -> tuple[str, ...]:
        """The candidates whose probability the answer moves most, each way."""
        chances = {c: self.chance(finding, c) for c in spread}
        present = math.fsum(share * chances[c] for c, share in spread.items())
        moved = {
            c: share * (chances[c] - present) / max(present * (1 - present), 1e-12)
            for c, share in spread.items()
            if c != OTHER and share >= NEGLIGIBLE
        }
        strongest = sorted(moved, key=lambda c: (-abs(moved[c]), c))[:TOLD_APART]
        return tuple(self._library.condition[c].name for c in strongest)

    def _known(self, findings: Sequence[Finding]) -> set[str]:
        """What is known, what follows from what is there, and what cannot be because something more general is denied."""
        ancestors = self._table.ancestors
        told = {f.finding_id for f in findings if f.finding_id in ancestors and f.course != "past"}
        denied = {f.finding_id for f in findings if f.presence == "absent"}
        implied = {general for f in told - denied for general in ancestors[f]}
        impossible = {f for f, generals in ancestors.items() if denied & set(generals)}
        return told | implied | impossible


def worded(entry: FindingEntry) -> str:
    """The question in the library's words.

    >>> worded(FindingEntry(id="jaw", name="Jaw claudication", kind="symptom"))
    'Does the patient have this symptom: Jaw claudication?'
    """
    return _OPENINGS[entry.kind].format(name=entry.name)


def _binary(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in nats of a finding that is there with probability p."""
    q = np.clip(p, 1e-15, 1 - 1e-15)
    return np.asarray(-q * np.log(q) - (1 - q) * np.log1p(-q))


_READY: dict[str, Asking] = {}


def asking_of(library: Library, reader: NarrativeReader) -> Asking:
    """The one `Asking` of a library in this process: its table is worth building once."""
    return _READY.setdefault(library.digest, Asking(library, reader)) if library.digest not in _READY else _READY[library.digest]
