"""Models of known calibration that answer cases of known truth, written as the records a real run would leave.

For each case a belief over conditions of the atlas is drawn, and the truth from that belief. What a model answers from is the belief
bent in a way that its `Temper` says, so how far each model may be trusted is known before anything is estimated. Wording is real: the names
and synonyms of the atlas, resolved by the same code that resolves a real model's answers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.agreement import disagreement
from agent.domain import DifferentialEntry, Finding
from agent.reasoners.concepts import Concept, concept_of
from evals.estimator_language import AnswerModel, pieces, written
from evals.estimator_records import Record, ToldToken
from knowledge.library import Library
from knowledge.terminology import Terminology

VOCABULARY = 151_936
"""That of Qwen2.5-VL, which bounds the tail."""
TOP, SAMPLES, VERBAL_TOKENS = 5, 10, 8
CANDIDATES = (2, 40)
THINKING = (120, 300)
PHRASES = ("{}", "The most likely diagnosis is {}", "{} is favoured", "Findings in keeping with {}", "Likely {}", "Impression: {}")
PRESENT = {"hallmark": 0.9, "common": 0.6, "occasional": 0.25, "rare": 0.05, "never": 0.005}
"""Chance of a finding in a condition, by its level in the atlas."""
SEEN, INVENTED = 0.85, 0.05
"""Chance that the simulated localizer sees a lesion that is there, and one that is not."""


@dataclass(frozen=True)
class Temper:
    """How a model bends what it believes.

    `sharpness` is the exponent on the belief (1: calibrated; above: overconfident). `loose` draws that exponent anew for each case, so
    that confidence says nothing. `inventing` is the share of cases answered with near certainty from thin air. `synonyms` and
    `phrases` are the shares of answers that use another name, or another sentence. `verbal` is how far its stated confidence follows
    its own probability: 1 fully, 0 not at all.
    """

    sharpness: float = 1.0
    loose: bool = False
    inventing: float = 0.0
    synonyms: float = 0.1
    phrases: float = 0.1
    verbal: float = 0.5


TEMPERS: dict[str, Temper] = {
    "calibrated": Temper(),
    "overconfident": Temper(sharpness=3.0),
    "underconfident": Temper(sharpness=0.5),
    "many names for one thing": Temper(synonyms=0.8),
    "many phrasings": Temper(phrases=0.9),
    "inventing": Temper(inventing=0.25),
    "confidence without meaning": Temper(loose=True, verbal=0.0),
}


class Simulator:
    """Cases for one model; the same seed gives the same cases."""

    def __init__(self, library: Library, temper: Temper, seed: int = 0) -> None:
        self._library, self._temper, self._chance = library, temper, random.Random(seed)
        self._terminology = Terminology(library)
        self._resolved: dict[str, Concept] = {}
        self._conditions = [c for c in library.conditions if c.system != "normal"]

    def concept(self, answer: str) -> str:
        """The concept an answer names, as the reasoner would read it."""
        if answer not in self._resolved:
            self._resolved[answer] = concept_of(answer, self._terminology)
        return self._resolved[answer].concept_id

    def records(self, cases: int) -> Iterator[Record]:
        for number in range(cases):
            yield self._record(f"simulated-{number}")

    def _record(self, case_id: str) -> Record:
        chance, temper = self._chance, self._temper
        belief = self._belief()
        truth = chance.choices(list(belief), list(belief.values()))[0]
        held = self._bent(belief)
        model = AnswerModel(self._texts(held))
        tokens = model.greedy(TOP)
        said = written(tokens)
        thinking = self._thinking(held)
        samples = tuple(model.sampled(chance) for _ in range(SAMPLES))
        top = max(held.values())
        spoken = temper.verbal * top + (1 - temper.verbal) * chance.uniform(0.75, 0.95)
        return Record(
            case_id=case_id,
            correct=self.concept(said) == truth,
            vocabulary=VOCABULARY,
            answer=tuple(ToldToken(text=t.text, logprob=t.logprob, top=t.alternatives, entropy=t.entropy) for t in tokens),
            thinking=thinking,
            samples=samples,
            sample_tokens=tuple(chance.randint(*THINKING) + len(pieces(sample)) for sample in samples),
            verbal=round(20 * spoken) / 20,
            verbal_tokens=VERBAL_TOKENS,
            disagreement=self._disagreement(said, truth),
        )

    def _belief(self) -> dict[str, float]:
        """A distribution over some conditions, from nearly certain to nearly flat."""
        chance = self._chance
        chosen = chance.sample(self._conditions, chance.randint(*CANDIDATES))
        spread = chance.uniform(0.3, 5.0)
        return _normal({c.id: math.exp(chance.gauss(0, spread)) for c in chosen})

    def _bent(self, belief: Mapping[str, float]) -> dict[str, float]:
        chance, temper = self._chance, self._temper
        if chance.random() < temper.inventing:
            invented = chance.choice(self._conditions).id
            return _normal({**{c: 0.02 * p for c, p in belief.items()}, invented: 0.98})
        if temper.loose:  # keeps the order of the belief, and nothing of its spread
            ranked = sorted(belief, key=lambda c: -belief[c])
            base = chance.uniform(0.02, 0.98)
            return _normal({c: max(base**rank, 1e-6) for rank, c in enumerate(ranked)})
        return _normal({c: p**temper.sharpness for c, p in belief.items()})

    def _texts(self, held: Mapping[str, float]) -> dict[str, float]:
        texts: dict[str, float] = {}
        for condition, probability in held.items():
            for name, share in self._names(condition).items():
                for phrase, part in _shares(PHRASES, self._temper.phrases).items():
                    text = phrase.format(name)
                    texts[text] = texts.get(text, 0.0) + probability * share * part
        return texts

    def _names(self, condition_id: str) -> dict[str, float]:
        """The condition's own names; what would be read as another one is not used."""
        condition = self._library.condition[condition_id]
        others = tuple(name for name in condition.synonyms if self.concept(name) == condition_id and name != condition.name)
        return _shares((condition.name, *others), self._temper.synonyms)

    def _thinking(self, held: Mapping[str, float]) -> tuple[float, ...]:
        """Most tokens of a thought are certain; the forks are as open as the answer, give or take."""
        chance, doubt = self._chance, -math.fsum(p * math.log(p) for p in held.values() if p > 0)
        forks = (chance.random() < 0.2 for _ in range(chance.randint(*THINKING)))
        return tuple(round(max(0.0, (0.3 * doubt + 0.6) * chance.gauss(1, 0.5)) if fork else chance.expovariate(20), 4) for fork in forks)

    def _disagreement(self, said: str, truth: str) -> float:
        entry = DifferentialEntry(concept_id=self.concept(said), name=said[:200] or "?", probability=1.0)
        return disagreement(self._library, (entry,), self._seen(truth))

    def _seen(self, truth: str) -> tuple[Finding, ...]:
        chance, levels = self._chance, self._library.condition[truth].findings
        found = []
        for lesion in ("hard_exudate", "retinal_haemorrhage"):
            there = next((PRESENT[level] for level, findings in levels.items() if lesion in findings), 0.02)
            if chance.random() < (SEEN if chance.random() < there else INVENTED):
                found.append(_finding(lesion, chance.uniform(0.7, 1.0)))
        return tuple(found) or (_finding("no_retinal_lesion_seen", chance.uniform(0.6, 0.95)),)


def _finding(finding_id: str, weight: float) -> Finding:
    return Finding(finding_id=finding_id, name=finding_id, presence="present", source="localizer", weight=weight)


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    return {key: value / total for key, value in weights.items()}


def _shares(forms: tuple[str, ...], other: float) -> dict[str, float]:
    """The first form keeps 1 - `other`, the rest share the remainder; a single form keeps all.

    >>> _shares(("a", "b", "c"), 0.5)
    {'a': 0.5, 'b': 0.25, 'c': 0.25}
    """
    if len(forms) == 1:
        return {forms[0]: 1.0}
    return {form: 1 - other if n == 0 else other / (len(forms) - 1) for n, form in enumerate(forms)}
