"""Characters that only look different, and characters that mean something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.citations.words import disguised, forms, normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("within\u200b 1 day", "within 1 day"),
        ("haemor\u00adrhage", "haemorrhage"),
        ("haemor-\nrhage", "haemorrhage"),
        ("in\ufb02ammation", "inflammation"),
        ("anti\u2011VEGF", "anti-VEGF"),
        ("10\u201315 mmHg", "10 to 15 mmHg"),
        ("\uff11\uff10 mg", "10 mg"),
        ("5mg", "5 mg"),
        ("0,5 ml", "0.5 ml"),
        ("1,000 cells", "1000 cells"),
        ("1\u202f000 cells", "1000 cells"),
        ("1\u00bd tablets", "1.5 tablets"),
        ("\u22123.00 D", "-3 D"),
        ("Sjo\u0308gren, Beh\u00e7et", "Sjogren Behcet"),
        ("20 per cent", "20 %"),
        ("5 \u00b5g", "5 mcg"),
        ("IOP <= 21", "IOP \u2264 21"),
    ],
)
def test_these_are_the_same(one: str, other: str) -> None:
    assert forms(one) == forms(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10\u00b2 cells", "102 cells"),
        ("10\u2082 cells", "102 cells"),
        ("1\u00bd tablets", "11/2 tablets"),
        ("1\u2461 days", "12 days"),
        ("1\u200b0 days", "1 days"),
        ("1\u200b0 days", "1 0 days"),
        ("24 \u2265\u0338 IOP", "24 \u2265 IOP"),
        ("n\u0336o\u0336t patched", "not patched"),
        ("-3 D", "3 D"),
        ("2+ cells", "2 cells"),
        ("mm\u00b2", "mm"),
        ("1,5 mg", "15 mg"),
        ("1.000", "1000"),
        ("r\u0430nibizumab", "ranibizumab"),
        ("\u202e01\u202c days", "01 days"),
        ("6/12", "6 12"),
        ("5 \u00b5g", "5 mg"),
    ],
)
def test_these_are_not(one: str, other: str) -> None:
    assert forms(one) != forms(other)


@pytest.mark.parametrize(("word", "hides"), [("TGF\u03b2", False), ("\u03b2", False), ("Beh\u00e7et", False), ("\u043d\u0435\u0442", True), ("sс\u0430n", True)])
def test_a_word_of_two_scripts_is_disguised(word: str, hides: bool) -> None:
    assert disguised(word) is hides


def test_plain_text_keeps_its_look_so_that_keys_keep_their_value() -> None:
    assert normalise("Refer  within 1 working day.") == "refer within 1 working day."


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
