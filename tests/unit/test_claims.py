"""Claims: cited in the order of their weight, and where bodies differ both are shown and say so."""

from __future__ import annotations

from agent.composition import MAX_CITED_CLAIMS, claims
from agent.domain import DifferentialEntry
from tests.doubles import statement

GCA = DifferentialEntry(concept_id="giant_cell_arteritis", name="Giant cell arteritis", probability=0.8)
FIRST = statement("giant_cell_arteritis", "Treat suspected giant cell arteritis on the same working day.", "time_frame")
OTHER = statement("giant_cell_arteritis", "Treat suspected giant cell arteritis within three days of referral.", "time_frame")
PLAIN = statement("giant_cell_arteritis", "Ultrasound of the temporal artery supports giant cell arteritis.", "diagnosis")
BRITISH = FIRST.model_copy(update={"disputes": (OTHER.key,), "source": FIRST.source.model_copy(update={"jurisdiction": "United Kingdom"})})
AMERICAN = OTHER.model_copy(update={"disputes": (FIRST.key,), "source": FIRST.source.model_copy(update={"jurisdiction": "United States"})})


def test_bodies_that_differ_stand_side_by_side_and_say_so() -> None:
    made = claims((GCA,), (), (BRITISH, PLAIN, AMERICAN))
    assert [c.citations[0].key for c in made[1:]] == [BRITISH.key, AMERICAN.key, PLAIN.key]
    assert made[1].heading == "Time frame for Giant cell arteritis, on which bodies differ (United Kingdom)"
    assert made[1].text == BRITISH.text
    assert "on which bodies differ (United States)" in made[2].heading
    assert "differ" not in made[3].heading


def test_a_statement_whose_opponent_is_not_shown_is_not_called_disputed() -> None:
    made = claims((GCA,), (), (BRITISH, PLAIN))
    assert not any("differ" in c.heading for c in made)


def test_the_number_of_claims_is_bounded_but_no_dispute_is_cut_in_two() -> None:
    others = [statement("giant_cell_arteritis", f"Statement number {n} on giant cell arteritis.") for n in range(9)]
    assert len(claims((GCA,), (), others)) == 1 + MAX_CITED_CLAIMS
    made = claims((GCA,), (), (*others[: MAX_CITED_CLAIMS - 1], BRITISH, AMERICAN, *others[MAX_CITED_CLAIMS:]))
    assert [c.citations[0].key for c in made[-2:]] == [BRITISH.key, AMERICAN.key]
