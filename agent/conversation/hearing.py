"""Hears a turn: what in it is a question, what is a fact, and what answers the question that is pending. Pure and deterministic.

What is said is data. Only findings, values and demographics that the narrative reader finds have an effect; a sentence that gives an
order has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import get_args

from agent.conversation.state import Heard
from agent.conversation.values import Question, TurnInput
from agent.domain import Demographics
from knowledge.library import Library
from knowledge.reading.meanings import meanings
from knowledge.reading.measurements import quantities
from knowledge.reading.narrative import NarrativeReader
from knowledge.reading.quantity import Kind, Quantity
from knowledge.reading.sentence import sentences
from knowledge.schema import FindingEntry

_ASKING = re.compile(
    r"(?:so |and |but |ok(?:ay)?,? |then |please |can you |could you )*(?:why\b|explain\b|tell me\b|"
    r"how (?:soon|urgent|sure|certain|likely|confident|fast)\b|"
    r"what(?:'s| is| are| about| next| does| do| else| should| treatment| speaks| would| could| makes)\b|"
    r"where (?:is|are|do|does|exactly)\b|which (?:is|are|of|guideline|treatment|test)\b|show me\b)",
    re.IGNORECASE,
)
"""Openings that ask even without a question mark. "Is" and "does" are not among them: "Is on warfarin" states."""
_TAIL = r"(?:[\s,]+(?:she|he|they|it|there)\s+(?:does|do|has|have|is|did|was|were|are)(?:n't| not)?)?"
_YES = re.compile(
    rf"(?:yes|yeah|yep|correct){_TAIL}(?=$|[\s,.;:!])|"
    r"(?:present|positive|it is|(?:s?he|they) (?:does|do|has|have|is|did))(?=$|[,.;:!])",
    re.I,
)
_NO = re.compile(
    rf"(?:no|nope){_TAIL}(?=$|[,.;:!])|"
    r"(?:none|absent|negative|not present|normal|it is not|(?:s?he|they) (?:does not|doesn't|has not))(?=$|[,.;:!])",
    re.I,
)
_UNKNOWN = re.compile(
    r"(?:(?:it is |that is |it's |that's )?(?:not known|unknown|not available|not (?:yet )?(?:done|measured|taken|tested|asked|back)|unclear)|"
    r"(?:i |we )?(?:do not|don't|cannot|can't) (?:know|say|tell)|not sure|no idea|pending|n/?a)(?=$|[\s,.;:!])",
    re.I,
)
_NUMBER = re.compile(r"[<>≥≤~]?\s*(?P<value>\d+(?:[.,]\d+)?)\s*(?P<unit>(?:%|[^\W\d]\S*)(?:\s+[^\W\d]\S*)?)?\s*")
_UNITS: dict[Kind, re.Pattern[str]] = {
    "esr": re.compile(r"mm(?:\s?(?:/|per|in|in the)\s?(?:1st |first )?(?:h|hr|hour)\.?)?", re.I),
    "crp": re.compile(r"mg\s?/\s?d?l", re.I),
    "hba1c": re.compile(r"%|mmol\s?/\s?mol", re.I),
    "iop": re.compile(r"mm\s?hg", re.I),
    "systolic_bp": re.compile(r"mm\s?hg", re.I),
    "diastolic_bp": re.compile(r"mm\s?hg", re.I),
}
"""Units in which a bare number may answer for a measure. A number in another unit answers another question."""
_BETWEEN = re.compile(r"(?<=[.!?;])(?<!\bdr\.)(?<!\bmr\.)(?<!\bmrs\.)(?<!\bms\.)(?<!\bst\.)\s+(?=[^\W\d_])", re.IGNORECASE)
_FIGURE = re.compile(r"(?<![\w.+/-])\d+(?:\.\d+)?(?![\w+]*[A-Za-z+])")
_LOW, _HIGH = 0.0, 199.0
"""Values that lie beyond every limit of `meanings`, either way, and are no misprints to it."""


def hear(turn: TurnInput, pending: Question | None, known: Demographics, reader: NarrativeReader, library: Library) -> Heard:
    """A later turn of a case. `known` is what is already known of the patient: an age told again is no news."""
    stated: list[str] = []
    asked: list[str] = []
    for part in parts(turn.text):
        (asked if interrogative(part) else stated).append(part)
    answer = AnswerReader(reader, library).read(stated, pending, unknown=turn.unknown)
    facts = [answer.words] if answer.words else []
    unread: list[str] = []
    if answer.rest:
        together = " ".join(answer.rest)
        (facts if says_something(together, reader, known) else unread).append(together)
    return Heard(
        facts="\n".join(facts),
        unread=" ".join(unread),
        numbers=unread_numbers("\n".join(facts), reader),
        questions=tuple(asked),
        images=hashes(turn),
        options=bool(turn.options),
        answered=answer.given,
        unknown=answer.unknown,
    )


def unread_numbers(text: str, reader: NarrativeReader) -> tuple[str, ...]:
    """Numbers that are part of no value, finding, duration or age: a result in words the reader does not know must not pass in silence."""
    reading = reader.read(text)
    spans = [(q.start, q.end) for q in quantities(text)]
    spans += [(f.start, f.end) for f in reading.findings if f.start is not None and f.end is not None]
    age = reading.demographics.age
    numbers = [m for m in _FIGURE.finditer(text) if not any(start <= m.start() and m.end() <= end for start, end in spans)]
    return tuple(m.group() for m in numbers if age is None or float(m.group()) != age)


def questions(text: str) -> tuple[str, ...]:
    """The sentences that ask."""
    return tuple(part for part in parts(text) if interrogative(part))


def parts(text: str) -> Iterator[str]:
    """Sentences, split also where the narrative reader would not, after a unit: a fact must not be taken for a part of the question that
    follows it.

    >>> list(parts("The ESR is 80 mm/h. How urgent is it? Dr. Smith asks."))
    ['The ESR is 80 mm/h.', 'How urgent is it?', 'Dr. Smith asks.']
    """
    for sentence in sentences(text):
        yield from (part for part in _BETWEEN.split(sentence.text) if part)


def hashes(turn: TurnInput) -> tuple[str, ...]:
    return tuple(image.sha256 for image in turn.images if image.sha256 is not None)


def interrogative(sentence: str) -> bool:
    """
    >>> interrogative("why not a vein occlusion"), interrogative("Is it urgent?"), interrogative("Is on warfarin.")
    (True, True, False)
    >>> interrogative("When she bends down her vision greys out.")
    False
    """
    words = sentence.strip()
    return words.rstrip("\"')”’ ").endswith("?") or _ASKING.match(words) is not None


def says_something(text: str, reader: NarrativeReader, known: Demographics) -> bool:
    """Whether the reader finds a finding, a value or a demographic that is new in the text."""
    reading = reader.read(text)
    who = reading.demographics
    news = (who.age is not None and who.age != known.age) or (who.sex is not None and who.sex != known.sex)
    return news or bool(reading.findings)


class Answer:
    """What the statements of a turn answer to the pending question. `words`: the answer as the narrative will say it; `rest`: the others."""

    def __init__(self, rest: list[str], words: str = "", *, given: bool = False, unknown: bool = False) -> None:
        self.rest, self.words, self.given, self.unknown = rest, words, given, unknown


class AnswerReader:
    """Reads short answers in the context of the question they answer."""

    def __init__(self, reader: NarrativeReader, library: Library) -> None:
        self._reader, self._library = reader, library

    def read(self, stated: list[str], pending: Question | None, *, unknown: bool) -> Answer:
        if pending is None or pending.finding_id not in self._library.finding:
            return Answer(stated)
        entry = self._library.finding[pending.finding_id]
        if unknown:
            return Answer(stated, given=True, unknown=True)
        if not stated:
            return Answer(stated)
        first, later = stated[0], stated[1:]
        for pattern, words in ((_UNKNOWN, ""), (_YES, f"{entry.name}."), (_NO, f"No {entry.name}.")):
            match = pattern.match(first)
            if match is not None:
                left = first[match.end() :].lstrip(" ,.;:!")
                return Answer([left, *later] if left else later, words, given=True, unknown=not words)
        number = _NUMBER.fullmatch(first.rstrip("."))
        if number is not None:
            words = self._value(entry, number)
            return Answer(later, words, given=True) if words else Answer(stated)
        return self._said(entry, stated)

    def _value(self, entry: FindingEntry, number: re.Match[str]) -> str:
        """A bare number as a value of what was asked for; empty where it is none, or in a unit of something else."""
        measure, unit = measured().get(entry.id), number["unit"]
        if measure is None or (unit is not None and (measure not in _UNITS or _UNITS[measure].fullmatch(unit) is None)):
            return ""
        for label in _labels(entry):
            said = f"{label} {number['value'].replace(',', '.')}{f' {unit}' if unit else ''}"
            if any(q.measure == measure for q in quantities(said)) and not self._reader.read(label).findings:
                return self._judged(entry, said)
        return ""

    def _said(self, entry: FindingEntry, stated: list[str]) -> Answer:
        """An answer in a sentence of its own."""
        together = " ".join(stated)
        if any(f.finding_id == entry.id for f in self._reader.read(together).findings):
            return Answer(stated, given=True)
        measure = measured().get(entry.id)
        if any(q.measure == measure for q in quantities(together)):
            return Answer([], self._judged(entry, together), given=True)
        return Answer(stated)

    def _judged(self, entry: FindingEntry, said: str) -> str:
        """A value with what it means for the finding asked for: a value that does not reach the limit denies it."""
        said = said if said.endswith((".", "!")) else f"{said}."
        known = {f.finding_id for f in self._reader.read(said).findings}
        return said if entry.id in known else f"{said} No {entry.name}."


def answerable(entry: FindingEntry, reader: NarrativeReader) -> bool:
    """Whether a plain yes and a plain no to this finding, put into words, are read as what they say."""
    return all(
        any(f.finding_id == entry.id and f.presence == presence for f in reader.read(said).findings)
        for said, presence in ((f"{entry.name}.", "present"), (f"No {entry.name}.", "absent"))
    )


@lru_cache(maxsize=1)
def measured() -> dict[str, Kind]:
    """Which measurement decides a finding.

    >>> measured()["raised_esr"], measured()["low_iop"]
    ('esr', 'iop')
    """
    probes = (Quantity(kind, value, "", "unknown", 0, 0) for kind in get_args(Kind) for value in (_LOW, _HIGH))
    return {finding_id: probe.measure for probe in probes for finding_id, _ in meanings(probe)}


def _labels(entry: FindingEntry) -> Iterator[str]:
    """Words of a finding's name and phrases under which a value of it may be written, longest first: the ESR of "raised ESR"."""
    seen: set[str] = set()
    for phrase in (entry.name, *entry.phrases):
        words = phrase.replace('"', "").split()
        for first in range(len(words)):
            for last in range(len(words), first, -1):
                seen.add(" ".join(words[first:last]))
    yield from sorted(seen, key=lambda label: (-len(label), label))
