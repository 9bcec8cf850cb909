"""Synthetic narratives drawn from the atlas itself: known truth for calibration, thresholds and load.

They measure whether the reader and the scorer agree with the atlas, not whether the atlas agrees with the world.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge.differential import Parameters, age_band
from knowledge.library import Library
from knowledge.schema import Condition

_AGES = {"infant": (0.2, 1.9), "child": (3, 15), "young_adult": (18, 39), "middle_aged": (40, 59), "older": (60, 74), "elderly": (75, 92)}
_OPENINGS = (
    "{who} presents with {first}.",
    "{who} was referred with {first}.",
    "{who}. Complains of {first}.",
    "Please see {who} with {first}.",
)


@dataclass(frozen=True)
class GeneratedCase:
    condition_id: str
    narrative: str
    detail: int


def cases(library: Library, count: int, seed: int, detail: tuple[int, int] = (2, 8)) -> Iterator[GeneratedCase]:
    """`count` narratives with between `detail` findings each; conditions drawn by their prior, findings by their level."""
    rng = random.Random(seed)
    parameters = Parameters()
    weights = [parameters.priors[c.prior] for c in library.conditions]
    for condition in rng.choices(library.conditions, weights, k=count):
        yield _case(library, condition, rng, rng.randint(*detail), parameters)


def _case(library: Library, condition: Condition, rng: random.Random, detail: int, parameters: Parameters) -> GeneratedCase:
    candidates = [(f, parameters.levels[level]) for level, fs in condition.findings.items() for f in fs]
    present = [f for f, p in candidates if rng.random() < p]
    absent = [f for f, p in candidates if p <= 0.05 and f not in present]
    rng.shuffle(present)
    chosen = present[:detail] or [max(candidates, key=lambda item: item[1])[0]]
    words = [_words(library, f, rng) for f in chosen]
    denied = [_words(library, f, rng) for f in rng.sample(absent, min(len(absent), detail // 3))]
    who = _person(condition, rng)
    text = rng.choice(_OPENINGS).format(who=who, first=words[0])
    text += "".join(f" {word[0].upper()}{word[1:]}." for word in words[1:])
    if denied:
        text += f" No {' or '.join(denied)}."
    return GeneratedCase(condition.id, text, len(chosen))


def _words(library: Library, finding: str, rng: random.Random) -> str:
    entry = library.finding[finding]
    return rng.choice((entry.name.lower(), *entry.phrases)).replace('"', "")


def _person(condition: Condition, rng: random.Random) -> str:
    bands = list(_AGES)
    band = rng.choices(bands, [condition.age.get(b, 1.0) * (0.3 if b in ("infant", "child") else 1.0) for b in bands])[0]  # type: ignore[call-overload]
    low, high = _AGES[band]
    age = rng.uniform(low, high)
    sex = rng.choices(["woman", "man"], [condition.sex.get("female", 1.0), condition.sex.get("male", 1.0)])[0]
    assert age_band(age) in _AGES
    return f"a {age * 12:.0f}-month-old {'girl' if sex == 'woman' else 'boy'}" if age < 2 else f"a {age:.0f}-year-old {sex}"
