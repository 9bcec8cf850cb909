"""Whatever a document holds: passages are stretches of its pages, whole sentences, and nothing citable is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.citations import normalise
from agent.errors import DocumentError
from knowledge.ingest.document import Block, PageBuilder, PageText, ParsedDocument
from knowledge.ingest.evidence import quoted_span
from knowledge.ingest.passages import KEPT, LEAST, MOST, Passage, citable, passages, word_count
from knowledge.ingest.plain import plain_blocks
from knowledge.ingest.store import StoredPassage

WORDS = "vision falls within two weeks; refer. Dr. IOP 24.5 mmHg anti-VEGF e.g. Offer 緑内障 ± * no? \u00a0".split(" ")
LINES = st.lists(st.tuples(st.integers(0, 6), st.lists(st.sampled_from(WORDS), max_size=40)), max_size=60)
BLOCKS = st.lists(
    st.tuples(
        st.integers(1, 3), st.sampled_from(["heading", "item", "paragraph"]), st.integers(1, 6), st.lists(st.sampled_from(WORDS), min_size=1, max_size=200)
    ),
    max_size=25,
)


def plain(text: str) -> ParsedDocument:
    page = PageText(1, text)
    return ParsedDocument("", (page,), tuple(plain_blocks(page)), "text/plain")


def paged(parts: list[tuple[int, str, int, list[str]]]) -> ParsedDocument:
    texts = {1: "", 2: "", 3: ""}
    blocks = []
    for page, kind, level, words in sorted(parts, key=lambda part: part[0]):
        text = " ".join(words)
        start = len(texts[page])
        texts[page] += f"{text}\n\n"
        shift = len(text) - len(text.lstrip())
        level = level if kind == "heading" else 7 if kind == "paragraph" else 7 + level
        if text.strip():
            blocks.append(Block(page, start + shift, start + len(text.rstrip()), kind, level))  # type: ignore[arg-type]
    return ParsedDocument("", tuple(PageText(n, t) for n, t in texts.items()), tuple(blocks), "application/pdf")


def check(document: ParsedDocument) -> None:
    texts = {page.number: page.text for page in document.pages}
    found = list(passages(document))
    end = (0, 0)
    for passage in found:
        raw = texts[passage.page][passage.start : passage.end]
        assert " ".join(raw.split()) == " ".join(passage.text.split())
        assert (passage.page, passage.start) >= end, "passages do not overlap"
        end = (passage.page, passage.end)
        assert KEPT <= word_count(passage.text) <= MOST + 8
        assert passage.sentences[0][0] == passage.start
        assert passage.sentences[-1][1] == passage.end
        assert all(a < b <= c for (a, b), (c, _) in zip(passage.sentences, passage.sentences[1:], strict=False))
    for block in document.blocks:
        covered = any(p.page == block.page and p.start <= block.start and block.end <= p.end for p in found)
        words = word_count(texts[block.page][block.start : block.end])
        parts = [p for p in found if p.page == block.page and p.start < block.end and block.start < p.end]
        kept = sum(word_count(texts[p.page][max(p.start, block.start) : min(p.end, block.end)]) for p in parts)
        assert covered or block.kind == "heading" or kept > words - KEPT, "what could be cited is in a passage"


@given(LINES)
def test_plain_text_of_any_shape(lines: list[tuple[int, list[str]]]) -> None:
    check(plain("\n".join("  " * depth + " ".join(words) for depth, words in lines)))


@given(BLOCKS)
@settings(deadline=None)
def test_pages_of_any_blocks(parts: list[tuple[int, str, int, list[str]]]) -> None:
    check(paged(parts))


def sentence(number: int, words: int) -> str:
    return f"Sentence {number} says " + "so " * (words - 4) + "again."


def test_long_text_is_cut_at_sentences_within_the_bounds() -> None:
    found = list(passages(plain(" ".join(sentence(n, 12) for n in range(60)))))
    counts = [word_count(p.text) for p in found]
    assert all(60 <= count <= MOST for count in counts[:-1])
    assert all(p.text.startswith("Sentence") and p.text.endswith("again.") for p in found)


def test_headings_part_passages_and_are_their_section() -> None:
    builder = PageBuilder()
    for name in ("Diagnosis", "Treatment"):
        builder.add(name, "heading", 2)
        builder.add(sentence(1, 40), "paragraph", 7)
    found = list(passages(ParsedDocument("", (builder.page(),), tuple(builder.blocks), "text/html")))
    assert [p.section for p in found] == ["Diagnosis", "Treatment"]
    assert [p.text.split("\n")[0] for p in found] == ["Diagnosis", "Treatment"]


def test_an_outline_gives_its_parents_as_the_section() -> None:
    lines = ["uveitis"]
    for family in ("viral", "bacterial"):
        lines.append(f"  {family}")
        for item in range(30):
            lines.append(f"    {family} cause number {item} with its own few words")
    found = list(passages(plain("\n".join(lines))))
    assert {p.section for p in found} == {"uveitis > viral", "uveitis > bacterial"}
    assert min(word_count(p.text) for p in found) >= LEAST


def test_a_lone_word_is_never_a_passage_and_a_document_of_them_is_refused() -> None:
    assert [p.text for p in passages(plain("Refer all patients within two weeks.\n\nEnd"))] == ["Refer all patients within two weeks.\nEnd"]
    with pytest.raises(DocumentError, match="no text that could be cited"):
        citable(plain("Glaucoma"))


def test_a_sentence_longer_than_a_passage_is_cut_between_words() -> None:
    found = list(passages(plain("eye " * 400)))
    assert max(word_count(p.text) for p in found) <= MOST
    assert sum(word_count(p.text) for p in found) == 400


def test_a_long_path_keeps_its_ends() -> None:
    lines = [f"{'  ' * depth}level {depth} with a name of some length, longer than most" for depth in range(12)]
    lines += [f"{'  ' * 12}item {n} has several words of its own here" for n in range(20)]
    sections = [p.section for p in passages(plain("\n".join(lines)))]
    assert all(len(section) <= 300 for section in sections)
    assert sections[-1].startswith("level 0")
    assert "level 11" in sections[-1]


def stored(text: str) -> tuple[StoredPassage, str]:
    passage: Passage = next(iter(passages(plain(text))))
    return StoredPassage("key", "document", passage), text


def test_a_quotation_opens_at_its_sentence() -> None:
    passage, text = stored("Offer lubricants to everyone first. Refer within two\nweeks if vision falls. Do not wait for “imaging”.")
    for quote, opened in {
        "refer within two weeks": "Refer within two\nweeks if vision falls.",
        'wait for "imaging"': "Do not wait for “imaging”.",
        "vision falls. Do not": "Refer within two\nweeks if vision falls. Do not wait for “imaging”.",
    }.items():
        span = quoted_span(passage, text, quote)
        assert span is not None
        assert text[slice(*span)] == opened
        assert normalise(quote) in normalise(opened)
    assert quoted_span(passage, text, "operate at once") is None
    with pytest.raises(ValueError, match="empty"):
        quoted_span(passage, text, " ")
