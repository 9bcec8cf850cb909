"""The written suite still fits the guidelines, and no forgery that was caught is let through again."""

from __future__ import annotations

import pytest
from rich.console import Console

from evals.citations import HALVES, SUITES, Case, Half, Shelf, Suite, by_rule, cases, composed

SHELF = Shelf()
QUIET = Console(quiet=True)


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("half", HALVES)
def test_every_case_finds_its_words_in_the_guidelines(name: Suite, half: Half) -> None:
    for case in cases(name, half):
        SHELF.trial(case)


def test_a_case_whose_words_are_gone_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in the statement"):
        SHELF.trial(Case(kind="changed_number", of="ng81_refer", old="words that no guideline has", new="x"))


def test_each_half_is_large_enough_to_say_something() -> None:
    assert {name: sum(len(cases(name, half)) for half in HALVES) >= 70 for name in SUITES} == {"attacks": True, "honest": True}


def test_written_forgeries_are_caught_and_honest_citations_kept() -> None:
    shares = {}
    for name in SUITES:
        good = [
            (SHELF.judged(SHELF.trial(case)).verdict == "supported") == (name == "honest") for half in HALVES for case in cases(name, half)
        ]
        shares[name] = sum(good) / len(good)
    assert shares["attacks"] >= 0.97
    assert shares["honest"] >= 0.92


def test_forgeries_by_rule_never_pass_as_quotes_and_seldom_as_claims() -> None:
    as_quotes, as_claims = by_rule(SHELF, QUIET)["all"]
    assert all(as_quotes)
    assert sum(as_claims) / len(as_claims) >= 0.99


def test_every_claim_that_reports_make_today_is_kept() -> None:
    assert all(composed(SHELF, QUIET))
