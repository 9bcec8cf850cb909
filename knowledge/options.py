"""Answer options against a differential: which letter the probabilities speak for."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from agent.domain import Answer, AnswerOption
from knowledge.library import Library
from knowledge.reading.matching import PhraseIndex, patterns
from knowledge.reading.text import STOP, content, tokens

SHARPNESS = 4.0
"""How strongly relevance separates options that name no condition (ours)."""
_EDGE_FLOOR = 1e-4
_NORMAL = ("normal", "no abnormality", "healthy", "normal eye", "normal fundus")


class OptionJudge:
    """Scores options by the conditions they name, or, where they name none, by the words they share with what the atlas knows about
    the likely conditions (findings, tests, management, guideline statements)."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._names = PhraseIndex(patterns((c.id, name) for c in library.conditions for name in (c.name, *c.synonyms)))
        self._cards = {c.id: Counter(content(_card(library, c.id))) for c in library.conditions}
        self._rarity = _rarity(self._cards)

    def judge(self, options: Sequence[AnswerOption], probabilities: Mapping[str, float]) -> Answer | None:
        """The answer, or None without options. When no option can be told from another, the distribution is uniform and says so."""
        if not options:
            return None
        named = {option.key: self._conditions(option.text) for option in options}
        if sum(bool(conditions) for conditions in named.values()) >= 2:
            mass = {key: max(sum(probabilities.get(c, 0.0) for c in conditions), _EDGE_FLOOR) for key, conditions in named.items()}
            note = "options compared by the probability of the conditions they name"
        else:
            relevance = {option.key: self._relevance(option.text, probabilities) for option in options}
            mass = {key: math.exp(SHARPNESS * value) for key, value in relevance.items()}
            note = "options compared by what the atlas and guidelines say about the likely conditions"
        total = math.fsum(mass.values())
        shares = {key: value / total for key, value in mass.items()}
        if max(shares.values()) - min(shares.values()) < 1e-6:
            note = "nothing known to the atlas tells these options apart"
        best = max(options, key=lambda o: (shares[o.key], -ord(o.key)))
        return Answer(letter=best.key, text=best.text, probabilities=shares, note=note)

    def _conditions(self, text: str) -> set[str]:
        """Conditions named by an option: those whose name covers the most of its words."""
        if text.strip().rstrip(".").lower() in _NORMAL:
            return {"normal_eye"} & set(self._library.condition)
        words = tokens(text)
        hits = list(self._names.find(words))
        longest = max((h.size for h in hits), default=0)
        return {h.name for h in hits if h.size == longest}

    def _relevance(self, text: str, probabilities: Mapping[str, float]) -> float:
        words = [w for w in content(text) if w not in STOP]
        weight = math.fsum(self._rarity.get(w, 0.0) for w in words) or 1.0
        top = sorted(((p, c) for c, p in probabilities.items() if c in self._cards), reverse=True)[:8]
        return math.fsum(p * math.fsum(self._rarity.get(w, 0.0) for w in words if w in self._cards[c]) / weight for p, c in top)


def _card(library: Library, condition_id: str) -> str:
    condition = library.condition[condition_id]
    findings = [library.finding[f].name for level, fs in condition.findings.items() if level in ("hallmark", "common") for f in fs]
    statements = [s.text for s in library.statements if condition_id in s.concepts]
    words = " ".join([condition.description, *findings, *condition.tests, *condition.management, *statements])
    return re.sub(r"\s+", " ", words)


def _rarity(cards: Mapping[str, Counter[str]]) -> dict[str, float]:
    frequency = Counter(word for card in cards.values() for word in card)
    return {word: math.log(1 + len(cards) / count) for word, count in frequency.items()}
