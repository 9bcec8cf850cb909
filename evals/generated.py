"""Synthetic narratives from the atlas, drawn by another model than the scorer's: known truth for calibration, thresholds and load.

Each case has a patient of its own: levels vary around the atlas's, findings go unrecorded, others' findings and a second disease are mixed
in, and part of the words are not the lexicon's. They measure reader and scorer against the atlas, never the atlas against the world.
"""

from __future__ import annotations

import random
import re
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
SHARES = {"hallmark": 0.85, "common": 0.55, "occasional": 0.2, "rare": 0.04, "never": 0.0}
"""How often each level is present, on average; each case draws its own shares around them."""
SPREAD = 5.0
"""Concentration of a case's own share around its mean: low, so a hallmark is missing now and then."""
RECORDED = {"symptom": 0.85, "sign": 0.75, "history": 0.6, "exposure": 0.6, "course": 0.6, "imaging": 0.55, "test": 0.55}
"""How often a finding that is there is written down."""
UNIFORM = 0.5
"""Share of cases whose condition is drawn evenly instead of by its prior: rare ones are what the atlas is for."""
SECOND_DISEASE = 0.15
STRAY = 0.2
"""Chance, for every finding told, of one more that belongs to no disease of this patient: long letters hold more of them."""
ASKED_OF_RIVALS = 0.8
REWORDED = 0.4
TYPO = 0.04
_OTHER_WORDS = {
    "haemorrhages": "bleeding", "haemorrhage": "bleed", "vision": "sight", "oedema": "swelling", "pain": "ache", "painful": "sore",
    "redness": "bloodshot look", "photophobia": "dislike of light", "diplopia": "seeing two of things", "ptosis": "drooping lid",
    "floaters": "specks drifting across", "visual": "seeing", "acuity": "sharpness", "reduced": "down", "loss": "failing", "optic": "nerve",
    "headache": "sore head", "sudden": "out of nowhere", "gradual": "little by little", "bilateral": "both sides", "corneal": "on the cornea",
    "macular": "at the macula", "discharge": "stickiness", "proptosis": "eye pushed forwards", "swelling": "puffiness",
    "pupil": "pupillary aperture", "history": "past", "lesion": "patch", "lesions": "patches", "yellow": "yellowish", "white": "whitish",
    "raised": "up", "retinal": "of the retina", "vitreous": "gel", "thickening": "thickened look", "pigment": "dark stain", "trauma": "blow",
}  # fmt: skip


@dataclass(frozen=True)
class GeneratedCase:
    condition_id: str
    narrative: str
    detail: int


def cases(library: Library, count: int, seed: int, detail: tuple[int, int] = (1, 14)) -> Iterator[GeneratedCase]:
    """`count` narratives with up to `detail` true findings each. The same seed gives the same cases."""
    rng = random.Random(seed)
    priors = Parameters().priors
    weights = [priors[c.prior] for c in library.conditions]
    for _ in range(count):
        condition = rng.choice(library.conditions) if rng.random() < UNIFORM else rng.choices(library.conditions, weights)[0]
        yield _case(library, condition, rng, rng.randint(*detail))


def _case(library: Library, condition: Condition, rng: random.Random, detail: int) -> GeneratedCase:
    present, absent = _drawn(condition, rng)
    chosen = [f for f in present if rng.random() < RECORDED[library.finding[f].kind]][:detail] or present[:1] or [_first(condition)]
    noise = _noise(library, condition, len(chosen), rng)
    told = [*chosen, *noise]
    rng.shuffle(told)
    words = [_words(library, f, rng) for f in told]
    denied = [_words(library, f, rng) for f in _denied(library, condition, absent, rng, detail // 3)]
    text = rng.choice(_OPENINGS).format(who=_person(condition, rng), first=words[0])
    text += "".join(f" {word[0].upper()}{word[1:]}." for word in words[1:])
    if denied:
        text += f" No {' or '.join(denied)}."
    return GeneratedCase(condition.id, text, len(chosen))


def _drawn(condition: Condition, rng: random.Random) -> tuple[list[str], list[str]]:
    """What this patient has, in random order, and what can be denied."""
    present: list[str] = []
    absent: list[str] = []
    for level, findings in condition.findings.items():
        mean = SHARES[level]
        for finding in findings:
            share = rng.betavariate(SPREAD * mean, SPREAD * (1 - mean)) if mean else 0.0
            (present if rng.random() < share else absent).append(finding)
    rng.shuffle(present)
    return present, absent


def _denied(library: Library, condition: Condition, absent: list[str], rng: random.Random, count: int) -> list[str]:
    """Findings said to be absent: what one asks after is mostly what the rivals of a condition would show."""
    own = {f for fs in condition.findings.values() for f in fs}
    rivals = [library.condition[d.against] for d in condition.discriminators] or [rng.choice(library.conditions)]
    theirs = [f for r in rivals for level in ("hallmark", "common") for f in r.findings.get(level, ()) if f not in own]
    pool = [rng.choice(theirs if theirs and (rng.random() < ASKED_OF_RIVALS or not absent) else absent or theirs or [""]) for _ in range(count)]
    return [f for f in dict.fromkeys(pool) if f]


def _noise(library: Library, condition: Condition, told: int, rng: random.Random) -> list[str]:
    """Findings of a second disease, and strays drawn by their background rate."""
    found = []
    if rng.random() < SECOND_DISEASE:
        second = rng.choice(library.conditions)
        found += _drawn(second, rng)[0][: rng.randint(1, 2)]
    strays = [f for f in library.findings if f.kind in ("symptom", "sign", "history", "course")]
    found += [rng.choices(strays, [f.background for f in strays])[0].id for _ in range(told) if rng.random() < STRAY]
    return [f for f in dict.fromkeys(found) if condition.level_of(f) is None]


def _first(condition: Condition) -> str:
    return next(f for level in ("hallmark", "common", "occasional", "rare") for f in condition.findings.get(level, ()))


def _words(library: Library, finding: str, rng: random.Random) -> str:
    entry = library.finding[finding]
    words = rng.choice((entry.name.lower(), *entry.phrases)).replace('"', "")
    if rng.random() < REWORDED:
        words = re.sub(r"[a-z]+", lambda m: _OTHER_WORDS.get(m[0], m[0]), words)
    if rng.random() < TYPO and len(words) > 4:
        place = rng.randrange(1, len(words) - 2)
        words = words[:place] + words[place + 1] + words[place] + words[place + 2 :]
    return words


def _person(condition: Condition, rng: random.Random) -> str:
    bands = list(_AGES)
    band = rng.choices(bands, [condition.age.get(b, 1.0) * (0.3 if b in ("infant", "child") else 1.0) for b in bands])[0]  # type: ignore[call-overload]
    low, high = _AGES[band]
    age = rng.uniform(low, high)
    sex = rng.choices(["woman", "man"], [condition.sex.get("female", 1.0), condition.sex.get("male", 1.0)])[0]
    assert age_band(age) in _AGES
    return f"a {age * 12:.0f}-month-old {'girl' if sex == 'woman' else 'boy'}" if age < 2 else f"a {age:.0f}-year-old {sex}"
