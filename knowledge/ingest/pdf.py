"""PDF: the text of every page with its paragraphs and headings, by PDFium (pypdfium2, Apache-2.0/BSD), Chrome's own reader.

On the same 200 pages PDFium took 0.2 s, pypdf 0.6 s and pdfplumber 21 s, with the same order of reading, columns included; PyMuPDF is
under the AGPL.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest.document import HEADING_LEVELS, PARAGRAPH_LEVEL, Block, PageText, clean

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
_NO_TITLE = re.compile(r"untitled|microsoft word|document\d*$|.*\.(?:docx?|pdf|indd|qxd|tex|dvi)$", re.IGNORECASE)
_PASSWORD = 4
"""FPDF_ERR_PASSWORD of PDFium."""
_BROKEN = re.compile("(\\w*)\ufffe(\\w*)")
"""PDFium joins a word that was broken at the end of a line, and writes this for its hyphen."""
_HYPHENATED = frozenset("anti non self follow well long short high low post pre co cross half quasi semi x".split())
"""What keeps its hyphen where the document itself does not show how it writes the word."""
_EXPANSION_FROM = 1_000_000


@dataclass(slots=True)
class _Line:
    page: int
    text: str
    size: float
    bold: bool
    x: float
    y: float
    start: int = 0
    running: bool = False


def pdf_blocks(data: bytes, limits: Ingestion) -> tuple[str, tuple[PageText, ...], tuple[Block, ...], tuple[str, ...]]:
    """Title, pages, blocks and notes of a PDF.

    Raises `DocumentError` for one that is damaged, encrypted, scanned or beyond the limits. An encrypted one that opens without a
    password is read.
    """
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD or "password" in str(error).lower():
            raise DocumentError("it is encrypted and asks for a password: save it without one") from error
        raise DocumentError("it is damaged or no PDF: PDFium cannot open it") from error
    count = len(document)
    if count > limits.max_pages:
        raise DocumentError(f"it has {count:,} pages, more than {limits.max_pages:,} (ingestion.max_pages)")
    if count == 0:
        raise DocumentError("it has no pages")
    pages: list[list[_Line]] = []
    characters, unread, pictures = 0, [], 0
    for number in range(count):
        try:
            page = document[number]
            lines = _lines(page, number + 1)
            pictures += not lines and _has_picture(page)
            page.close()
        except pdfium.PdfiumError:
            lines = []
            unread.append(number + 1)
        characters += sum(len(line.text) + 1 for line in lines)
        if characters > limits.max_characters:
            raise DocumentError(f"its text is longer than {limits.max_characters:,} characters (ingestion.max_characters)")
        if characters > max(_EXPANSION_FROM, limits.max_expansion * len(data)):
            raise DocumentError(f"its text is more than {limits.max_expansion} times as large as the file (ingestion.max_expansion)")
        pages.append(lines)
    _mend(pages)
    if not any(pages):
        why = "its pages are pictures (a scan): run it through text recognition first" if pictures else "its pages hold no text"
        raise DocumentError(why)
    _mark_running(pages)
    title = (document.get_metadata_value("Title") or "").strip()
    texts = tuple(PageText(number + 1, _written(lines)) for number, lines in enumerate(pages))
    blocks = tuple(_blocks(pages))
    if not title or _NO_TITLE.match(title):
        title = next((" ".join(texts[b.page - 1].text[b.start : b.end].split()) for b in blocks if b.page <= 2 and b.kind == "heading"), "")
    return title, texts, blocks, tuple(_notes(pages, pictures, unread))


def _notes(pages: Sequence[Sequence[_Line]], pictures: int, unread: Sequence[int]) -> Iterator[str]:
    if pictures:
        yield f"{pictures} of {len(pages)} pages are pictures without text and were not read"
    if unread:
        yield f"damaged pages were not read: {', '.join(map(str, unread[:10]))}{', ...' if len(unread) > 10 else ''}"


def _has_picture(page: Any) -> bool:
    import pypdfium2.raw as raw

    return any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _lines(page: Any, number: int) -> list[_Line]:
    """The lines of a page in PDFium's order of reading."""
    import pypdfium2.raw as raw

    text_page = page.get_textpage()
    count = text_page.count_chars()
    text = text_page.get_text_range(0, count) if count else ""
    if len(text) != count:  # beyond the basic plane, or left out by PDFium: characters one by one keep their index
        text = "".join(chr(raw.FPDFText_GetUnicode(text_page, at) or 32) for at in range(count))
    found = []
    for piece in re.finditer(r"[^\r\n]+", text):
        words = piece.group().strip()
        if words:
            at = piece.start() + len(piece.group()) - len(piece.group().lstrip())
            found.append(_Line(number, words, *_look(text_page, at)))
    text_page.close()
    return found


