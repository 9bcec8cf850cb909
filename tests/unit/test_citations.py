"""The first gate, verdicts and keys. Characters, polarity and the second gate have files of their own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.citations import checked, content_key, holds, verified
from agent.citations.quoting import MIN_CHARACTERS, MIN_WORDS, NEAR, near
from agent.citations.words import words
from agent.evidence import Citation, Claim
from tests.doubles import ShelfRetriever, statement

FIRST = statement("x", "Refer suspected late wet AMD within 1 working day.")
SECOND = statement("y", "Treat retinal artery occlusion as a stroke.")
THIRD = statement("z", "Steroid drops are avoided until the organism is known; an antibiotic is started at once, unless the ulcer is 2 mm or less.")
SHELF = ShelfRetriever(FIRST, SECOND, THIRD)
SHOWN = {e.key: e for e in (FIRST, SECOND, THIRD)}


def verdict(quote: str, key: str = FIRST.key) -> Citation:
    return checked(Citation(key=key, quote=quote), SHELF.passage, SHOWN)


@pytest.mark.parametrize(
    "quote",
    [
        "within 1 working day",
        "Refer suspected late wet AMD within 1 working day.",
        "REFER  suspected\nlate wet",
        "late\u00a0wet AMD within",
        "suspected late wet AMD, within 1 working day",
        "... suspected late wet AMD within ...",
    ],
)
def test_honest_quotes_are_supported(quote: str) -> None:
    found = verdict(quote)
    assert (found.verdict, found.similarity, found.why) == ("supported", 1.0, "")
    assert found.source == FIRST.source


@pytest.mark.parametrize(
    "quote",
    [
        "Refer suspected late wet AMD within one working day",
        "Refer the suspected late wet AMD within 1 working day",
        "Refer suspected late wet AMD within 1 working days",
        "Referring suspected late wet AMD within 1 working day",
    ],
)
def test_a_near_quote_without_a_changed_meaning_is_supported_with_its_score(quote: str) -> None:
    found = verdict(quote)
    assert found.verdict == "supported"
    assert found.similarity is not None
    assert NEAR <= found.similarity < 1


@pytest.mark.parametrize(
    ("key", "quote", "expected", "why"),
    [
        (FIRST.key, "Refer suspected late wet AMD within 11 working days", "not_found", "'11'"),
        (FIRST.key, "Refer suspected late dry AMD within 1 working day", "not_found", "'dry'"),
        (FIRST.key, "Refer suspected late wet AMD after 1 working day", "not_found", "'after'"),
        (FIRST.key, "Refer suspected late wet AMD within 1 day", "not_found", "'working'"),
        (FIRST.key, "efer suspected late wet AMD", "not_found", "'Refer'"),
        (FIRST.key, "Treat retinal artery occlusion as a stroke.", "misattributed", SECOND.key),
        ("test-0000000000", "within 1 working day", "misattributed", "its key is unknown"),
        ("test-0000000000", "something never written anywhere", "not_found", "its key is unknown"),
        (FIRST.key, "", "not_found", "proves nothing"),
        (FIRST.key, "wet AMD", "not_found", "proves nothing"),
        (FIRST.key, "Refer suspected late wet " * 300, "not_found", "longer than"),
        (FIRST.key, "Refer suspected late … within 1 working day.", "frankenquote", "ellipsis leaves out 'wet'"),
        (FIRST.key, "Refer suspected early … within 1 working day.", "not_found", "ellipsis"),
        (THIRD.key, "Steroid drops are avoided an antibiotic is started", "frankenquote", ""),
        (THIRD.key, "Steroid drops are avoided ... an antibiotic is started at once", "frankenquote", "'until'"),
        (FIRST.key, "Refer suspected late wet retinal artery occlusion", "frankenquote", ""),
        (FIRST.key, "within 1 working day ... Refer suspected late wet AMD", "frankenquote", "in this order"),
        (FIRST.key, "Refer suspected late wet \u202eDMA\u202c within 1 working day", "not_found", "direction"),
        (FIRST.key, "Refer susp\u0435cted late wet AMD within 1 working day", "not_found", "another script"),
    ],
)
def test_forged_quotes_are_not_supported(key: str, quote: str, expected: str, why: str) -> None:
    found = verdict(quote, key)
    assert found.verdict == expected
    assert why in found.why


def test_an_unknown_key_is_never_supported_even_by_its_own_words() -> None:
    assert verdict(FIRST.text, "").verdict == "misattributed"
    assert verdict(FIRST.text, "").source is None


def test_a_slip_of_the_pen_needs_someone_who_knows_the_words() -> None:
    place, similarity, why = near("Refer suspectde late wet AMD within 1 working day", FIRST.text)
    assert place is None
    assert similarity > NEAR
    assert "suspectde" in why


def test_a_claim_is_supported_only_by_a_supported_citation() -> None:
    good, bad = Citation(key=FIRST.key, quote="within 1 working day"), Citation(key=FIRST.key, quote="within 9 working days")
    text = "Refer suspected late wet AMD within 1 working day."
    assert verified(Claim(text=text, citations=(good, bad)), SHELF.passage, SHOWN).supported
    assert not verified(Claim(text=text, citations=(bad,)), SHELF.passage, SHOWN).supported
    assert not verified(Claim(text=text, supported=True), SHELF.passage, SHOWN).supported


def test_the_key_changes_with_the_words() -> None:
    assert content_key("d", "Refer within 1 day.") != content_key("d", "Refer within 2 days.")


TEXTS = [FIRST.text, THIRD.text, "Screening from age 10 finds 4.5 % at 180/120 mmHg, 2,500 eyes in 12 weeks: none needs an intravitreal injection."]


@given(st.sampled_from(TEXTS), st.data())
def test_a_slice_of_whole_words_always_stands(text: str, data: st.DataObject) -> None:
    spans = [m.span() for m in re.finditer(r"\S+", text)]
    first = data.draw(st.integers(0, len(spans) - MIN_WORDS))
    last = data.draw(st.integers(first + MIN_WORDS - 1, len(spans) - 1))
    quote = text[spans[first][0] : spans[last][1]]
    assert holds(quote, text) or len(quote) < MIN_CHARACTERS or len(words(quote)) < MIN_WORDS


@given(st.sampled_from(TEXTS), st.data())
def test_a_digit_put_in_or_changed_never_passes(text: str, data: st.DataObject) -> None:
    """At any place: before, in or after a number or a word, or for another digit."""
    at = data.draw(st.integers(0, len(text)))
    digit = data.draw(st.sampled_from("123456789\u00b2\u2075\u0663\uff14\u2462\u00bd"))
    over = data.draw(st.booleans()) and at < len(text) and text[at].isdigit()
    changed = text[:at] + digit + text[at + 1 if over else at :]
    evidence = statement("x", text)
    found = checked(Citation(key=evidence.key, quote=changed), {evidence.key: evidence}.get, {})
    assert found.verdict != "supported" or changed == text


@given(st.sampled_from(TEXTS), st.data())
def test_no_single_word_can_be_dropped_that_turns_a_meaning(text: str, data: st.DataObject) -> None:
    parts = text.split(" ")
    turning = [i for i, w in enumerate(parts) if w.strip(".,:;") in ("unless", "until", "within", "none", "avoided", "less", "or")]
    at = data.draw(st.sampled_from([i for i in turning if 0 < i < len(parts) - 1] or [1]))
    quote = " ".join(parts[:at] + parts[at + 1 :])
    assert not holds(quote, text)
    evidence = statement("x", text)
    assert checked(Citation(key=evidence.key, quote=quote), {evidence.key: evidence}.get, {}).verdict != "supported"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_gets_a_verdict(quote: str, claim: str) -> None:
    found = verified(Claim(text=claim, citations=(Citation(key=THIRD.key, quote=quote),)), SHELF.passage, SHOWN)
    assert found.citations[0].verdict != "pending"
