"""The lines of a PDF's pages into words, headings, paragraphs and items, by where and how they are drawn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from knowledge.ingest.document import HEADING_LEVELS, PARAGRAPH_LEVEL, Block, clean

_LARGER = 1.12
"""Times the size of the running text from which a short line is a heading (ours)."""
_GAP = 1.45
"""Times the usual distance between lines from which a new paragraph begins (ours)."""
_DOUBLE_SPACED = 2.4
"""Sizes of the font between lines beyond which no spacing is that of one paragraph (ours)."""
_HEADING_LENGTH = 140
_BULLET = re.compile(r"[•‣◦▪●■□–-]\s|\(?(?:\d{1,2}|[a-z])[.)]\s|[o§]\s+(?=[A-Z])")
_RUNNING_LINES = 2
_RUNNING_REACH = 4
_RUNNING_PAGES = 3
"""A line among the first or last two of a page that stands there on three of the nine pages around it (left and right pages may differ, and
so may chapters) is a running title or footer (ours)."""
_PAGE_NUMBER = re.compile(r"(?:page\s*)?\d{1,4}(?:\s*(?:of|/)\s*\d{1,4})?", re.IGNORECASE)
_BROKEN = re.compile("(\\w*)\ufffe(\\w*)")
"""PDFium joins a word that was broken at the end of a line, and writes this for its hyphen."""
_HYPHENATED = frozenset("anti non self follow well long short high low post pre co cross half quasi semi x".split())
"""What keeps its hyphen where the document itself does not show how it writes the word."""


@dataclass(slots=True)
class Line:
    """A line of a page. `size` is that of its font in points, `x` and `y` the place of its first character from the lower left corner;
    `start` is its offset in the page's text. A `running` line is a running title, a footer or a page number."""

    page: int
    text: str
    size: float
    bold: bool
    x: float
    y: float
    start: int = 0
    running: bool = False


def mend(pages: Sequence[list[Line]]) -> None:
    """Writes words that were broken at the end of a line as the document writes them elsewhere, and cleans every line."""
    every = [line for lines in pages for line in lines]
    broken = any("\ufffe" in line.text for line in every)
    known = {word.lower() for line in every for word in re.findall(r"\w+(?:-\w+)*", line.text)} if broken else set()

    def mended(found: re.Match[str]) -> str:
        before, after = found.groups()
        whole, hyphened = before + after, f"{before}-{after}"
        if hyphened.lower() in known or not (before[-1:].isalpha() and after[:1].islower()):
            return hyphened
        return hyphened if before.lower() in _HYPHENATED and whole.lower() not in known else whole

    for line in every:
        line.text = clean(_BROKEN.sub(mended, line.text)).replace("\n", " ").strip()
    for lines in pages:
        lines[:] = [line for line in lines if line.text]


def mark_running(pages: Sequence[Sequence[Line]]) -> None:
    """Marks running titles, footers and page numbers: they stay in the page's text, but belong to no passage."""
    edges = [{id(line): line for line in (*lines[:_RUNNING_LINES], *lines[-_RUNNING_LINES:])}.values() for lines in pages]
    body = _body([line for lines in pages for line in lines])[0]
    shape = [[_shape(line, body) for line in lines] for lines in edges]
    shapes = [set(texts) for texts in shape]
    for number, (lines, texts) in enumerate(zip(edges, shape, strict=True)):
        near = shapes[max(0, number - _RUNNING_REACH) : number + _RUNNING_REACH + 1]
        for line, text in zip(lines, texts, strict=True):
            line.running = sum(text in other for other in near) >= _RUNNING_PAGES or bool(_PAGE_NUMBER.fullmatch(line.text))


def _shape(line: Line, body: float) -> str:
    """What a running title is recognised by. Its numbers differ from page to page, but "Recommendation 1" in large letters is a heading,
    and sentences are text."""
    return line.text if line.size >= body * _LARGER or line.text[-1] in ".:;" else re.sub(r"\d+", "#", line.text)


def written(lines: Sequence[Line]) -> str:
    """The text of a page, with the place of every line in it."""
    at = 0
    for line in lines:
        line.start = at
        at += len(line.text) + 1
    return "\n".join(line.text for line in lines)


def blocks(pages: Sequence[Sequence[Line]]) -> Iterator[Block]:
    """The blocks of all pages. Short lines in letters larger than the running text, or in bold ones that stand apart, are headings."""
    every = [line for lines in pages for line in lines if not line.running]
    body, body_bold = _body(every)
    larger = sorted({line.size for line in every if line.size >= body * _LARGER}, reverse=True)
    ranks = {size: min(rank + 1, HEADING_LEVELS - 1) for rank, size in enumerate(larger)}
    for lines in pages:
        kept = [line for line in lines if not line.running]
        steps = sorted(a.y - b.y for a, b in pairwise(kept) if a.y > b.y and a.size == b.size)
        pitch = steps[len(steps) // 4] if steps else 0.0  # most lines follow on the one before; the rest are gaps
        run: list[Line] = []
        for line in kept:
            if run and _breaks(run[-1], line, run[0], pitch):
                yield _block(run, ranks, body_bold)
                run = []
            run.append(line)
        if run:
            yield _block(run, ranks, body_bold)


def _body(lines: Sequence[Line]) -> tuple[float, bool]:
    """Size and weight of the running text: those of most characters."""
    weights: Counter[tuple[float, bool]] = Counter()
    for line in lines:
        weights[line.size, line.bold] += len(line.text)
    return weights.most_common(1)[0][0] if weights else (0.0, False)


def _breaks(before: Line, line: Line, first: Line, pitch: float) -> bool:
    """Whether a line begins a new block."""
    if abs(line.size - before.size) > 0.08 * before.size or line.bold != before.bold:
        # A bold word at the beginning of a wrapped line is no heading: those stand apart or in another size.
        return abs(line.size - before.size) > 0.08 * before.size or first is before or before.text[-1] in ".:!?"
    if _BULLET.match(line.text):
        return True
    step = before.y - line.y
    if step < 0:  # the next column: the sentence goes on there unless it had ended
        return before.text[-1] in ".:!?"
    if pitch > 0 and step > _GAP * min(pitch, _DOUBLE_SPACED * line.size):
        return True
    return line.x > before.x + 6 and before.text[-1] in ".!?" and not _BULLET.match(first.text)


def _block(run: Sequence[Line], ranks: dict[float, int], body_bold: bool) -> Block:
    first, last = run[0], run[-1]
    start, end = first.start, last.start + len(last.text)
    short = end - start <= _HEADING_LENGTH and last.text[-1] not in ".;,"
    if short and first.size in ranks:
        return Block(first.page, start, end, "heading", ranks[first.size])
    if _BULLET.match(first.text):
        return Block(first.page, start, end, "item", PARAGRAPH_LEVEL + 1)
    if short and first.bold and last.bold and not body_bold and any(c.isalpha() for c in first.text):
        return Block(first.page, start, end, "heading", HEADING_LEVELS)
    return Block(first.page, start, end, "paragraph", PARAGRAPH_LEVEL)
