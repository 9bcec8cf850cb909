"""The second gate: whether a quote bears on its claim.

A claim may say less than its quote; it may not say more or something else. Whatever findings, conditions, drugs, numbers with their
units and comparators, directions and denials it holds must be those of the quote, and most of its other telling words must stand there.
The sentence around the quote counts where it limits it: a quotation that stops before "unless" has not lost the "unless". Conditions that
the passage is filed under are its topic; a claim may name them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from agent.citations import vocabulary as v
from agent.citations.comparisons import altered, contrasted, exchanged, reversed_order
from agent.citations.differences import root
from agent.citations.limits import dropped, stronger
from agent.citations.meanings import Meanings
from agent.citations.numbers import miscounted
from agent.citations.opposition import denied, opposite
from agent.citations.polarity import negative
from agent.citations.quantities import amounts
from agent.citations.quoting import Place
from agent.citations.statements import Text
from agent.citations.words import Word, disguised, words

MAX_CLAIM = 4000
"""Characters; a longer claim is no sentence and is not looked at."""
SHARED = 0.6
"""Share of a claim's telling words that must stand in the quote's sentence, chosen on the development half: a smaller one lets a forgery
through, a larger one loses honest paraphrases (evals/citation_thresholds.py)."""
QUOTED = 0.3
"""Share that must stand in the quote itself: a quote from the right sentence that does not touch the claim proves nothing."""
REMEMBERED = 2048
"""Quotes in their passages that are kept as they were read."""
_UNSHARED = v.EMPTY | v.LINKS | v.ARTICLES_AND_COPULAS | set(v.UNITS) | set(v.NUMBER_WORDS)
_ENGLISH = frozenset("the of is are and with for should to by not be in a an or on at from that".split())
_ENGLISH_SHARE, _KNOWN_SHARE, _ENOUGH = 0.1, 0.7, 6


@dataclass(frozen=True, slots=True)
class Passage:
    """What the second gate needs of a passage: its text, the conditions it is filed under, and the words of its source."""

    text: str
    concepts: tuple[str, ...] = ()
    source: str = ""


def bears(claim: str, passage: Passage, place: Place, meanings: Meanings | None = None) -> str:
    """Why the quote at a place of the passage does not bear on the claim; empty when it does."""
    if len(claim) > MAX_CLAIM:
        return f"the claim is longer than {MAX_CLAIM} characters"
    mine, told = words(claim), _told(passage, place.first, place.last, meanings)
    hidden = next((w.raw for w in (*mine, *told.sentence.words) if disguised(w.raw)), None)
    if hidden is not None:
        return f"{hidden!r} hides letters of another script, struck-out letters or turned writing"
    if not mine:
        return "the claim says nothing"
    repeated = [w.form for w in mine] == [w.form for w in told.sentence.words]
    if not repeated and not _english(mine, meanings):
        return "the claim is not in English and is not the whole sentence of its quote"  # other languages' negations are not known here
    said = Text.of(mine, [_stem(w, meanings) for w in mine], told.sentence.words)
    named = meanings.subjects(claim) if meanings is not None else {}
    drugs = _drug_stems(mine, meanings)
    checked = {stem for name, stems in named.items() if name in told.allowed for stem in stems} | drugs
    return (
        miscounted(said, told.quote, told.topic)
        or _drugs(claim, told, meanings)
        or _subjects(named, told)
        or altered(said, told.sentence, told.topic, drugs | told.drug_stems)
        or opposite(said, told.sentence, told.topic)
        or reversed_order(said, told.sentence, told.topic)
        or exchanged(said, told.sentence)
        or ("" if repeated else contrasted(said, told.sentence, told.topic))
        or denied(said, told.sentence, told.topic)
        or dropped(said, told.sentence, told.topic)
        or stronger(said, told.sentence)
        or _coverage(said, told, told.topic | told.source | checked)
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """A quote in its passage, read once: itself, the sentences around it, and what the passage is about."""

    quote: Text
    sentence: Text
    topic: frozenset[str]
    source: frozenset[str]
    allowed: frozenset[str]
    drugs: frozenset[str]
    drug_stems: frozenset[str]


@lru_cache(maxsize=REMEMBERED)
def _told(passage: Passage, first: int, last: int, meanings: Meanings | None) -> _Told:
    told = words(passage.text)
    around, quote = context(told, Place(first, last, 1.0)), told[first:last]
    allowed = frozenset[str]()
    drugs = frozenset[str]()
    if meanings is not None:
        allowed = meanings.wider((*meanings.subjects(passage.text), *passage.concepts))
        topics = " ".join(passage.concepts).replace("_", " ")
        drugs = meanings.drug_classes(meanings.drugs(" ".join(w.raw for w in quote)) | meanings.drugs(topics))
    return _Told(
        quote=Text.of(quote, [_stem(w, meanings) for w in quote]),
        sentence=Text.of(around, [_stem(w, meanings) for w in around]),
        topic=_names(passage.concepts, meanings),
        source=frozenset(_stem(w, meanings) for w in words(passage.source)),
        allowed=allowed,
        drugs=drugs,
        drug_stems=frozenset(_drug_stems(around, meanings)),
    )


def context(told: Sequence[Word], place: Place) -> tuple[Word, ...]:
    """The whole sentences that a quote stands in."""
    first, last = told[place.first].sentence, told[place.last - 1].sentence
    return tuple(w for w in told if first <= w.sentence <= last)


def _drugs(claim: str, told: _Told, meanings: Meanings | None) -> str:
    foreign = meanings.drugs(claim) - told.drugs if meanings is not None else None
    return f"the claim names {', '.join(sorted(foreign)).replace('_', ' ')}, the quote does not" if foreign else ""


def _subjects(named: Mapping[str, frozenset[str]], told: _Told) -> str:
    there = told.topic | set(told.sentence.stems)
    foreign = next((name for name, stems in named.items() if name not in told.allowed and not stems <= there), None)
    return f"the claim speaks of {foreign.replace('_', ' ')}, the quote does not" if foreign is not None else ""


def _coverage(claim: Text, told: _Told, granted: Set[str]) -> str:
    """`granted` are stems that need not stand there: the topic, the source, and findings and drugs that were found to be the quote's."""
    telling = {
        stem
        for word, stem in zip(claim.words, claim.stems, strict=True)
        if word.form not in _UNSHARED and word.form[0].isalpha() and not negative(word.form)
    }
    asked = telling - granted
    if not asked:
        return ""
    there, quote = set(told.sentence.stems), set(told.quote.stems)
    there |= {one.form + other.form for one, other in pairwise(told.sentence.words)}  # written together at the end of a line
    missing = [w.raw for w, s in zip(claim.words, claim.stems, strict=True) if s in asked and s not in there]
    if len(asked & there) < SHARED * len(asked):
        return f"the claim speaks of {', '.join(repr(m) for m in missing[:3])}, the quote does not"
    counted = bool(amounts(claim.words))  # its numbers stand in the quote, or they would have been objected to
    if not counted and len(telling & quote) < QUOTED * len(telling - granted):
        return "the quote does not touch what the claim says"
    return ""


def _drug_stems(claim: Sequence[Word], meanings: Meanings | None) -> set[str]:
    return {meanings.stem(w.form) for w in claim if meanings.drugs(w.form)} if meanings is not None else set()


def _names(concepts: Sequence[str], meanings: Meanings | None) -> frozenset[str]:
    return meanings.names(concepts) if meanings is not None else frozenset(root(p) for c in concepts for p in c.split("_"))


def _stem(word: Word, meanings: Meanings | None) -> str:
    return meanings.stem(word.form) if meanings is not None else root(word.form)


def _english(claim: Sequence[Word], meanings: Meanings | None) -> bool:
    """Whether a claim is in the language whose negations are known: in the words of the knowledge, or by its articles and prepositions."""
    if len(claim) < _ENOUGH or sum(w.form in _ENGLISH for w in claim) >= _ENGLISH_SHARE * len(claim):
        return True
    return meanings is not None and sum(meanings.known(w.form) for w in claim) >= _KNOWN_SHARE * len(claim)
