from knowledge.ingest.document import DEEPEST_LEVEL, Block, PageText
from knowledge.ingest.plain import plain_blocks


def read(text: str) -> list[tuple[str, int, str]]:
    return [(b.kind, b.level, text[b.start : b.end]) for b in plain_blocks(PageText(1, text))]


def test_wrapped_lines_are_one_paragraph_and_short_ones_are_not() -> None:
    wrapped = (
        "Refer every patient with sudden painless loss of vision to\n"
        "the emergency eye service on the same day, and do not wait\n"
        "for imaging."
    )
    short = "Optic neuritis\nPapilloedema\nIschaemic optic neuropathy"
    assert read(f"{wrapped}\n\n{short}") == [("paragraph", 7, wrapped), *(("item", 7, line) for line in short.split("\n"))]


def test_an_outline_nests_by_indentation_with_spaces_or_tabs() -> None:
    levels = [("item", 7), ("item", 8), ("item", 9), ("item", 8), ("item", 7)]
    for indent in ("    ", "\t", "  "):
        text = f"causes\n{indent}viral\n{indent * 2}HSV\n{indent}bacterial\ntreatment"
        assert [(kind, level) for kind, level, _ in read(text)] == levels


def test_items_with_bullets_keep_their_hanging_lines() -> None:
    text = "Ask about:\n- pain that is worse on moving the eye, and\n  loss of colour\n- fever\n  1. when it began\n(b) other"
    assert [(kind, text.split("\n")[0]) for kind, _, text in read(text)] == [
        ("item", "Ask about:"),
        ("item", "- pain that is worse on moving the eye, and"),
        ("item", "- fever"),
        ("item", "1. when it began"),
        ("item", "(b) other"),
    ]
    assert [level for _, level, _ in read(text)] == [7, 8, 8, 9, 8]


def test_headings_are_underlined_numbered_or_in_capitals() -> None:
    text = "Uveitis\n=======\n\nFirst words.\n\n2.1 Treatment\n\nDrops.\n\nRED FLAGS\n\nPain.\n\nScope\n-----\nAll."
    assert [(level, words) for kind, level, words in read(text) if kind == "heading"] == [
        (1, "Uveitis"),
        (2, "2.1 Treatment"),
        (1, "RED FLAGS"),
        (2, "Scope"),
    ]


def test_lines_of_marks_are_no_blocks_and_depth_is_bounded() -> None:
    assert read("***\n\n/*\n\n-- --") == []
    deep = "\n".join(f"{'  ' * depth}item {depth}" for depth in range(300))
    blocks: list[Block] = list(plain_blocks(PageText(1, deep)))
    assert len(blocks) == 300
    assert max(block.level for block in blocks) == DEEPEST_LEVEL
