"""The guideline statements: enough of them, current ones told from old ones, conflicts between bodies, nothing said twice."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta
from itertools import combinations

import pytest

from knowledge.library import Library
from knowledge.schema import Document, Statement

AREAS = {
    "diabetic eye disease": {"nonproliferative_diabetic_retinopathy", "proliferative_diabetic_retinopathy", "diabetic_macular_oedema"},
    "AMD": {"dry_amd", "neovascular_amd"},
    "glaucoma": {"primary_open_angle_glaucoma", "ocular_hypertension", "primary_angle_closure", "acute_angle_closure"},
    "retinal vascular": {"central_retinal_vein_occlusion", "branch_retinal_vein_occlusion", "central_retinal_artery_occlusion"},
    "uveitis": {"acute_anterior_uveitis", "jia_uveitis", "behcet_uveitis", "sarcoid_uveitis", "syphilitic_uveitis"},
    "neuro-ophthalmology": {"optic_neuritis", "giant_cell_arteritis", "papilloedema", "third_nerve_palsy"},
    "emergencies": {"endophthalmitis", "open_globe_injury", "chemical_injury", "rhegmatogenous_retinal_detachment", "orbital_cellulitis"},
    "paediatrics and ROP": {"retinopathy_of_prematurity", "amblyopia", "retinoblastoma", "congenital_cataract"},
    "cataract": {"age_related_cataract", "posterior_capsule_opacification"},
    "cornea and contact lens": {"bacterial_keratitis", "acanthamoeba_keratitis", "keratoconus", "herpes_simplex_keratitis"},
    "tumours": {"choroidal_melanoma", "choroidal_naevus", "choroidal_metastasis"},
    "drug toxicity": {"hydroxychloroquine_retinopathy", "ethambutol_optic_neuropathy"},
}
LEAST_IN_AREA = 8
SAME = 0.85
"""Two statements alike to this share of their words, in whatever order, say the same thing (ours)."""


def current(document: Document, today: date) -> bool:
    return not (document.withdrawn or document.superseded_by or (document.review_by and document.review_by < today))


@pytest.fixture(scope="module")
def today(library: Library) -> date:
    """The day the statements were last revised: a suite run later must not fail because a guideline has lapsed since."""
    return max(document.reviewed for document in library.documents)


@pytest.fixture(scope="module")
def live(library: Library, today: date) -> list[Statement]:
    return [s for s in library.statements if current(library.document[s.document], today)]


def test_there_are_enough_current_statements(live: list[Statement]) -> None:
    assert len(live) >= 300


@pytest.mark.parametrize("area", AREAS)
def test_every_area_is_covered(live: list[Statement], area: str) -> None:
    found = [s for s in live if AREAS[area] & set(s.concepts)]
    assert len(found) >= LEAST_IN_AREA
    assert len({s.document for s in found}) >= 2


@pytest.mark.parametrize(("kind", "least"), [("time_frame", 40), ("screening", 20), ("monitoring", 10)])
def test_time_frames_and_screening_are_covered(live: list[Statement], kind: str, least: int) -> None:
    assert sum(s.kind == kind for s in live) >= least


def test_conflicts_set_current_statements_of_different_documents_side_by_side(library: Library, live: list[Statement]) -> None:
    assert len(library.conflicts) >= 20
    ids = {s.id for s in live}
    for conflict in library.conflicts:
        assert set(conflict.statements) <= ids, conflict.id
        assert len({library.statement[s].document for s in conflict.statements}) >= 2, conflict.id
        concepts = [set(library.statement[s].concepts) for s in conflict.statements]
        shared = Counter(concept for named in concepts for concept in named)
        assert max(shared.values()) == len(concepts), f"{conflict.id}: its statements bear on no one condition"
    assert len({c.topic for c in library.conflicts}) == len(library.conflicts)


def test_statements_are_short(library: Library) -> None:
    for statement in library.statements:
        assert len(statement.text) <= 600
        assert len(re.findall(r"[.!?](?=\s+[A-Z]|$)", statement.text)) in (1, 2), statement.id
        assert statement.text.endswith("."), statement.id


def words(statement: Statement) -> set[str]:
    return set(re.findall(r"\w+", statement.text.lower()))


def likeness(one: set[str], other: set[str]) -> float:
    """Dice's share of words in common, 0 to 1.

    >>> likeness({"seen", "within", "week"}, {"seen", "within", "month"})
    0.6666666666666666
    """
    return 2 * len(one & other) / (len(one) + len(other))


def test_no_statement_is_made_twice(library: Library) -> None:
    by_concept: dict[str, list[Statement]] = {}
    for statement in library.statements:
        for concept in statement.concepts:
            by_concept.setdefault(concept, []).append(statement)
    bags = {s.id: words(s) for s in library.statements}
    pairs = {(a.id, b.id) for group in by_concept.values() for a, b in combinations(group, 2)}
    assert [pair for pair in sorted(pairs) if likeness(bags[pair[0]], bags[pair[1]]) >= SAME] == []


def test_likeness_knows_a_reworded_statement_from_another_one(library: Library) -> None:
    statement = library.statement["des_two_year"]
    again = statement.model_copy(update={"text": "England: " + statement.text})
    assert likeness(words(statement), words(again)) >= SAME
    assert likeness(words(statement), words(library.statement["ada_interval"])) < SAME


def test_every_document_can_be_found_and_dated(library: Library, today: date) -> None:
    for document in library.documents:
        assert document.url.startswith("https://")
        assert document.jurisdiction
        assert document.reviewed <= today
        assert document.year <= today.year, document.id
        assert document.withdrawn is None or document.withdrawn.year >= document.year, document.id
        assert document.review_by is None or document.review_by.year >= document.year, document.id


def test_old_guidance_is_kept_marked_and_answered_by_newer(library: Library, live: list[Statement], today: date) -> None:
    replaced = [d for d in library.documents if d.superseded_by]
    assert len(replaced) >= 10
    live_concepts = {concept for s in live for concept in s.concepts}
    for document in replaced:
        newer = library.document[document.superseded_by or ""]
        assert newer.year >= document.year, document.id
        assert current(newer, today), f"{document.id} is replaced by {newer.id}, which is out of date itself"
        old = [s for s in library.statements if s.document == document.id]
        assert old, document.id
        assert all(set(s.concepts) & live_concepts for s in old), document.id
    withdrawn = [d for d in library.documents if d.withdrawn]
    assert withdrawn
    assert all(d.superseded_by for d in withdrawn)


def test_a_lapsed_document_is_out_of_date_from_the_next_day(library: Library) -> None:
    document = next(d for d in library.documents if d.review_by and not d.superseded_by)
    assert document.review_by is not None
    assert current(document, document.review_by)
    assert not current(document, document.review_by + timedelta(days=1))


def test_strength_is_given_where_a_body_grades(library: Library) -> None:
    graded = [s for s in library.statements if s.strength]
    assert len(graded) >= 75
    assert len({s.document for s in graded}) >= 15
    assert all(len(s.strength) <= 120 for s in graded)
