import zlib

import pytest

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest.parsing import parse
from knowledge.ingest.pdf import pdf_blocks
from tests.pdf_maker import Words, assembled, bomb, column, encrypted, pdf, scanned

LIMITS = Ingestion()
LINE = "Refer within two weeks if vision falls."


def read(data: bytes, limits: Ingestion = LIMITS) -> list[tuple[str, int, int, str]]:
    _, pages, blocks, _ = pdf_blocks(data, limits)
    return [(b.kind, b.level, b.page, pages[b.page - 1].text[b.start : b.end]) for b in blocks]


def test_headings_paragraphs_and_items_are_told_apart_by_size_weight_gap_and_bullet() -> None:
    page = [
        Words("Dry eye", y=780, size=18),
        Words("Treatment", y=750, size=14),
        *column("Offer lubricants to everyone with dry eye, and ask about", "screens.", "", LINE, "• warm compresses", "• lid hygiene"),
        Words("Red flags", y=600, bold=True),
        Words("Pain, light sensitivity or loss of vision need a same-day visit.", y=588),
    ]
    assert read(pdf([page])) == [
        ("heading", 1, 1, "Dry eye"),
        ("heading", 2, 1, "Treatment"),
        ("paragraph", 7, 1, "Offer lubricants to everyone with dry eye, and ask about\nscreens."),
        ("paragraph", 7, 1, LINE),
        ("item", 8, 1, "• warm compresses"),
        ("item", 8, 1, "• lid hygiene"),
        ("heading", 6, 1, "Red flags"),
        ("paragraph", 7, 1, "Pain, light sensitivity or loss of vision need a same-day visit."),
    ]


def test_sizes_are_those_that_are_drawn_whatever_the_font_was_set_to() -> None:
    body = b"BT /F1 1 Tf 10 0 0 10 72 %d Tm (" + LINE.encode() + b") Tj ET "
    stream = b"BT /F1 1 Tf 18 0 0 18 72 760 Tm (Dry eye) Tj ET q 0.1 0 0 0.1 0 0 cm BT /F1 140 Tf 720 7400 Td (Referral) Tj ET Q "
    assert read(assembled([("", stream + body % 700 + body % 600)])) == [
        ("heading", 1, 1, "Dry eye"),
        ("heading", 2, 1, "Referral"),
        ("paragraph", 7, 1, LINE),
        ("paragraph", 7, 1, LINE),
    ]


def test_a_sentence_goes_on_in_the_next_column() -> None:
    page = [*column("The pressure is measured in both", "eyes, and the angle is looked at"), *column("with a lens. Then stop.", x=320)]
    assert [text for *_, text in read(pdf([page]))] == [
        "The pressure is measured in both\neyes, and the angle is looked at\nwith a lens. Then stop."
    ]


def test_pages_keep_their_numbers_and_running_titles_are_no_blocks() -> None:
    def page(number: int) -> list[Words]:
        return [
            Words("Guideline on glaucoma", y=800, size=8),
            Words("Recommendation", y=760, size=16),
            *column(f"On page {number} the pressure is {10 + number} mmHg in the eye."),
            Words(f"Page {number} of 4", y=30, size=8),
        ]

    data = pdf([page(number) for number in range(1, 5)])
    found = read(data)
    assert [(number, text) for kind, _, number, text in found if kind == "paragraph"] == [
        (number, f"On page {number} the pressure is {10 + number} mmHg in the eye.") for number in range(1, 5)
    ]
    assert not any("Guideline" in text or " of 4" in text for *_, text in found)
    _, pages, _, _ = pdf_blocks(data, LIMITS)
    assert "Guideline on glaucoma" in pages[2].text


def test_broken_words_are_written_as_the_document_writes_them() -> None:
    broken = column("The retino-", "pathy of anti-", "VEGF drugs, the well-", "known follow-", "up, the neuro-", "retinitis and the neo-", "vascular one.")
    elsewhere = column("Neo-vascular glaucoma.", top=300)
    assert [text for *_, text in read(pdf([broken, elsewhere]))] == [
        "The retinopathy of anti-VEGF drugs, the well-known follow-up, the neuroretinitis and the neo-vascular one.",
        "Neo-vascular glaucoma.",
    ]


