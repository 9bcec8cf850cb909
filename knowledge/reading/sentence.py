"""Sentences of a narrative with their tokens, the section they stand under and the eye their line is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.values import Laterality
from knowledge.reading.text import Token, tokens

_ABBREVIATION = re.compile(r"(?:\b(?:dr|mr|mrs|ms|vs|approx|e\.g|i\.e|no|st|ca)|\b[A-Za-z]|\d)$", re.IGNORECASE)
_HEADINGS = (
    "history|complaint|examination|exam|tests?|information|findings|imaging|fundus|impression|diagnosis|medications?|drugs?|allergies|"
    "social|plan"
)
_HEADING = re.compile(rf"^\s*(?:[-*•]\s*)?\**((?:[A-Z][A-Za-z /]{{2,40}}? )?(?:{_HEADINGS}))\**\s*:\**", re.IGNORECASE)
_EYE_LEAD = re.compile(r"\b(?:(right|left|both) eyes?|(OD|RE)|(OS|LE)|(OU|BE))\s*:", re.IGNORECASE)
"""An eye that a line opens a list with ("Right eye:"): what follows is of that eye until another is named so."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or line with its tokens; offsets are into the whole narrative. `heading` is the section it stands under, `eye` the eye
    that its line has named as the head of a list before it."""

    start: int
    text: str
    heading: str
    tokens: tuple[Token, ...]
    eye: Laterality = "unknown"


def sentences(narrative: str) -> Iterator[Sentence]:
    """Sentences of a narrative, split at line ends and full stops (not at decimals and abbreviations).

    >>> [s.text for s in sentences("Vision 6/9.5 today. No pain.")]
    ['Vision 6/9.5 today.', 'No pain.']
    >>> [s.eye for s in sentences("Right eye: pale retina. Normal disc.")]
    ['unknown', 'right']
    """
    heading = ""
    for line in re.finditer(r"[^\n]+", narrative):
        found = _HEADING.match(line.group())
        if found:
            heading = found.group(1).lower()
        elif not line.group().lstrip().startswith(("-", "*", "•")) and not line.group().startswith("  "):
            heading = ""
        leads = [(m.start(), _eye(m)) for m in _EYE_LEAD.finditer(line.group())]
        begin = found.end() if found else 0
        for stop in re.finditer(r"[.!?;](?=\s|$)", line.group()):
            before = stop.start()
            short = stop.group() == "." and stop.end() < len(line.group()) and _ABBREVIATION.search(line.group(), max(0, before - 9), before)
            if short and not line.group()[before - 1].isdigit():
                continue
            yield from _sentence(line, begin, stop.end(), heading, leads)
            begin = stop.end()
        yield from _sentence(line, begin, len(line.group()), heading, leads)


def _eye(lead: re.Match[str]) -> Laterality:
    named = (lead.group(1) or "").lower()
    return "right" if named == "right" or lead.group(2) else "left" if named == "left" or lead.group(3) else "both"


def _sentence(line: re.Match[str], begin: int, end: int, heading: str, leads: list[tuple[int, Laterality]]) -> Iterator[Sentence]:
    text = line.group()[begin:end]
    lead = len(text) - len(text.lstrip())
    if text.strip():
        eye: Laterality = next((named for start, named in reversed(leads) if start < begin), "unknown")
        yield Sentence(line.start() + begin + lead, text.strip(), heading, tokens(text.strip()), eye)
