"""Plain text: paragraphs, wrapped lines, lists and indented outlines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knowledge.ingest.document import DEEPEST_LEVEL, PARAGRAPH_LEVEL, Block, Kind, PageText

_BULLET = re.compile(r"(?:[-*+•‣◦▪●–]|\(?(?:\d{1,3}|[a-z])[.)])[ \t]+(?=\S)")
_UNDERLINE = re.compile(r"\s*(?:(=)\1{2,}|-{3,}|~{3,})\s*")
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+[A-Z]\S*(?:\s|$)")
_TAB = 4
_HEADING_LENGTH = 80
_NEAR = 40
"""Lines that tell how wide a text is set."""
_WRAPPED_WIDTH = 50
"""Lines shorter than this are not taken for wrapped prose (ours)."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str
    indent: int
    after_blank: bool
    bullet: int
    """Width of the bullet with the space after it; 0 where there is none."""


def plain_blocks(page: PageText) -> Iterator[Block]:
    """The blocks of a page of plain text. A line that is indented more than the one before belongs to it, as in an outline.

    >>> [(b.kind, b.level) for b in plain_blocks(PageText(1, "Uveitis\\n  viral\\n    HSV\\n  bacterial"))]
    [('item', 7), ('item', 8), ('item', 9), ('item', 8)]
    """
    lines = list(_lines(page.text))
    outer: list[tuple[int, int]] = []  # indentation and depth of the lines that this one may belong to
    at = 0
    while at < len(lines):
        underline = _UNDERLINE.fullmatch(lines[at + 1].text) if at + 1 < len(lines) and not lines[at + 1].after_blank else None
        if underline and len(lines[at].text) <= _HEADING_LENGTH:
            yield Block(page.number, lines[at].start, lines[at].end, "heading", 1 if underline.group(1) else 2)
            outer, at = [], at + 2
            continue
        until = _run_end(lines, at)
        run = lines[at:until]
        first, last = run[0], run[-1]
        alone = first.after_blank and (until == len(lines) or lines[until].after_blank)
        level = _heading_level(first.text) if alone and len(run) == 1 and not first.indent and until < len(lines) else None
        if level is not None:
            yield Block(page.number, first.start, last.end, "heading", level)
            outer = []
        elif any(character.isalnum() for line in run for character in line.text):
            while outer and outer[-1][0] >= first.indent:
                outer.pop()
            depth = outer[-1][1] + 1 if outer else int(first.bullet > 0)
            outer.append((first.indent, depth))
            kind: Kind = "item" if depth or not alone else "paragraph"
            yield Block(page.number, first.start, last.end, kind if len(run) == 1 or first.bullet else "paragraph",
                        min(PARAGRAPH_LEVEL + depth, DEEPEST_LEVEL))  # fmt: skip
        at = until


def _lines(text: str) -> Iterator[_Line]:
    blank, start = True, 0
    for raw in text.split("\n"):
        stripped = raw.strip()
        if stripped:
            lead = raw[: len(raw) - len(raw.lstrip())]
            begin = start + len(lead)
            bullet = _BULLET.match(stripped)
            yield _Line(begin, begin + len(stripped), stripped, len(lead.expandtabs(_TAB)), blank, bullet.end() if bullet else 0)
        blank = not stripped
        start += len(raw) + 1


def _run_end(lines: Sequence[_Line], at: int) -> int:
    """Where the block that begins with line `at` ends: wrapped lines, and the hanging lines of an item with a bullet, belong together."""
    first = lines[at]
    column = first.indent + first.bullet

    def goes_on(to: int) -> bool:
        return to < len(lines) and not (lines[to].after_blank or lines[to].bullet) and lines[to].indent == column

    end = at + 1
    if first.bullet:
        while goes_on(end):
            end += 1
        return end
    near = end
    while near < at + _NEAR and goes_on(near):
        near += 1
    width = max(len(line.text) for line in lines[at:near])
    while width >= _WRAPPED_WIDTH and goes_on(end) and len(lines[end - 1].text) + 1 + len(lines[end].text.split(maxsplit=1)[0]) > width:
        end += 1  # the next word would not have fitted: the line was not ended on purpose
    return end


def _heading_level(text: str) -> int | None:
    if len(text) > _HEADING_LENGTH or text[-1] in ".;,:":
        return None
    numbered = _NUMBERED.match(text)
    if numbered:
        return min(1 + numbered.group(1).count("."), 6)
    return 1 if text.isupper() and sum(c.isalpha() for c in text) >= 4 else None
