"""Reads a question put to the guidelines: the conditions it names or describes, and the kind of answer it wants.

A question is read like a narrative, so "sudden painless loss of vision with a cherry red spot, how fast?" asks about retinal artery
occlusion though it does not say so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from knowledge.differential import DifferentialScorer
from knowledge.library import Library
from knowledge.reading.matching import PhraseIndex, patterns
from knowledge.reading.narrative import NarrativeReader
from knowledge.reading.text import tokens

_CUES = {
    "time_frame": r"how (?:soon|fast|quick|urgent|long)|urgen|emergenc|same.day|deadline|refer|triage|within|by when|\btime|\bwait|window|"
    r"how many (?:hours|days|weeks)|\b(?:hours|days|weeks)\b|immediately|casualty|admit",
    "diagnosis": r"criteria|diagnos|confirm|\bsigns?\b|features?|tell .* from|distinguish|look like|defin|classif|\btests?\b|\bscan|imaging|"
    r"what (?:shows|proves)|\bgrad(?:e|ing)|work.?up|suspect|cause",
    "management": r"treat|therap|\bdrugs?\b|drops?|surger|operat|laser|inject|first.line|\b[tr]x\b|manag|steroid|tablet|antibiotic|patch|"
    r"\bvs\b|\bdose|\bgive|cure|glasses",
    "monitoring": r"monitor|follow.?up|review|how often|interval|recheck|\bcheck|surveillance|annual|every year|recall",
    "screening": r"screen|baseline|who gets|what age|invited|first (?:exam|look)",
    "risk": r"\brisk|\bwhy\b|danger|harm|worse|complic|prognos|outlook|smok|avoid|inherit|lifestyle|chance",
}
KIND_CUES = {kind: re.compile(words, re.IGNORECASE) for kind, words in _CUES.items()}
"""Words of a question that point to a kind of statement (ours, chosen on the development half of evals/data/retrieval_questions.yaml)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. `chances`: condition -> probability; `names`: names of the conditions it names; `kinds` of answer."""

    chances: dict[str, float]
    names: tuple[str, ...]
    kinds: frozenset[str]

    def kind_share(self, kind: str) -> float:
        """How much a statement of this kind is what was asked for: all of it when the question points to no other kind."""
        return 1 / len(self.kinds) if kind in self.kinds else 0.0


class QuestionReader:
    """Reads questions against one library. Callable from any thread."""

    def __init__(self, library: Library, reader: NarrativeReader) -> None:
        self._library = library
        self._reader = reader
        self._scorer = DifferentialScorer(library)
        self._names = PhraseIndex(patterns((c.id, name) for c in library.conditions for name in (c.name, *c.synonyms)))

    def read(self, question: str) -> Asked:
        reading = self._reader.read(question)
        posterior = self._scorer.posterior(reading.findings, reading.demographics)
        hits = list(self._names.find(tokens(question)))
        whole = [h for h in hits if not any(o.first <= h.first and h.last <= o.last and o.size > h.size for o in hits)]
        return Asked(
            chances=posterior.probabilities,
            names=tuple(self._library.condition[name].name for name in sorted({h.name for h in whole})),
            kinds=frozenset(kind for kind, cue in KIND_CUES.items() if cue.search(question)),
        )
