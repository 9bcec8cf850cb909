"""Who and whether: negation, uncertainty, other people and past history of the words in a clinical sentence, with their side and time.

A small ConText (Harkema et al., J Biomed Inform 2009): trigger words open a scope that ends at the clause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache

from agent.values import Course, Laterality, Presence
from knowledge.reading.sentence import Sentence
from knowledge.reading.sides import side
from knowledge.reading.timecourse import timecourse

_NEGATED_BEFORE = (
    "no evidence of", "no signs of", "no sign of", "no history of", "negative for", "absence of", "absent", "free of", "without",
    "denies", "denied", "denying", "never", "not", "no", "nor", "neither", "none", "rules out", "ruled out", "excluded", "resolved",
    "did not", "does not", "doesn't", "isn't", "wasn't", "non", "lack of", "lacks", "unremarkable for", "cleared of",
    "clear of",
)  # fmt: skip
_NEGATED_AFTER = (
    "absent", "not seen", "not present", "not found", "was negative", "were negative", "negative", "denied", "ruled out", "excluded", "none",
    "not detected", "not reported", "not noted", "is unlikely", "unlikely", "no longer",
)  # fmt: skip
_POSSIBLE = (
    "possible", "possibly", "probable", "probably", "likely", "suspected", "suspicion of", "suspicious for", "suspect", "query", "may",
    "might", "could be", "cannot exclude", "cannot rule out", "can not exclude", "to exclude", "rule out", "to rule out", "presumed",
    "differential", "?", "concerning for", "consider", "versus", "vs", "suggestive of", "suggesting", "hinting at", "equivocal for",
)  # fmt: skip
_PSEUDO = ("no longer able", "not only", "no change", "no improvement", "not improved", "not improving", "not resolved", "without improvement",
           "not responded", "no response", "no relief", "not relieved", "gradually", "not sure", "without correction", "no perception of light",
           "no light perception", "no doubt", "no vision")  # fmt: skip
_POSSIBLE_AFTER = (
    "suspected", "possible", "probable", "likely", "?", "versus", "vs", "cannot be excluded", "can not be excluded", "not excluded",
    "cannot be ruled out", "not ruled out", "to be excluded",
)  # fmt: skip
_ALL_ABSENT = re.compile(
    r"^(?:(?:,|and|or) (?:\S+ ){1,4}?)+(?:were|are) (?:all |both )?"
    r"(?:absent|negative|denied|excluded|ruled out|not (?:seen|present|found|detected|noted|reported))\b"
)
"""A list whose end denies all of it: "ptosis and anisocoria were not present"."""
_EXCEPTED = re.compile(r"\b(?:other than|apart from|aside from|except(?: for)?|save for)\b")
"""What comes after these is left out of the negation before them."""
_FAMILY = (
    "family history", "familial history", "mother", "father", "sister", "brother", "grandmother", "grandfather", "aunt", "uncle", "cousin",
    "parents", "sibling", "siblings", "maternal", "paternal", "his son", "her son", "his daughter", "her daughter", "fh", "fhx", "wife",
    "husband", "his brother", "relatives",
)  # fmt: skip
_HYPOTHETICAL = re.compile(
    r"\bif (?:you|any|symptoms?|new)\b"
    r"|\bif (?:he|she|they|there|(?:the )?patient) (?:should |were to )?"
    r"(?:develops?|notices?|experiences?|gets?|sees?|becomes?|is any|are any)\b"
    r"|\bshould (?:you|he|she|they|any|symptoms?|there) |\b(?:return|call|contact|attend|re-?attend|come back|seek help|phone)\b.{0,25}? if\b"
    r"|\b(?:warned|counselled|counseled|educated|informed|advised|advice|leaflet|information|instructions?)"
    r" (?:\w+ ){0,2}?(?:about|of|on|re|regarding|for|against)\b"
    r"|\b(?:watch|look) (?:out )?for\b|\bin (?:case|the event) of\b|\bsafety ?-? ?net\w*"
)
"""Advice and warnings: what follows has not happened."""
_RISK = re.compile(r"\brisks? (?:of|for|include|includes|including)\b")
_NOW = frozenset("but however although though now today currently".split())
_BEGINS = frozenset("with has had have presents presented reports complains noticed noticing developed".split())
_FAILURE = re.compile(r"\b(?:does|did|do|will) not (?:close|open|shut|move|follow|track)\b[^,]*(?=,)")
"""Something that does not work: a sign of its own, which negates nothing after its comma."""
_REPORTER = re.compile(
    r"\b(?:mother|father|parents?|wife|husband|sister|brother|grandmother|grandfather)"
    r"(?: (?!has\b|had\b|have\b|with\b|was\b|is\b|who\b)\S+){0,8}?"
    r" (?:notic\w+|noted|notes|report\w*|says?|said|stat\w+|describ\w+|observ\w+|saw|think\w*|worr\w+|concerned|brought|feels?)\b"
    r"|\bby (?:(?:his|her|the|their) )?(?:mother|father|parents?|wife|husband)\b"
)
"""Relatives who tell of the patient: their words are about the patient, not about the family."""
_BACK_TO_PATIENT = re.compile(
    r" (?:;|and|but|while|whereas) (?:the (?:patient|boy|girl|child) (?:has|had|is|was|now)|s?he (?:himself |herself )?\w+) "
)
_PATIENT = ("the patient", "patient", "he", "she")
_PAST = ("history of", "past medical history", "past ocular history", "known", "previous", "previously", "pmh", "poh", "prior", "years ago")
_SCOPE_END = frozenset("but however although though except apart aside whereas yet while which who presents presented complains".split())
_VERBS = frozenset("is was are were has had shows showed reveals revealed demonstrates demonstrated reports reported notes noted".split())
_ORGANS = frozenset(
    "chest abdominal abdomen joint joints back leg legs arm arms neck jaw knee knees shoulder shoulders stomach ear tooth teeth dental pelvic "
    "throat muscle muscles hip limb limbs elsewhere".split()
)
_UNREMARKABLE = frozenset("normal negative unremarkable nonreactive".split())
_REMARKABLE = frozenset("positive raised elevated reactive increased abnormal high titer titre detected".split())

@dataclass(frozen=True, slots=True)
class Context:
    """`past` says that the words stand among the history; `course` what they say of their time, `days` the days since onset."""

    presence: Presence
    family: bool
    past: bool
    laterality: Laterality
    course: Course = "unknown"
    days: float | None = None


def context(sentence: Sentence, first: int, last: int, *, negative: bool = False, normal: bool = False) -> Context:
    """The context of tokens `first` to `last` (inclusive) of the sentence.

    `negative`: those tokens hold a negation of their own that belongs to the finding ("no pain" for painless). `normal`: the finding is
    that something is normal; a negation before a comma then speaks of something else ("no proptosis, vision normal").
    """
    words = [t.word for t in sentence.tokens]
    before = _clause_before(words, first)
    near = before[len(before) - before[::-1].index(",") :] if "," in before else before
    lead_words = near if normal or negative or before[:1] == ["absent"] else before
    after = _clause_after(words, last)
    inside = " ".join(words[first : last + 1])
    lead = _EXCEPTED.split(_FAILURE.sub(" ", " ".join(lead_words)))[-1]
    trail = " ".join(after[:4])
    negated = _has(lead, _NEGATED_BEFORE) and not _has(f"{lead} {inside}", _PSEUDO)
    negated = negated or (not negative and _has(inside, ("no", "not", "without", "clear of", "free of")) and not _has(inside, _PSEUDO))
    doubted = _has(trail.replace("likely to", ""), _POSSIBLE_AFTER)
    denied = _has(trail, _NEGATED_AFTER) and not doubted and not _has(" ".join(after), ("but",))
    negated = negated or denied or _marked_absent(words, last) or _ALL_ABSENT.match(" ".join(words[last + 1 : last + 12])) is not None
    possible = _has(" ".join(before[-6:]), _POSSIBLE) or "?" in before[-2:] or doubted
    course, days = timecourse(sentence, first, last)
    named = side(words, first, last)
    family_words = _REPORTER.sub(" ", f"{_of_the_family(words[: first + 1])} {' '.join(after[:3])}")
    return Context(
        presence="absent" if negated else "possible" if possible else "present",
        family=("family" in sentence.heading and not _has(" ".join(words[:first]), _PATIENT)) or _has(family_words, _FAMILY),
        past=("history" in sentence.heading and "present" not in sentence.heading) or _has(" ".join(before[-8:]), _PAST),
        laterality=sentence.eye if named == "unknown" else named,
        course=course,
        days=days,
    )


def _of_the_family(words: Sequence[str]) -> str:
    """The words since the patient came in again as the one spoken of: "her father had glaucoma; she has haloes"."""
    text = f" {' '.join(words)} "
    back = [m.end() for m in _BACK_TO_PATIENT.finditer(text)]
    return text[back[-1] :] if back else text


def _marked_absent(words: Sequence[str], last: int) -> bool:
    """Whether a mark stands right behind: "RAPD: nil", "hypopyon (-)"."""
    mark = words[last + 1 : last + 4]
    return mark[:3] == ["(", "-", ")"] or (mark[:1] in ([":"], ["="]) and mark[1:2] in (["nil"], ["no"], ["none"], ["absent"], ["negative"]))


def hypothetical(sentence: Sentence, first: int) -> bool:
    """Whether a mention is advice, a warning or a risk ("if you develop flashes", "risk of detachment") and not a report."""
    words = [t.word for t in sentence.tokens[:first]]
    return bool(_HYPOTHETICAL.search(_since(words, _NOW)) or _RISK.search(_since(words, _NOW | _BEGINS)))


def _since(words: Sequence[str], ends: Set[str]) -> str:
    start = max((i + 1 for i, word in enumerate(words) if word in ends), default=0)
    return f"{' '.join(words[start:])} "


def elsewhere(sentence: Sentence, first: int, last: int) -> bool:
    """Whether words without an eye speak of another part of the body ("chest pain", "pain in the knee")."""
    words = [t.word for t in sentence.tokens]
    if "other" in words[first : last + 1]:  # "no other pain"
        return True
    return not _ORGANS.isdisjoint(words[max(0, first - 1) : first]) or not _ORGANS.isdisjoint(words[last + 1 : last + 4])


def reported_normal(sentence: Sentence) -> bool:
    """Whether a sentence about tests reports them as normal or negative and none as positive."""
    words = {t.word for t in sentence.tokens}
    return not _UNREMARKABLE.isdisjoint(words) and _REMARKABLE.isdisjoint(words)


def _clause_before(words: Sequence[str], first: int) -> list[str]:
    """Words before `first` back to the start of its clause. A comma ends it only when a finite verb follows (a list does not)."""
    for i in range(first - 1, -1, -1):
        if words[i] in _SCOPE_END or words[i] in (":", ";", "."):
            return list(words[i + 1 : first])
        if words[i] == "," and any(word in _VERBS for word in words[i + 1 : first + 6]) and not any(w in _VERBS for w in words[:i][-3:]):
            return list(words[i + 1 : first])
        if words[i] in ("with", "shows", "showed", "revealed", "demonstrated") and i + 1 < first:
            return list(words[i + 1 : first]) if not _has(" ".join(words[i + 1 : first]), ("no", "not")) else list(words[i:first])
    return list(words[:first])


def _clause_after(words: Sequence[str], last: int) -> list[str]:
    for i in range(last + 1, len(words)):
        if words[i] in _SCOPE_END or words[i] in (",", ";", ".", ":", "and", "with"):
            return list(words[last + 1 : i])
    return list(words[last + 1 :])


def _has(text: str, triggers: tuple[str, ...]) -> bool:
    return bool(text) and _any_of(triggers).search(f" {text} ") is not None


@cache
def _any_of(triggers: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all triggers, each whole words between spaces."""
    return re.compile(" (?:" + "|".join(re.escape(trigger) for trigger in triggers) + ") ")
