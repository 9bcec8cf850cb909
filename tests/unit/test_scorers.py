"""The comparison of scorers: data that is well formed, halves that are apart, measures that measure."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from agent.deps import Deps
from agent.domain import CaseRequest
from agent.walk import consult
from evals import generated, scorers, vignette_sets
from evals.fitting import Read, fit, loss, relatives
from evals.measures import judge, scorecard
from evals.rivals import all_of
from evals.vignette_sets import Narrative
from evals.walks import NO_LIMIT, Walked, outcomes
from knowledge import library as library_files
from knowledge.differential import OTHER, Parameters
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader


@pytest.fixture(scope="module")
def library() -> Library:
    return library_files.read()


@pytest.fixture(scope="module")
def rows() -> list[vignette_sets.Written]:
    return vignette_sets.written()


@pytest.fixture(scope="module")
def sample(library: Library) -> list[Read]:
    reader = NarrativeReader(library)
    return [Read(n, reader.read(n.text)) for n in vignette_sets.half(library, "development")[::6]]


def test_vignettes_are_unique_and_of_the_promised_length(rows: list[vignette_sets.Written]) -> None:
    assert len(rows) >= 180
    assert sum(r.reference == OTHER for r in rows) >= 20
    assert len({r.id for r in rows}) == len({r.text for r in rows}) == len(rows)
    assert all(60 <= len(r.text) <= 700 for r in rows)


def test_no_vignette_names_its_diagnosis(library: Library, rows: list[vignette_sets.Written]) -> None:
    for row in rows:
        known = library.condition.get(row.reference)
        for name in (known.name, *known.synonyms) if known else ():
            assert len(name) < 5 or name.lower() not in row.text.lower(), f"{row.id} says {name!r}"


def test_halves_are_apart_and_balanced_by_system(rows: list[vignette_sets.Written]) -> None:
    halves = vignette_sets.split(rows)
    assert not halves["development"] & halves["test"]
    assert halves["development"] | halves["test"] == {r.id for r in rows}
    systems = {name: Counter(r.system for r in rows if r.id in ids) for name, ids in halves.items()}
    assert all(abs(systems["development"][s] - systems["test"][s]) <= 1 for s in {r.system for r in rows})


def test_a_reference_the_atlas_lacks_is_other(library: Library) -> None:
    row = vignette_sets.Written(id="a", system="x", reference="no_such_disease", accept=("cmv_retinitis",), difficulty="hard", text="Blur.")
    beside = row.model_copy(update={"id": "b", "reference": "cmv_retinitis", "accept": ("no_such_disease",)})
    found = {n.id: n for half in ("development", "test") for n in vignette_sets.half(library, half, [row, beside])}  # type: ignore[arg-type]
    assert found["a"].reference == OTHER
    assert found["a"].accepted == {OTHER, "cmv_retinitis"}
    assert found["b"].accepted == {"cmv_retinitis"}


def test_published_narratives_never_hold_what_names_the_answer(library: Library) -> None:
    if not vignette_sets.PUBLISHED.exists():
        pytest.skip(f"{vignette_sets.PUBLISHED} is absent")
    found = [*vignette_sets.case_reports(library), *vignette_sets.exam_questions(library)]
    assert len(found) == 31
    assert all(n.reference in library.condition or n.reference == OTHER for n in found)
    assert not [n.id for n in found if "Correct_Diagnosis" in n.text or "Correct Diagnosis" in n.text]


def test_generated_cases_come_again_with_their_seed_and_differ_between_seeds(library: Library) -> None:
    first, again, other = (list(generated.cases(library, 20, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len({c.condition_id for c in first}) > 10


def test_every_rival_gives_a_distribution(library: Library, sample: list[Read]) -> None:
    for name, score in all_of(library, None).items():
        for row in sample[:5]:
            p = score(row.narrative, row.reading, frozenset())
            assert set(p) == {*library.condition, OTHER}, name
            assert sum(p.values()) == pytest.approx(1)


def test_the_shipped_scorer_beats_counting_keywords(library: Library, sample: list[Read]) -> None:
    result = scorers.measure(library, {"sample": sample}, all_of(library, None))["sample"]
    assert isinstance(result, dict)
    assert result["shipped, first pass"]["nll"] < result["counting keywords"]["nll"]
    assert result["shipped, first pass"]["top3"] >= result["counting keywords"]["top3"]
    assert sum(n for _, _, n, _, _ in result["shipped, first pass"]["reliability"]) == result["shipped, first pass"]["cases"]


def test_other_rises_when_the_condition_is_taken_out(library: Library, sample: list[Read]) -> None:
    score = all_of(library, None)["shipped, first pass"]
    far = scorers.outside(library, sample, score)
    assert far.auroc_taken_out > 0.6
    assert far.mean_taken_out > far.mean_inside


def test_relatives_go_with_a_condition_that_is_taken_out(library: Library) -> None:
    child = next(c for c in library.conditions if c.parent)
    taken = relatives(library, Narrative("x", "", child.id, frozenset({child.id})))
    assert {child.id, child.parent} <= taken


def test_fitting_never_makes_it_worse(library: Library, sample: list[Read]) -> None:
    start = Parameters(temper=0.5)
    few = sample[:8]
    costs = [loss(library, start, [few]), *(cost for _, cost in fit(library, [few], start))]
    assert all(later <= earlier for earlier, later in pairwise(costs))
    assert costs[-1] < costs[0]


def test_measures_rank_conditions_and_count_other_in_confidence() -> None:
    p = {"a": 0.3, "b": 0.2, OTHER: 0.5}
    held = judge(p, "a", {"a"}, OTHER)
    assert (held.rank, held.hit, held.confidence) == (0, False, 0.5)
    assert judge(p, OTHER, {OTHER}, OTHER).rank == 0
    assert judge(p, "gone", {"gone"}, OTHER).reference_probability == 0
    assert scorecard([held]).top1 == 1
    with pytest.raises(ValueError, match="at least one"):
        scorecard([])


async def test_an_abstention_limit_lets_through_what_is_sure_enough(deps: Deps) -> None:
    text = (
        "A 60-year-old myopic man sees flashes and floaters and a curtain over the left eye since yesterday. Tobacco dust in the "
        "vitreous and an elevated corrugated retina with a horseshoe tear."
    )
    reference = "rhegmatogenous_retinal_detachment"
    held = Narrative("a", text, reference, frozenset({reference}))
    stranger = Narrative("b", text, OTHER, frozenset({OTHER}))
    report = await consult(CaseRequest(narrative=text), deps)
    walked = [Walked(held, report), Walked(stranger, report)]
    free, strict = outcomes(walked, NO_LIMIT, 0.0), outcomes(walked, 0.0, 0.0)
    assert (free.diagnosed, free.right, free.strangers) == (1.0, 1.0, 1)
    assert (strict.diagnosed, strict.right, strict.strangers) == (0.0, 0.0, 0)