def test_the_title_is_the_documents_own_unless_a_program_wrote_it() -> None:
    page = [Words("Dry eye", y=780, size=18), *column(LINE)]
    assert pdf_blocks(pdf([page], "Lubricants in practice"), LIMITS)[0] == "Lubricants in practice"
    assert pdf_blocks(pdf([page], "Microsoft Word - final2.docx"), LIMITS)[0] == "Dry eye"
    assert pdf_blocks(pdf([page]), LIMITS)[0] == "Dry eye"
    assert pdf_blocks(pdf([column(LINE)]), LIMITS)[0] == ""


def test_a_scan_says_what_to_do_and_scanned_pages_among_others_are_noted() -> None:
    with pytest.raises(DocumentError, match=r"pictures \(a scan\): run it through text recognition"):
        pdf_blocks(scanned(3), LIMITS)
    mixed = assembled([("", b"BT /F1 10 Tf 72 700 Td (" + LINE.encode() + b") Tj ET"), ("", b"q 9 0 0 9 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q")])
    assert pdf_blocks(mixed, LIMITS)[3] == ("1 of 2 pages are pictures without text and were not read",)


def test_a_line_of_nothing_but_control_characters_is_no_line() -> None:
    assert read(pdf([[Words("\x01\x02", y=720), *column(LINE, top=700)]])) == [("paragraph", 7, 1, LINE)]


def test_an_empty_page_is_no_scan() -> None:
    with pytest.raises(DocumentError, match="hold no text"):
        pdf_blocks(pdf([[]]), LIMITS)


def test_encryption_asks_for_the_file_without_it_unless_it_opens() -> None:
    plain = pdf([column(LINE)])
    with pytest.raises(DocumentError, match=r"encrypted.*save it without"):
        pdf_blocks(encrypted(plain, "secret"), LIMITS)
    assert read(encrypted(plain, "")) == [("paragraph", 7, 1, LINE)]


@pytest.mark.parametrize("data", [b"%PDF-1.7\n" + bytes(range(256)) * 9, pdf([column(LINE)])[:200]])
def test_a_damaged_file_is_said_to_be_damaged(data: bytes) -> None:
    with pytest.raises(DocumentError, match="damaged"):
        pdf_blocks(data, LIMITS)


def test_limits_name_themselves() -> None:
    with pytest.raises(DocumentError, match=r"3 pages, more than 2 \(ingestion.max_pages\)"):
        pdf_blocks(pdf([column(LINE)] * 3), Ingestion(max_pages=2))
    with pytest.raises(DocumentError, match=r"max_characters"):
        pdf_blocks(pdf([column(*[LINE] * 40)]), Ingestion(max_characters=1000))


def test_text_that_outgrows_its_file_is_a_bomb() -> None:
    rows = b"\n".join(b"BT /F1 1 Tf 1 %d Td (%s) Tj ET" % (y, LINE.encode() * 20) for y in range(1, 840))
    packed = zlib.compress(rows, 9)
    data = assembled([("/Filter /FlateDecode", packed)] * 3)
    with pytest.raises(DocumentError, match=r"times as large as the file \(ingestion.max_expansion\)"):
        pdf_blocks(data, Ingestion(max_expansion=50))


def test_a_stream_that_expands_to_nothing_citable_is_read_within_its_means() -> None:
    assert len(read(bomb(2_000_000))) <= 1


@pytest.mark.parametrize("hidden", ["A" + chr(0x202E) + "B", chr(0xE0041) + "x"])
def test_characters_that_hide_text_do_not_come_through_plain_text(hidden: str) -> None:
    document = parse(f"Refer {hidden} within two weeks.".encode(), "text/plain", LIMITS)
    assert not {chr(0x202E), chr(0xE0041)} & set(document.pages[0].text)
    assert "characters that hide or reorder text were removed" in document.notes
