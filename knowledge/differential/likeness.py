"""How alike a narrative and each condition's profile are as text: what the phrases of the lexicon do not catch.

A log-linear term beside the findings, used when a case is thought over: it needs the embedding model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.domain import Finding
from knowledge.library import Library
from knowledge.schema import Condition

PASSAGE = 250
"""Characters of narrative embedded at once: a sentence model reads some 250 word pieces, and best what is about one thing."""
NATS = 12.0
"""Nats per unit of cosine similarity, chosen with the scorer's parameters; see evals/README.md."""
FULL_TEXT = 250
"""Characters from which likeness counts in full, in proportion below: a line that says little is like many things by accident."""


def profile(library: Library, condition: Condition) -> str:
    """A condition as text, without its name: a narrative that needs a diagnosis does not hold it.

    Only what is there often: the model cuts long texts off.
    """
    often = [library.finding[f].name for level in ("hallmark", "common") for f in condition.findings.get(level, ())]
    return f"{condition.description} {', '.join(often)}"


def passages(narrative: str, findings: Sequence[Finding] = ()) -> list[str]:
    """The narrative in runs of whole sentences of up to about `PASSAGE` characters; a longer sentence stands alone.

    A sentence from which only measurements were read is left out: what a number means is decided, and words about pressure resemble
    high pressure whatever the number says.

    >>> passages("Red eye. Pain.")
    ['Red eye. Pain.']
    >>> passages("  ")
    []
    """
    found: list[str] = []
    start = 0
    for sentence in re.split(r"((?<=[.!?])\s+|\n+)", narrative):
        words = " ".join(sentence.split())
        end = start + len(sentence)
        sources = {f.source for f in findings if f.start is not None and start <= f.start < end}
        start = end
        if not words or sources == {"measurement"}:
            continue
        if found and len(found[-1]) + len(words) < PASSAGE:
            found[-1] = f"{found[-1]} {words}"
        else:
            found.append(words)
    return found


def likeness_nats(similarities: Sequence[Mapping[str, float]], length: int) -> dict[str, float]:
    """Nats per condition from the cosine similarity of each passage to each profile; `length` of the passages together in characters.

    Only differences between conditions mean anything: the nearest has 0. A profile that a passage's search left out is as far from it as
    the farthest that was found. Empty without passages.

    >>> nats = likeness_nats([{"a": 0.5, "b": 0.3}], length=1000)
    >>> nats["a"], round(nats["b"], 2)
    (0.0, -2.4)
    """
    concepts = sorted({concept for row in similarities for concept in row})
    if not concepts:
        return {}
    mean = {c: sum(row.get(c, min(row.values())) for row in similarities) / len(similarities) for c in concepts}
    nearest = max(mean.values())
    weight = NATS * min(1.0, length / FULL_TEXT)
    return {c: weight * (value - nearest) for c, value in mean.items()}
