"""What a question about a case wants to know. Pure; a question that fits nothing is one for the guidelines."""

from __future__ import annotations

import re
from typing import Literal

from agent.domain import Differential
from agent.values import Value
from knowledge.library import NAMES_PREFIX, Library
from knowledge.reading.narrative import NarrativeReader
from knowledge.reading.text import content, tokens

Intent = Literal["versus", "urgency", "doubt", "images", "diagnosis", "guidelines"]
COMPARED = 2
"""Conditions compared at once."""
_NOT_OF_A_NAME = frozenset(
    content("why not instead of rather than what about could it be is this that a an the have has case here ruled rule out exclude excluded "
            "think thought consider considered speaks against for patient diagnosis likely unlikely eye right left")
)  # fmt: skip
_VERSUS = re.compile(
    r"\bwhy\b|\binstead|rather than|rul(?:e|ed) out|exclud|could (?:it|this|that) be|might (?:it|this) be|what about|\bversus\b|\bvs\b|"
    r"speaks? (?:for|against)|against|how (?:likely|sure)|differ|tell .* (?:from|apart)|considered|is (?:it|this) (?:a|an|not)?\b",
    re.IGNORECASE,
)
_URGENCY = re.compile(
    r"urgen|emergenc|how (?:soon|fast|quick(?:ly)?|long)|red.?flag|triage|time.?frame|same.day|by when|when (?:must|should)|"
    r"can (?:it|this|she|he|we) wait",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:un)?sure\b|\b(?:un)?certain|confiden|doubt|reliab|trust|entropy|abstain|why (?:no|not? a) diagnosis|"
    r"why (?:is it |was it )?(?:referred|human)",
    re.IGNORECASE,
)
_IMAGES = re.compile(
    r"lesion|\bimages?\b|photo|picture|\bfundus\b|where (?:is|are|exactly)|quadrant|fovea|exudates? |overlay|gradab|"
    r"what (?:do|does|can) you see",
    re.IGNORECASE,
)
_DIAGNOSIS = re.compile(r"(?:what|which)(?:'s| is| are)? .{0,25}\bdiagnos|what (?:is it|is wrong|does (?:she|he) have)", re.IGNORECASE)
_TREATING = re.compile(r"treat|manag|therap|dose|follow|monitor|screen|next|prognos|guideline|recommend|criteria|test", re.IGNORECASE)


class Asked(Value):
    """`conditions` are those it names, the likeliest first."""

    intent: Intent
    conditions: tuple[str, ...] = ()


def understood(question: str, differential: Differential, library: Library, reader: NarrativeReader) -> Asked:
    """What a question wants. A condition named together with a word of treatment is one for the guidelines."""
    named = conditions(question, differential, library, reader)
    if named and _VERSUS.search(question) and not _TREATING.search(question):
        return Asked(intent="versus", conditions=named)
    for intent, cue in (("urgency", _URGENCY), ("doubt", _DOUBT), ("images", _IMAGES), ("diagnosis", _DIAGNOSIS)):
        if cue.search(question) and not (intent != "urgency" and _TREATING.search(question)):
            return Asked(intent=intent, conditions=named)
    return Asked(intent="guidelines", conditions=named)


def conditions(question: str, differential: Differential, library: Library, reader: NarrativeReader) -> tuple[str, ...]:
    """Conditions that a question names: by a full name or synonym, otherwise those whose name holds all its telling words ("a vein
    occlusion"), the more probable first, at most `COMPARED`."""
    rank = {entry.concept_id: place for place, entry in enumerate(differential)}
    hits = [h for h in reader.phrases.find(tokens(question)) if h.name.startswith(NAMES_PREFIX)]
    longest = [h for h in hits if not any(o.first <= h.first and h.last <= o.last and o.size > h.size for o in hits)]
    whole = {h.name.removeprefix(NAMES_PREFIX) for h in longest}
    if not whole:
        words = set(content(question)) - _NOT_OF_A_NAME
        whole = {c.id for c in library.conditions if words and any(words <= set(content(name)) for name in (c.name, *c.synonyms))}
    return tuple(sorted(whole, key=lambda c: (rank.get(c, len(rank)), c))[:COMPARED])
