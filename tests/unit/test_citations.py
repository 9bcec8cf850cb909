from __future__ import annotations

import pytest

from agent.citations import checked, content_key, holds, verified
from agent.evidence import Citation, Claim
from tests.doubles import ShelfRetriever, statement

FIRST = statement("x", "Refer suspected late wet AMD within 1 working day.")
SECOND = statement("y", "Treat retinal artery occlusion as a stroke.")
SHELF = ShelfRetriever(FIRST, SECOND)
SHOWN = {e.key: e for e in (FIRST, SECOND)}


@pytest.mark.parametrize(
    "quote",
    ["within 1 working day", "Refer suspected late wet AMD within 1 working day.", "REFER  suspected\nlate wet", "late\u00a0wet AMD within"],
)
def test_honest_quotes_are_supported(quote: str) -> None:
    verdict = checked(Citation(key=FIRST.key, quote=quote), SHELF.passage, SHOWN)
    assert verdict.verdict == "supported"
    assert verdict.source == FIRST.source


@pytest.mark.parametrize(
    ("key", "quote", "verdict"),
    [
        (FIRST.key, "within 11 working days", "not_found"),
        (FIRST.key, "within 1 working days", "not_found"),
        (FIRST.key, "efer suspected late wet AMD", "not_found"),
        (FIRST.key, "Treat retinal artery occlusion as a stroke.", "misattributed"),
        ("test-0000000000", "within 1 working day", "misattributed"),
        ("test-0000000000", "something never written anywhere", "not_found"),
        (FIRST.key, "", "not_found"),
        (FIRST.key, "1", "not_found"),
        (FIRST.key, "Refer suspected late … within 1 working day.", "not_found"),
    ],
)
def test_forged_quotes_are_not(key: str, quote: str, verdict: str) -> None:
    assert checked(Citation(key=key, quote=quote), SHELF.passage, SHOWN).verdict == verdict


def test_invisible_characters_do_not_smuggle_a_change_past() -> None:
    assert holds("within\u200b 1 working day", FIRST.text)
    assert not holds("within 1\u200b0 working day", FIRST.text)


def test_a_claim_is_supported_only_by_a_supported_citation() -> None:
    good, bad = Citation(key=FIRST.key, quote="within 1 working day"), Citation(key=FIRST.key, quote="within 9 working days")
    assert verified(Claim(text="t", citations=(good, bad)), SHELF.passage, SHOWN).supported
    assert not verified(Claim(text="t", citations=(bad,)), SHELF.passage, SHOWN).supported
    assert not verified(Claim(text="t", supported=True), SHELF.passage, SHOWN).supported


def test_the_key_changes_with_the_words() -> None:
    assert content_key("d", "Refer within 1 day.") != content_key("d", "Refer within 2 days.")
