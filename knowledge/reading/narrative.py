"""Reads a referral narrative into findings: what is present, possible or absent, on which side, with which numbers.

The narrative is data. Nothing in it is followed as an instruction; words that match no phrase have no effect at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.domain import Demographics, Finding
from agent.values import Course
from knowledge.library import NAMES_PREFIX, Library
from knowledge.reading.context import Context, context, elsewhere, hypothetical, reported_normal
from knowledge.reading.demographics import demographics
from knowledge.reading.distances import NEAR_DD, exudate_distances
from knowledge.reading.matching import Hit, Pattern, PhraseIndex, patterns
from knowledge.reading.meanings import FULL_ACUITY, meanings
from knowledge.reading.measurements import quantities
from knowledge.reading.quantity import Quantity
from knowledge.reading.sentence import Sentence, sentences
from knowledge.reading.settling import settled
from knowledge.reading.sides import further
from knowledge.reading.timecourse import began, long_ago, timecourse
from knowledge.schema import FindingEntry

_FAMILY_KINDS = "family_history"
_NORMAL = ("normal_", "full_")
_RECENT, _TRANSIENT = "recent_", "transient_"
_NEAR_FOVEA = "exudate_near_fovea"
_FAR_DIGIT = re.compile(r"\d\s*(?:-\s*)?(?:dd|dis[ck][- ]diamet|µm|μm|um|micron|mm)", re.I)
_OF_ORGANS = ("jaw_claudication", "scalp_tenderness", "shoulder_girdle_stiffness", "joint_pain", "back_pain_stiffness", "neck_pain",
              "neck_trauma_pain", "deep_boring_pain", "new_headache", "headache")  # fmt: skip
"""Findings that are of another part of the body themselves."""
_WHEN = frozenset(("on", "when", "while", "upon"))
_SIDES = ("bilateral_involvement", "unilateral_involvement")
"""Findings that mean something only beside another one: a pressure measured in both eyes involves neither."""
HISTORY_WEIGHT, LONG_AGO_WEIGHT, POSSIBLE_WEIGHT = 0.6, 0.2, 0.5
"""Weights of a disease told among the history, of what is over long ago, and of what is only possible (ours)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a narrative says. `sentences` are kept for a second reading; `covered` are those a finding or measurement was read from."""

    demographics: Demographics
    findings: tuple[Finding, ...]
    sentences: tuple[Sentence, ...]
    covered: frozenset[int]


class NarrativeReader:
    """Reads narratives against one library. Building it takes some milliseconds; reading is pure and thread-safe."""

    def __init__(self, library: Library, compiled: Iterable[Pattern] | None = None) -> None:
        """`compiled`: the library's phrases as `patterns_of` gives them, where they were compiled before."""
        self._library = library
        self.phrases = PhraseIndex(patterns_of(library) if compiled is None else compiled)

    def read(self, narrative: str) -> Reading:
        found, kept, covered, measured = self._mentions(narrative)
        found += self._normal_vision(measured)
        found += self._course(found)
        return Reading(demographics(narrative), settled(found), kept, frozenset(covered))

    def mentions(self, narrative: str) -> list[Finding]:
        """Every mention and measurement in the order they stand, before those of one finding are settled into one (for evaluation)."""
        return self._mentions(narrative)[0]

    def _mentions(self, narrative: str) -> tuple[list[Finding], tuple[Sentence, ...], set[int], tuple[Quantity, ...]]:
        found: list[Finding] = []
        covered: set[int] = set()
        kept = tuple(sentences(narrative))
        for number, sentence in enumerate(kept):
            hits = _longest(self.phrases.find(sentence.tokens))
            hits = [hit for hit in hits if not _is_sign(hit, hits)]
            here = [f for hit in hits for f in self._findings(sentence, hit)]
            clinical = any(f.presence != "absent" and f.finding_id not in _SIDES and not f.finding_id.startswith("normal") for f in here)
            found += here if clinical else [f for f in here if f.finding_id not in _SIDES]
            if here:
                covered.add(number)
        measured = tuple(quantities(narrative))
        covered |= {n for n, s in enumerate(kept) if any(q.start < s.start + len(s.text) and s.start < q.end for q in measured)}
        found += [f for q in measured for f in self._measured(narrative, q, kept)]
        found += self._distances(narrative)
        return found, kept, covered, measured

    def _findings(self, sentence: Sentence, hit: Hit) -> Iterator[Finding]:
        finding = self._finding(sentence, hit)
        if finding is None:
            return
        yield finding
        other = further(sentence, hit.last)
        if other is not None:
            again = {"presence": other[0], "laterality": other[1], "weight": 1.0, "course": "unknown", "duration_days": None}
            yield finding.model_copy(update=again)

    def _finding(self, sentence: Sentence, hit: Hit) -> Finding | None:
        if hypothetical(sentence, hit.first) or _circumstance(sentence, hit):
            return None
        if hit.name.startswith(_NORMAL) and any(t.word == "," for t in sentence.tokens[hit.first : hit.last + 1]):
            return None
        if hit.name.startswith(_TRANSIENT) and began(sentence, hit.first, hit.last):
            return None
        if hit.name == _NEAR_FOVEA and _FAR_DIGIT.search(sentence.text):  # the distance itself is read below
            return None
        if hit.name.startswith(_RECENT) and long_ago(sentence, hit.first, hit.last):
            return None
        where = context(sentence, hit.first, hit.last, negative=hit.negative, normal=hit.name.startswith(_NORMAL))
        entry = self._library.finding.get(hit.name)
        if where.family and _FAMILY_KINDS not in hit.name:
            return None
        stems = {t.stem for t in sentence.tokens[hit.first : hit.last + 1]}
        vague = hit.size == 1 or ("~pain" in stems and "~eye" not in stems and hit.name not in _OF_ORGANS)
        if vague and elsewhere(sentence, hit.first, hit.last):
            return None
        first, last = sentence.tokens[hit.first], sentence.tokens[hit.last]
        presence = where.presence
        course = _course_of(where, sentence, entry)
        weight = 1.0 if presence != "possible" else POSSIBLE_WEIGHT
        if course == "past":
            weight *= LONG_AGO_WEIGHT
        elif where.past and hit.name.startswith(NAMES_PREFIX):
            weight *= HISTORY_WEIGHT
        if entry is not None and entry.kind == "test" and reported_normal(sentence):
            presence = "absent"
        name = entry.name if entry else f"named: {self._library.condition[hit.name.removeprefix(NAMES_PREFIX)].name}"
        return Finding(
            finding_id=hit.name,
            name=name,
            presence=presence,
            source="narrative",
            laterality="unknown" if entry is not None and entry.kind == "test" else where.laterality,
            course=course if presence != "absent" else "unknown",
            duration_days=where.days if presence != "absent" else None,
            weight=weight,
            quote=sentence.text[first.start : last.end],
            start=sentence.start + first.start,
            end=sentence.start + last.end,
        )

    def _measured(self, narrative: str, q: Quantity, kept: Iterable[Sentence]) -> Iterator[Finding]:
        past = q.measure != "duration_days" and any(_measured_long_ago(s, q) for s in kept if s.start <= q.start < s.start + len(s.text))
        base = Finding(
            finding_id=q.measure, name=q.measure.replace("_", " "), presence="present", source="measurement", laterality=q.laterality,
            value=round(q.value, 3), unit=q.unit, quote=narrative[q.start : q.end], start=q.start, end=q.end,
            course="past" if past else "unknown", weight=LONG_AGO_WEIGHT if past else 1.0,
        )  # fmt: skip
        if q.measure != "cup_to_disc_ratio":
            yield base
        for finding_id, presence in meanings(q):
            entry = self._library.finding.get(finding_id)
            if entry is not None:
                yield base.model_copy(update={"finding_id": finding_id, "name": entry.name, "presence": presence})

    def _distances(self, narrative: str) -> Iterator[Finding]:
        """Exudates whose distance from the fovea is given are near it, or are not."""
        entry = self._library.finding.get(_NEAR_FOVEA)
        for start, end, discs in exudate_distances(narrative) if entry is not None else ():
            assert entry is not None
            yield Finding(
                finding_id=entry.id, name=entry.name, presence="present" if discs <= NEAR_DD else "absent", source="measurement",
                value=round(discs, 2), unit="disc diameters", quote=narrative[start:end], start=start, end=end,
            )  # fmt: skip

    def _normal_vision(self, measured: Iterable[Quantity]) -> Iterator[Finding]:
        """Full acuity in both eyes is normal vision; in one eye it says nothing of the other."""
        values = [q for q in measured if q.measure == "logmar"]
        entry = self._library.finding.get("normal_visual_acuity")
        both = {"right", "left"} <= {q.laterality for q in values} or any(q.laterality == "both" for q in values)
        if entry is not None and both and all(q.value <= FULL_ACUITY for q in values):
            yield Finding(finding_id=entry.id, name=entry.name, presence="present", source="measurement", laterality="both", weight=0.6)

    def _course(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """Both eyes named for a sign or symptom is bilateral involvement; one eye only, unilateral."""
        sides = {f.laterality for f in found if f.presence == "present" and f.source == "narrative"}
        both = "both" in sides or {"right", "left"} <= sides
        one = len(sides & {"right", "left"}) == 1 and "both" not in sides
        finding_id = "bilateral_involvement" if both else "unilateral_involvement" if one else ""
        entry = self._library.finding.get(finding_id)
        if entry is not None and not any(f.finding_id in _SIDES for f in found):
            yield Finding(finding_id=entry.id, name=entry.name, presence="present", source="narrative", weight=0.6)


def _course_of(where: Context, sentence: Sentence, entry: FindingEntry | None) -> Course:
    """What a mention says of its time; a symptom or sign under the heading of the past history is past unless it says otherwise. What the
    patient was exposed to and how a complaint runs have no end of that kind."""
    if entry is not None and entry.kind in ("exposure", "course", "test"):
        return "unknown" if where.course == "past" else where.course
    listed = entry is not None and entry.kind in ("symptom", "sign") and _of_the_past(sentence)
    return "past" if listed and where.course == "unknown" else where.course


def _of_the_past(sentence: Sentence) -> bool:
    return "past" in sentence.heading and "history" in sentence.heading


def _measured_long_ago(sentence: Sentence, q: Quantity) -> bool:
    """Whether a value was measured on a date long ago, or is told among the past history."""
    inside = [n for n, t in enumerate(sentence.tokens) if sentence.start + t.start < q.end and q.start < sentence.start + t.end]
    return bool(inside) and (_of_the_past(sentence) or timecourse(sentence, inside[0], inside[-1], adjectives=False)[0] == "past")


def patterns_of(library: Library) -> list[Pattern]:
    """Every phrase of the library, compiled: findings under their id, conditions under `names_<id>`."""
    return patterns(_phrases(library))


def _phrases(library: Library) -> Iterator[tuple[str, str]]:
    for entry in library.findings:
        yield entry.id, entry.name
        yield from ((entry.id, phrase) for phrase in entry.phrases)
    for condition in library.conditions:
        for name in (condition.name, *condition.synonyms):
            yield f"{NAMES_PREFIX}{condition.id}", f'"{name}"'


def _longest(hits: Iterable[Hit]) -> list[Hit]:
    """Of overlapping hits of one name the longest phrase; a hit inside a strictly longer phrase of another name stays (it may be
    implied), except where a named condition covers it."""
    best: dict[tuple[str, int], Hit] = {}
    for hit in hits:
        place = (hit.name, hit.first)
        if place not in best or hit.size > best[place].size:
            best[place] = hit
    kept = sorted(best.values(), key=lambda h: (h.first, -h.size, h.name))
    named = [h for h in kept if h.name.startswith(NAMES_PREFIX)]
    return [hit for hit in kept if not any(n.first <= hit.first and hit.last <= n.last and n.size > hit.size and n is not hit for n in named)]


def _circumstance(sentence: Sentence, hit: Hit) -> bool:
    """Something done, not complained of: a headache "worse on coughing" is no cough."""
    doing = hit.size == 1 and sentence.tokens[hit.first].word.endswith("ing")
    return doing and hit.first > 0 and sentence.tokens[hit.first - 1].word in _WHEN


def _is_sign(hit: Hit, hits: Iterable[Hit]) -> bool:
    """A condition whose name is also a sign, or only part of one, was seen and not diagnosed ("esotropia", "cataract surgery",
    "serous retinal detachment"): the sign alone counts."""
    if not hit.name.startswith(NAMES_PREFIX):
        return False
    covering = [o for o in hits if o.first <= hit.first and hit.last <= o.last and not o.name.startswith(NAMES_PREFIX)]
    return any(o.size > hit.size or (o.size == hit.size == 1) for o in covering)
