"""The second gate on plain sentences, without and with the atlas."""

from __future__ import annotations

import pytest

from agent.citations.bearing import Passage, bears
from agent.citations.polarity import polarities
from agent.citations.quantities import amounts, comparable
from agent.citations.quoting import exact
from agent.citations.words import forms, words
from knowledge.claims import LibraryMeanings
from knowledge.library import read

MEANINGS = LibraryMeanings(read())


def judged(claim: str, quote: str, text: str = "", concepts: tuple[str, ...] = ()) -> str:
    place = exact(forms(quote), forms(text or quote))
    assert place is not None
    return bears(claim, Passage(text or quote, concepts), place, MEANINGS)


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("Refer within 2 weeks.", "Refer within 14 days."),
        ("Avoid steroid drops.", "Steroid drops are avoided."),
        ("Steroids are avoided.", "Prednisolone drops are avoided."),
        ("Uveitis is treated with adalimumab.", "Uveitis is treated with adalimumab or methotrexate."),
        ("There is no pain.", "There are no flashes, floaters or pain."),
        ("Screening finds a raised pressure of 24 mmHg or more.", "Screening finds an elevated pressure of at least 24 mmHg."),
        ("Eylea is given every 4 weeks.", "Aflibercept is given every four weeks."),
    ],
)
def test_a_claim_may_say_the_same_or_less(claim: str, quote: str) -> None:
    assert judged(claim, quote) == ""


@pytest.mark.parametrize(
    ("claim", "quote", "why"),
    [
        ("Refer within 2 days.", "Refer within 14 days.", "'2 days'"),
        ("Refer within 14 working days.", "Refer within 14 days.", "14"),
        ("Treat a pressure under 24 mmHg.", "Treat a pressure over 24 mmHg.", "comparator"),
        ("Steroid drops are given.", "Steroid drops are avoided.", "'given'"),
        ("Steroid drops are never given.", "Steroid drops are given.", "'never'"),
        ("Prednisolone drops are given.", "Steroid drops are given.", "prednisolone"),
        ("Ranibizumab is given every month.", "Aflibercept is given every month.", "ranibizumab"),
        ("The drops raise the pressure.", "The drops lower the pressure.", "'raise'"),
        ("The left eye is treated first.", "The right eye is treated first.", "'left'"),
        ("The untreated fellow eye is seen.", "The treated fellow eye is seen.", "untreated"),
        ("Scleritis is seen within 24 hours.", "Keratitis is seen within 24 hours.", "scleritis"),
        ("Surgery must be offered.", "Surgery may be offered.", "'must'"),
        ("All children are screened.", "Children are screened at school.", "'All'"),
        ("Natamycin is better than voriconazole.", "Voriconazole is better than natamycin.", "than"),
        ("See mild disease within 24 hours.", "See severe disease within 24 hours and mild disease within 4 weeks.", "mild"),
        ("Drops were started for the corneal ulcer.", "Drops are avoided in any eye with an ulcer of the cornea.", "opposite"),
        ("", "Surgery may be offered.", "says nothing"),
        ("Surgery may be \u043effered.", "Surgery may be offered.", "another script"),
        ("Steroide nicht geben bei Pilzkeratitis des Auges", "Steroide bei Pilzkeratitis des Auges geben", "English"),
    ],
)
def test_a_claim_may_not_say_more_or_other(claim: str, quote: str, why: str) -> None:
    assert why in judged(claim, quote)


@pytest.mark.parametrize(
    ("claim", "quote", "text", "why"),
    [
        ("Patch the eye.", "patch the eye", "Do not patch the eye.", "'not'"),
        ("Remove the foreign body.", "Remove the foreign body", "Remove the foreign body unless it is deep.", "unless"),
        ("Operate on the cataract.", "Operate on the cataract", "Operate on the cataract if vision falls.", "if"),
        ("Antibiotics alone are given.", "Antibiotics are given", "Antibiotics are given only with antivirals.", "only"),
    ],
)
def test_a_quote_cut_short_keeps_what_limits_it(claim: str, quote: str, text: str, why: str) -> None:
    assert why in judged(claim, quote, text)


def test_the_topic_of_a_passage_may_be_named() -> None:
    assert judged("Time frame for scleritis: see the patient within 24 hours.", "See the patient within 24 hours.", concepts=("scleritis",)) == ""
    assert judged("Time frame for scleritis: see the patient within 24 hours.", "See the patient within 24 hours.") != ""


def test_numbers_have_dimension_and_comparator() -> None:
    found = amounts(words("at least 3 mm, 6 to 12 months, every two years, less than 1 working day"))
    assert [(a.value, a.dimension, a.comparator) for a in found] == [
        ("3000", "length", "ge"),
        ("6 to 12", "long time", ""),
        ("24", "long time", "every"),
        ("24", "time (working)", "lt"),
    ]
    assert not comparable("le", "")
    assert comparable("", "about")


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("Do not patch the eye", {"not", "patch", "eye"}),
        ("Drops are avoided at the start", {"drops", "avoided"}),
        ("It should not be avoided", set()),
        ("Refer without delay", set()),
        ("an absent red reflex", {"absent", "red", "reflex"}),
        ("no flashes, floaters or pain", {"no", "flashes", "floaters", "or", "pain"}),
    ],
)
def test_a_negation_reaches_what_it_denies(text: str, denied: set[str]) -> None:
    found = {w.form for w, mark in zip(words(text), polarities(words(text)), strict=True) if mark == "denied"}
    assert found - {"the", "are"} == denied
