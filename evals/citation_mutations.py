"""Forgeries made by rule from every statement of the guidelines: one word changed so that the meaning changes.

Each is tried twice: as a forged quote (first gate), and as a forged claim over the honest quote (second gate). Unlike the written suite
these follow whatever statements there are, and nobody chose them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from agent.citations import vocabulary as v
from agent.evidence import Citation, Claim, Evidence
from knowledge import drugs

_UNIT_SWAPS = {
    "hour": "day", "hours": "days", "day": "week", "days": "weeks", "week": "month", "weeks": "months", "month": "year", "months": "years",
    "year": "month", "years": "months", "mm": "cm", "minutes": "hours", "mg": "g", "micrometres": "millimetres",
}  # fmt: skip
_COMPARATOR_SWAPS = {
    "or more": "or less", "or less": "or more", "or over": "or under", "more than": "less than", "less than": "more than",
    "at least": "at most", "within": "after", "no more than": "no less than", "above": "below", "below": "above", "before": "after",
    "after": "before", "or older": "or younger", "under": "over",
}  # fmt: skip
_DIRECTION_SWAPS = {
    "raised": "lowered", "lowers": "raises", "raises": "lowers", "higher": "lower", "lower": "higher", "more": "less", "reduced": "increased",
    "faster": "slower", "early": "late", "late": "early", "anterior": "posterior", "posterior": "anterior", "inferior": "superior",
    "superior": "inferior", "nasal": "temporal", "unilateral": "bilateral", "bilateral": "unilateral", "central": "peripheral",
    "peripheral": "central", "positive": "negative", "negative": "positive", "mild": "severe", "severe": "mild", "topical": "oral",
    "oral": "topical", "intravenous": "oral", "better": "worse", "worse": "better", "acute": "chronic", "chronic": "acute",
    "benign": "malignant", "children": "adults", "adults": "children", "vein": "artery", "artery": "vein", "painless": "painful",
    "painful": "painless", "first": "last", "stops": "starts", "active": "inactive", "wet": "dry", "open": "closed",
}  # fmt: skip
_NEGATION = re.compile(r"\b(?:not|no|never|without|nor|neither) ", re.IGNORECASE)
_PLACE_FOR_NOT = re.compile(r"\b(is|are|should be|be|should|may|must|can|has|have) (?!not\b|no\b)")


@dataclass(frozen=True)
class Mutation:
    """A statement, its kind of change, and its text with the change."""

    kind: str
    evidence: Evidence
    text: str

    @property
    def forged_quote(self) -> Claim:
        return Claim(text=self.text, citations=(Citation(key=self.evidence.key, quote=self.text),))

    @property
    def forged_claim(self) -> Claim:
        return Claim(text=self.text, citations=(Citation(key=self.evidence.key, quote=self.evidence.text),))


def mutations(evidence: Evidence) -> Iterator[Mutation]:
    """Every single change of a statement that its rules allow, each once."""
    text = evidence.text
    seen = {text}
    for kind, changed in (
        *(("number", new) for new in _numbers(text)),
        *(("unit", new) for new in _swapped(text, _UNIT_SWAPS, after_number=True)),
        *(("comparator", new) for new in _swapped(text, _COMPARATOR_SWAPS, before_number=True)),
        *(("direction", new) for new in _swapped(text, _DIRECTION_SWAPS)),
        *(("negation dropped", text[: m.start()] + text[m.end() :]) for m in _NEGATION.finditer(text) if not _idle(text, m)),
        *(("negation added", text[: m.end()] + "not " + text[m.end() :]) for m in _PLACE_FOR_NOT.finditer(text)),
        *(("drug", new) for new in _drugs(text)),
    ):
        if changed not in seen:
            seen.add(changed)
            yield Mutation(kind, evidence, changed)


def _idle(text: str, match: re.Match[str]) -> bool:
    """Whether a negation denies nothing ("whether or not", "with or without")."""
    return text[: match.start()].endswith(("whether or ", "with or "))


def _numbers(text: str) -> Iterator[str]:
    for match in re.finditer(r"(?<![\w.])\d+(?:\.\d+)?(?![\w]|\.\d)", text):
        longer = f"{match.group()}1" if "." in match.group() else f"{match.group()}0"
        for value in (f"{float(match.group()) + 1:g}", longer):
            yield text[: match.start()] + value + text[match.end() :]
    for match in re.finditer(r"\b(two|three|four|five|six|seven|eight|ten|twelve)\b", text):
        less = int(v.NUMBER_WORDS[match.group()]) - 1
        yield text[: match.start()] + next(w for w, n in v.NUMBER_WORDS.items() if int(n) == less) + text[match.end() :]


def _swapped(text: str, pairs: dict[str, str], *, after_number: bool = False, before_number: bool = False) -> Iterator[str]:
    number = r"(?:\d[\d.]*|one|two|three|four|five|six|seven|eight|ten|twelve)"
    for old, new in pairs.items():
        lead = r"(?<=\d )|(?<=one )|(?<=two )|(?<=three )|(?<=four )|(?<=five )|(?<=six )|(?<=working )" if after_number else ""
        tail = rf"(?= {number}\b)" if before_number and not old.startswith("or ") else ""
        for match in re.finditer(rf"(?:{lead})\b{old}\b{tail}" if lead else rf"\b{old}\b{tail}", text):
            yield text[: match.start()] + new + text[match.end() :]


@cache
def _listed() -> tuple[drugs.Drug, ...]:
    return drugs.load().drugs


def _drugs(text: str) -> Iterator[str]:
    listed = _listed()
    for drug in listed:
        for match in re.finditer(rf"\b{re.escape(drug.names[0])}\b", text, re.IGNORECASE):
            other = next((d for d in listed if d.id != drug.id and d.within == drug.within), listed[0])
            yield text[: match.start()] + other.names[0] + text[match.end() :]
