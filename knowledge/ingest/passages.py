"""A document cut into passages: whole sentences of one heading on one page, long enough to mean something on their own.

Blocks form a tree (headings, paragraphs, items of outlines). A subtree that is small enough stays whole; a larger one gives its own line
as the context of its parts. Neighbours under one parent are joined until a passage has about `TARGET` words. What is too short to
stand alone is joined beyond that, up to `MOST`, and then also across a heading; the passage's section is what its parts share.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from agent.errors import DocumentError
from knowledge.ingest.document import Block, PageText, ParsedDocument
from knowledge.ingest.sentences import sentence_spans

LEAST, TARGET, MOST = 25, 90, 130
"""Words. Embedding models of MiniLM's kind read 256 word pieces, about 170 words of clinical English."""
KEPT = 4
"""A passage of fewer words says nothing that could be cited, and is left out."""
_FRAGMENT = 8
"""Words of what may be joined to the passage before it even beyond `MOST`."""
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|(?:(?![{_IDEOGRAPHS}])[^\W_])+(?:[.,'’/-](?:(?![{_IDEOGRAPHS}])[^\W_])+)*")
_LABEL = 80
_PATH = 240
ARROW = " > "


@dataclass(frozen=True, slots=True)
class Passage:
    """What can be cited. `start` and `end` are offsets into the text of page `page`, `sentences` those of each of its sentences.

    `text` is that stretch of the page with its white space folded: one line a block. `section` is the path of headings and parent items.
    """

    page: int
    start: int
    end: int
    section: str
    text: str
    sentences: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CitableDocument:
    """A document as it is stored. `language` is an ISO 639-1 code, "und" where nobody looked or could tell."""

    title: str
    media_type: str
    pages: tuple[PageText, ...]
    passages: tuple[Passage, ...]
    notes: tuple[str, ...] = ()
    language: str = "und"


@dataclass(slots=True)
class _Node:
    block: Block
    words: int
    last_page: int
    headings: int
    """Headings in the subtree, its own among them."""
    children: list[_Node] = field(default_factory=list)


@dataclass(slots=True)
class _Piece:
    """Text that is not cut: a sentence, or a small subtree. A `lead` is the own line of a larger subtree, and stays with what follows."""

    page: int
    sentences: list[tuple[int, int]]
    words: int
    path: tuple[str, ...]
    lead: bool = False
    heading: bool = False


def word_count(text: str) -> int:
    """Words of a text; every character counts where words are not written apart.

    >>> word_count("IOP 24.5 mmHg, anti-VEGF"), word_count("緑内障")
    (4, 3)
    """
    return sum(1 for _ in _WORD.finditer(text))


def citable(document: ParsedDocument) -> CitableDocument:
    """The document with its passages. Raises `DocumentError` when it has none."""
    found = tuple(passages(document))
    if not found:
        raise DocumentError("it holds no text that could be cited")
    return CitableDocument(document.title, document.media_type, document.pages, found, document.notes)


def passages(document: ParsedDocument) -> Iterator[Passage]:
    """The passages of a document in its order. Every block's text is in one of them, but for what is shorter than `KEPT` words and headings
    with nothing under them on their page."""
    texts = {page.number: page.text for page in document.pages}
    starts: dict[int, list[int]] = {}
    for block in document.blocks:
        starts.setdefault(block.page, []).append(block.start)
    pieces = [piece for node in _forest(document.blocks, texts) for piece in _pieces(node, (), texts)]
    for group in _joined(_grouped(pieces)):
        if _words(group) < KEPT or all(piece.heading for piece in group):
            continue
        page, start, end = group[0].page, group[0].sentences[0][0], group[-1].sentences[-1][1]
        sentences = tuple(span for piece in group for span in piece.sentences)
        yield Passage(page, start, end, _section(group), _folded(texts[page], start, end, starts[page]), sentences)


def _forest(blocks: Iterable[Block], texts: dict[int, str]) -> list[_Node]:
    roots: list[_Node] = []
    open_nodes: list[_Node] = []
    for block in blocks:
        node = _Node(block, word_count(texts[block.page][block.start : block.end]), block.page, int(block.kind == "heading"))
        while open_nodes and open_nodes[-1].block.level >= block.level:
            _close(open_nodes)
        (open_nodes[-1].children if open_nodes else roots).append(node)
        open_nodes.append(node)
    while open_nodes:
        _close(open_nodes)
    return roots


def _close(open_nodes: list[_Node]) -> None:
    node = open_nodes.pop()
    if open_nodes:
        open_nodes[-1].words += node.words
        open_nodes[-1].headings += node.headings
        open_nodes[-1].last_page = max(open_nodes[-1].last_page, node.last_page)


def _pieces(node: _Node, path: tuple[str, ...], texts: dict[int, str]) -> Iterator[_Piece]:
    block, text = node.block, texts[node.block.page]
    label = _label(block, text) if node.children or block.kind == "heading" else ""
    inner = (*path, label) if label else path
    most = TARGET if node.headings <= 1 else LEAST
    if node.children and node.words <= most and node.last_page == block.page:
        yield _Piece(block.page, list(_all_sentences(node, text)), node.words, inner if block.kind == "heading" else path)
        return
    for start, end in _sentences(block, text):
        words = word_count(text[start:end])
        lead = bool(label) and end == block.end
        yield _Piece(block.page, [(start, end)], words, inner if lead else path, lead, block.kind == "heading")
    for child in node.children:
        yield from _pieces(child, inner, texts)


def _sentences(block: Block, text: str) -> Iterator[tuple[int, int]]:
    """The sentences of a block; one that is longer than a passage may be is cut between words."""
    if block.kind == "heading":
        yield block.start, block.end
        return
    for start, end in sentence_spans(text[block.start : block.end]):
        start, end = start + block.start, end + block.start
        words = list(_WORD.finditer(text, start, end))
        if len(words) > MOST:
            for at in range(TARGET, len(words), TARGET):
                yield start, words[at - 1].end()
                start = words[at].start()
        yield start, end


def _all_sentences(node: _Node, text: str) -> Iterator[tuple[int, int]]:
    yield from _sentences(node.block, text)
    for child in node.children:
        yield from _all_sentences(child, text)


def _label(block: Block, text: str) -> str:
    """What a block is called in the path of its children: a heading or item, and a paragraph only where it is short and no sentence."""
    words = " ".join(text[block.start : block.end].split()).strip("-*+•‣◦▪–/# ").rstrip(":")
    if block.kind == "paragraph" and (len(words) > _LABEL or words.endswith((".", "!", "?"))):
        return ""
    return words if len(words) <= _LABEL else words[: _LABEL - 1].rsplit(" ", 1)[0] + "…"


def _grouped(pieces: Iterable[_Piece]) -> list[list[_Piece]]:
    groups: list[list[_Piece]] = []
    for piece in (*pieces, None):
        if len(groups) > 1 and _leaves(groups[-1], piece) and _follows_on(groups[-2], groups[-1]):
            rest = groups.pop()
            groups[-1].extend(rest)  # the end of a section stays in it, however short
        if piece is not None and groups and _goes_with(groups[-1], piece):
            groups[-1].append(piece)
        elif piece is not None:
            groups.append([piece])
    return groups


def _words(group: Sequence[_Piece]) -> int:
    return sum(piece.words for piece in group)


def _leaves(group: Sequence[_Piece], piece: _Piece | None) -> bool:
    """Whether a group is too short to stand alone, and the next piece, or the end, lies outside the section or the page that it ends in."""
    path = group[-1].path
    return _words(group) < LEAST and (piece is None or piece.page != group[-1].page or piece.path[: len(path)] != path)


def _follows_on(before: Sequence[_Piece], group: Sequence[_Piece]) -> bool:
    same = before[-1].page == group[0].page and before[-1].path == group[0].path == group[-1].path
    return same and not group[0].lead and _words(before) + _words(group) <= MOST


def _goes_with(group: Sequence[_Piece], piece: _Piece) -> bool:
    last, words = group[-1], _words(group)
    if last.page != piece.page or words + piece.words > MOST:
        return False
    if last.lead or words < LEAST:
        return True
    if piece.lead:
        return False
    return (piece.words < LEAST or piece.path == last.path) and words + piece.words <= TARGET


def _joined(groups: Iterable[list[_Piece]]) -> Iterator[list[_Piece]]:
    """Groups, with a fragment that stands alone joined to what precedes it on its page."""
    before: list[_Piece] | None = None
    for group in groups:
        if before is not None and _words(group) < _FRAGMENT and before[-1].page == group[0].page and not any(piece.heading for piece in group):
            before.extend(group)
            continue
        if before is not None:
            yield before
        before = group
    if before is not None:
        yield before


def _section(group: Sequence[_Piece]) -> str:
    """The path that all of a group's text shares, else the one it begins under. Its leading lines count as headings of the rest."""
    paths = [piece.path for piece in group if not piece.lead] or [group[-1].path]
    shared = [level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False))]
    shared = shared or list(paths[0])
    section = ARROW.join(shared)
    while len(section) > _PATH and len(shared) > 2:
        shared = [shared[0], "…", *shared[3 if shared[1] == "…" else 2 :]]
        section = ARROW.join(shared)
    return section


def _folded(text: str, start: int, end: int, starts: Sequence[int]) -> str:
    cuts = [start, *starts[bisect_right(starts, start) : bisect_left(starts, end)], end]
    return "\n".join(" ".join(text[a:b].split()) for a, b in pairwise(cuts))
