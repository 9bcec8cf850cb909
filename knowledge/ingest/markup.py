"""HTML and Markdown: what a reader of the page sees, block by block. Scripts, styles and hidden elements are not read.

selectolax (Lexbor) parses HTML as browsers do, in C. Markdown is rendered by markdown-it-py and read the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from agent.errors import DocumentError
from knowledge.ingest.document import PARAGRAPH_LEVEL, PageBuilder

_DROPPED = frozenset(
    "script style template noscript head iframe object embed applet svg math canvas audio video map nav aside footer form button select "
    "option input textarea dialog link meta base".split()
)
_DROPPED_ROLES = frozenset("navigation banner contentinfo search dialog".split())
_BLOCKS = frozenset(
    "address article blockquote body caption center dd details div dl dt fieldset figcaption figure header hgroup hr html li main ol p pre "
    "section summary table tbody tfoot thead tr ul".split()
)
_LISTS = frozenset(("ul", "ol", "dl", "menu"))
_CELLS = frozenset(("td", "th"))
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size)\s*:\s*0(?![.\d])", re.IGNORECASE)
_HEADING = re.compile(r"h([1-6])")
_SPACE = re.compile(r"[^\S\n]*\n[^\S\n]*|[^\S\n]+")
_RUN = re.compile(r"\s+")
_MAIN_LENGTH = 200
"""Characters from which a page's own <main> is trusted to be the page (ours)."""
_NESTING = 150
"""Levels of Markdown that are read: each level of a list counts twice, and what is nested more deeply is lost."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title\s*:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)


def html_blocks(text: str, limit: int) -> tuple[str, PageBuilder, tuple[str, ...]]:
    """Title, page and notes of an HTML document. Raises `DocumentError` beyond `limit` characters.

    >>> title, page, notes = html_blocks("<title>T</title><h2>Dose</h2><p>One <b>drop</b>.<script>x</script>", 1000)
    >>> title, page.page().text, notes
    ('T', 'Dose\\n\\nOne drop.', ('1 script was left out',))
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    found = tree.css_first("head > title") or tree.css_first("h1")
    title = " ".join(found.text(deep=True).split()) if found is not None else ""
    scripts = len(tree.css("script"))
    main = tree.css_first("main, [role=main]")
    builder = PageBuilder()
    if main is not None and len(main.text(deep=True)) >= _MAIN_LENGTH:
        _Walk(builder, limit).run(main)
    if not builder.blocks and tree.root is not None:
        _Walk(builder, limit).run(tree.body if tree.body is not None else tree.root)
    return title, builder, (f"{scripts} script{'s were' if scripts > 1 else ' was'} left out",) if scripts else ()


def markdown_blocks(text: str, limit: int) -> tuple[str, PageBuilder, tuple[str, ...]]:
    """Title, page and notes of a Markdown document (CommonMark with tables). A front matter gives the title and is not read otherwise."""
    from markdown_it import MarkdownIt

    front = _FRONT_MATTER.match(text)
    titled = _FRONT_TITLE.search(front.group(1)) if front else None
    rendered = MarkdownIt("commonmark", {"maxNesting": _NESTING}).enable("table").render(text[front.end() :] if front else text)
    title, builder, notes = html_blocks(rendered, limit)
    return titled.group(1) if titled else title, builder, notes


class _Walk:
    """One pass over a tree, without recursion: a document may nest as deeply as it likes."""

    def __init__(self, builder: PageBuilder, limit: int) -> None:
        self._builder = builder
        self._limit = limit
        self._words: list[str] = []
        self._size = 0
        self._lists = 0
        self._heading = 0
        self._preformatted = 0
        self._rows = 0

    def run(self, root: Any) -> None:
        for node, entering in _events(root):
            if node.is_text_node:
                self._add(node.text_content or "", keep_lines=self._preformatted > 0)
            else:
                self._element(node.tag, 1 if entering else -1)
        self._flush()

    def _element(self, tag: str, step: int) -> None:
        heading = _HEADING.fullmatch(tag)
        if tag in _BLOCKS or heading or tag in _LISTS:
            self._flush()
        elif tag == "br":
            if step > 0:
                self._words.append("\n")
        elif tag in _CELLS and step > 0 and any(word.strip() for word in self._words):
            self._words.append(" | ")
        if tag in _LISTS:
            self._lists += step
        elif tag == "pre":
            self._preformatted += step
        elif tag == "tr":
            self._rows += step
        elif heading:
            self._heading = int(heading.group(1)) if step > 0 else 0

    def _add(self, text: str, *, keep_lines: bool) -> None:
        self._words.append(text if keep_lines else " ".join(_RUN.split(text)))
        self._size += len(text)
        if self._size > self._limit:
            raise DocumentError(f"its text is longer than {self._limit:,} characters (ingestion.max_characters)")

    def _flush(self) -> None:
        text = _SPACE.sub(lambda gap: "\n" if "\n" in gap.group() else " ", "".join(self._words)).strip(" |\n")
        self._words.clear()
        depth = self._lists + (1 if self._rows else 0)
        if self._heading:
            self._builder.add(" ".join(text.split()), "heading", self._heading)
        else:
            self._builder.add(text, "item" if depth else "paragraph", PARAGRAPH_LEVEL + depth)


def _events(root: Any) -> Iterator[tuple[Any, bool]]:
    """Every text node, and every element that is seen twice: on the way in and on the way out."""
    yield root, True
    node, climbing = root.child, False
    while node is not None:
        if not climbing:
            if node.is_text_node:
                yield node, True
            elif node.is_element_node and _is_read(node):
                yield node, True
                if node.child is not None:
                    node = node.child
                    continue
                yield node, False
        following = node.next
        if following is not None:
            node, climbing = following, False
            continue
        node, climbing = node.parent, True
        if node is None or node.mem_id == root.mem_id:
            break
        yield node, False
    yield root, False


def _is_read(node: Any) -> bool:
    if node.tag in _DROPPED:
        return False
    attributes = node.attributes
    if not attributes:
        return True
    style = attributes.get("style") or ""
    return not ("hidden" in attributes or attributes.get("role") in _DROPPED_ROLES or _HIDDEN.search(style))
