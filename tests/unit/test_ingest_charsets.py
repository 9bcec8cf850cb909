import pytest

from agent.errors import DocumentError
from knowledge.ingest.charsets import decoded, is_binary

WESTERN = "Behçet’s disease – œdème of the disc in 2° Sjögren syndrome"
GREEK = "Το γλαύκωμα είναι μια ομάδα παθήσεων του οπτικού νεύρου και η πίεση του οφθαλμού είναι συχνά υψηλή."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_without_doubt(encoding: str) -> None:
    assert decoded(WESTERN.encode(encoding)) == (WESTERN, "")


def test_an_unstated_western_code_page_is_taken_as_the_web_does_and_said() -> None:
    text, doubt = decoded(WESTERN.encode("cp1252"))
    assert text == WESTERN
    assert "cp1252" in doubt


def test_another_alphabet_is_found_by_its_letters() -> None:
    text, doubt = decoded((GREEK * 3).encode("cp1253"))
    assert text == GREEK * 3
    assert "not stated" in doubt


def test_a_page_may_state_its_encoding() -> None:
    page = f'<html><head><meta charset="iso-8859-7"></head><body>{GREEK}</body></html>'
    assert decoded(page.encode("iso-8859-7"), markup=True) == (page, "")


def test_the_server_is_believed_before_the_page_and_a_wrong_statement_is_overruled() -> None:
    page = f'<meta charset="ascii">{GREEK}'
    assert decoded(page.encode("iso-8859-7"), "iso-8859-7", markup=True)[0] == page
    assert decoded(WESTERN.encode(), "ascii") == (WESTERN, "")
    assert decoded(WESTERN.encode("cp1252"), "no-such-encoding")[0] == WESTERN


@pytest.mark.parametrize("data", [bytes(range(256)) * 4, b"text\0with a nul", b"\x01\x02\x03" * 50])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    assert is_binary(data)
    with pytest.raises(DocumentError, match="not text"):
        decoded(data)


def test_damaged_unicode_is_refused_with_the_place() -> None:
    with pytest.raises(DocumentError, match=r"damaged.*byte 4"):
        decoded("ab".encode("utf-16")[:4] + b"\x00\xd8")
