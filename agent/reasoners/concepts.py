"""From a model's words to concepts of the disease atlas, and from weighed concepts to a differential."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from agent.domain import Differential, DifferentialEntry
from agent.reasoners.parsing import LONGEST_NAME, shortened

NEGATION = re.compile(r"\b(?:no|not|without|absence of|rather than|negative for)\b", re.IGNORECASE)
RULED_OUT = re.compile(r"\b(?:ruled out|excluded|unlikely)\b", re.IGNORECASE)


class Concept(NamedTuple):
    """A disease: its id in the atlas (or `unlisted_…`), its name, its ICD-10-CM code where known."""

    concept_id: str
    name: str
    icd10: str | None


class ConceptResolver(Protocol):
    """Finds the disease that words name. The atlas implements it."""

    def named(self, text: str) -> tuple[str, str, str | None] | None:
        """The same for words that are a disease's name or code and nothing else."""
        ...

    def resolve(self, text: str) -> tuple[str, str, str | None] | None:
        """(concept id, name, ICD-10 code or None), or None when the words name no disease it knows."""
        ...


def concept_of(text: str, resolver: ConceptResolver) -> Concept:
    """The concept an answer names; words the resolver does not know become `unlisted_` + slug, with themselves as the name.

    >>> class Nothing:
    ...     def named(self, text: str) -> None: ...
    ...     resolve = named
    >>> concept_of("Batten's disease (CLN3)", Nothing())
    Concept(concept_id='unlisted_batten_s_disease_cln3', name="Batten's disease (CLN3)", icd10=None)
    """
    found = resolver.named(text)  # first, because a name may hold what reads as a negation: "retinopathy without oedema"
    for words in _readings(text):
        found = found or resolver.resolve(words)
    if found is not None:
        return Concept(*found)
    slug = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:60].strip("_")
    # Words without a Latin letter still need an id of their own.
    slug = slug or hashlib.sha256(text.encode()).hexdigest()[:12]
    return Concept(f"unlisted_{slug}", shortened(text), None)


def differential(weighed: Iterable[tuple[Concept, float]]) -> Differential:
    """A differential, likeliest first; the same concept adds up, and a sum above 1 (rounding) is scaled back.

    >>> amd = Concept("amd", "AMD", None)
    >>> [(e.concept_id, e.probability) for e in differential([(amd, 0.25), (Concept("csc", "CSC", None), 0.4), (amd, 0.25)])]
    [('amd', 0.5), ('csc', 0.4)]
    """
    concepts: dict[str, Concept] = {}
    mass: dict[str, float] = {}
    for concept, probability in weighed:
        concepts.setdefault(concept.concept_id, concept)
        mass[concept.concept_id] = mass.get(concept.concept_id, 0.0) + probability
    scale = max(1.0, math.fsum(mass.values()))
    entries = (
        DifferentialEntry(concept_id=key, name=concepts[key].name, icd10=concepts[key].icd10, probability=value / scale)
        for key, value in mass.items()
    )
    return tuple(sorted(entries, key=lambda entry: (-entry.probability, entry.concept_id)))


def _readings(text: str) -> Iterator[str]:
    """The words themselves, then without a bracket, its inside, and without what follows a comma or semicolon.

    Prose is not read, nor what follows a negation: both may name a disease only to rule it out.

    >>> list(_readings("Macular oedema (DME), left")), list(_readings("no glaucoma"))
    (['Macular oedema (DME), left', 'Macular oedema , left', 'DME', 'Macular oedema (DME)'], [])
    """
    negated = NEGATION.search(text)
    text = text[: negated.start()].strip() if negated else text
    if not text or len(text) > LONGEST_NAME or RULED_OUT.search(text):
        return
    yield text
    if bracket := re.search(r"\(([^()]+)\)", text):
        yield " ".join((text[: bracket.start()] + text[bracket.end() :]).split())
        yield bracket[1].strip()
    head = re.split(r"[,;]", text, maxsplit=1)[0].strip()
    if head and head != text:
        yield head