def _mend(pages: Sequence[list[_Line]]) -> None:
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


def _look(text_page: Any, at: int) -> tuple[float, bool, float, float]:
    """Font size in points as it is drawn, whether it is bold, and the place of the character in points from the lower left corner."""
    import pypdfium2.raw as raw

    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(text_page, at, x, y)
    name = ctypes.create_string_buffer(96)
    raw.FPDFText_GetFontInfo(text_page, at, name, len(name), None)
    bold = b"bold" in name.value.lower() or b"black" in name.value.lower() or raw.FPDFText_GetFontWeight(text_page, at) >= 600
    size, matrix = raw.FPDFText_GetFontSize(text_page, at), raw.FS_MATRIX()
    if raw.FPDFText_GetMatrix(text_page, at, matrix):  # many programs set a font of size 1 and scale it
        size *= math.hypot(matrix.c, matrix.d)
    return round(size * 2) / 2, bold, x.value, y.value


def _mark_running(pages: Sequence[Sequence[_Line]]) -> None:
    """Marks running titles, footers and page numbers: they stay in the page's text, but belong to no passage."""
    edges = [{id(line): line for line in (*lines[:_RUNNING_LINES], *lines[-_RUNNING_LINES:])}.values() for lines in pages]
    body = _body([line for lines in pages for line in lines])[0]
    shape = [[_shape(line, body) for line in lines] for lines in edges]
    shapes = [set(texts) for texts in shape]
    for number, (lines, texts) in enumerate(zip(edges, shape, strict=True)):
        near = shapes[max(0, number - _RUNNING_REACH) : number + _RUNNING_REACH + 1]
        for line, text in zip(lines, texts, strict=True):
            line.running = sum(text in other for other in near) >= _RUNNING_PAGES or bool(_PAGE_NUMBER.fullmatch(line.text))


def _shape(line: _Line, body: float) -> str:
    """What a running title is recognised by. Its numbers differ from page to page, but "Recommendation 1" in large letters is a heading,
    and sentences are text."""
    return line.text if line.size >= body * _LARGER or line.text[-1] in ".:;" else re.sub(r"\d+", "#", line.text)


def _written(lines: Sequence[_Line]) -> str:
    """The text of a page, with the place of every line in it."""
    at = 0
    for line in lines:
        line.start = at
        at += len(line.text) + 1
    return "\n".join(line.text for line in lines)


def _blocks(pages: Sequence[Sequence[_Line]]) -> Iterator[Block]:
    every = [line for lines in pages for line in lines if not line.running]
    body, body_bold = _body(every)
    larger = sorted({line.size for line in every if line.size >= body * _LARGER}, reverse=True)
    ranks = {size: min(rank + 1, HEADING_LEVELS - 1) for rank, size in enumerate(larger)}
    for lines in pages:
        kept = [line for line in lines if not line.running]
        steps = sorted(a.y - b.y for a, b in pairwise(kept) if a.y > b.y and a.size == b.size)
        pitch = steps[len(steps) // 4] if steps else 0.0  # most lines follow on the one before; the rest are gaps
        run: list[_Line] = []
        for line in kept:
            if run and _breaks(run[-1], line, run[0], pitch):
                yield _block(run, ranks, body_bold)
                run = []
            run.append(line)
        if run:
            yield _block(run, ranks, body_bold)


def _body(lines: Sequence[_Line]) -> tuple[float, bool]:
    """Size and weight of the running text: those of most characters."""
    weights: Counter[tuple[float, bool]] = Counter()
    for line in lines:
        weights[line.size, line.bold] += len(line.text)
    return weights.most_common(1)[0][0] if weights else (0.0, False)


def _breaks(before: _Line, line: _Line, first: _Line, pitch: float) -> bool:
    """Whether a line begins a new block."""
    if abs(line.size - before.size) > 0.08 * before.size or line.bold != before.bold:
        # A bold word at the beginning of a wrapped line is no heading: those stand apart or in another size.
        return abs(line.size - before.size) > 0.08 * before.size or first is before or before.text[-1] in ".:!?"
    if _BULLET.match(line.text):
        return True
    step = before.y - line.y
    if step < 0:  # the next column: the sentence goes on there unless it had ended
        return before.text[-1] in ".:!?"
    return (pitch > 0 and step > _GAP * min(pitch, _DOUBLE_SPACED * line.size)) or (line.x > before.x + 6 and before.text[-1] in ".!?" and not _BULLET.match(first.text))


def _block(run: Sequence[_Line], ranks: dict[float, int], body_bold: bool) -> Block:
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
