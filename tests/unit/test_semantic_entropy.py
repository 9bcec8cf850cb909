"""Sampled answers are one cluster when they mean one concept, whatever they call it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.reasoners.concepts import concept_of
from agent.semantic_entropy import agreement_bounds, clusters
from knowledge.library import Library
from knowledge.schema import Condition
from knowledge.terminology import Terminology


@pytest.fixture(scope="module")
def terminology(library: Library) -> Terminology:
    return Terminology(library)


def _names(library: Library) -> dict[str, list[str]]:
    """Condition -> its names, synonyms and codes that no other condition has."""
    owners: dict[str, set[str]] = {}
    for c in library.conditions:
        for name in (c.name, *c.synonyms, *_codes(c)):
            owners.setdefault(" ".join(name.casefold().split()), set()).add(c.id)
    return {
        c.id: [n for n in (c.name, *c.synonyms, *_codes(c)) if owners[" ".join(n.casefold().split())] == {c.id}]
        for c in library.conditions
    }


def _codes(condition: Condition) -> list[str]:
    return [condition.icd10, *([condition.snomed.code] if condition.snomed else [])]


def test_every_name_and_code_of_its_own_means_its_condition(library: Library, terminology: Terminology) -> None:
    wrong = [(name, condition) for condition, names in _names(library).items() for name in names if _id(name, terminology) != condition]
    assert wrong == []


def test_a_code_that_two_conditions_share_means_neither(library: Library, terminology: Terminology) -> None:
    codes = [c.icd10 for c in library.conditions]
    shared = next(code for code in codes if codes.count(code) > 1)
    assert terminology.resolve(shared) is None
    alone = next(c for c in library.conditions if codes.count(c.icd10) == 1)
    assert terminology.resolve(f"ICD-10-CM: {alone.icd10.lower()}") == (alone.id, alone.name, alone.icd10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(places=st.lists(st.floats(0, 0.999), min_size=1, max_size=8), chance=st.randoms(use_true_random=False))
def test_clusters_are_invariant_under_synonyms_and_order(
    places: list[float], chance: random.Random, library: Library, terminology: Terminology
) -> None:
    own = [names for _, names in sorted(_names(library).items()) if names]
    chosen = [own[int(place * len(own))] for place in places]
    other = [chance.choice(names) for names in chosen]
    chance.shuffle(other)
    assert clusters([names[0] for names in chosen], lambda a: _id(a, terminology)) == clusters(other, lambda a: _id(a, terminology))


def test_useless_answers_agree_with_nobody_and_unlisted_words_with_themselves(terminology: Terminology) -> None:
    found = clusters(["Zorblax syndrome", "zorblax  syndrome", "", ""], lambda a: _id(a, terminology) if a else None)
    assert sorted(found.values()) == [1, 1, 2]


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 9), min_size=1, max_size=6))
def test_more_of_the_leading_answer_lowers_the_entropy(counts: dict[str, int]) -> None:
    first = max(counts, key=lambda key: counts[key])
    more = {**counts, first: counts[first] + 5}
    assert agreement_bounds(more).lower <= agreement_bounds(counts).lower + 1e-9


def test_agreement_of_samples() -> None:
    assert agreement_bounds({"a": 5, "b": 5}).lower == pytest.approx(math.log(2))
    assert agreement_bounds({"a": 10}).decision < agreement_bounds({"a": 3}).decision < agreement_bounds({"a": 1}).decision
    with pytest.raises(ValueError, match="at least one"):
        agreement_bounds({})


def _id(answer: str, terminology: Terminology) -> str:
    return concept_of(answer, terminology).concept_id
