"""A document as it was read: the text of its pages, and the blocks (headings, items of lists, paragraphs) that lie in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "item", "paragraph"]
HEADING_LEVELS = 6
PARAGRAPH_LEVEL = HEADING_LEVELS + 1
DEEPEST_LEVEL = PARAGRAPH_LEVEL + 24
"""Lists nested more deeply than this (24) are read as nested this deep: no reader follows them, and recursion stays bounded."""


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of one page, counted from 1. Documents without pages (HTML, Markdown, plain text) have one."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A run of text on one page, as offsets into that page's text.

    `level` orders blocks into a tree: headings 1 to 6, paragraphs 7, items of lists and outlines 8 and more. A block belongs to the
    nearest block before it with a smaller level.
    """

    page: int
    start: int
    end: int
    kind: Kind
    level: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser made of a file. `title` is the document's own, empty where it has none; `notes` say what a reader should know."""

    title: str
    pages: tuple[PageText, ...]
    blocks: tuple[Block, ...]
    media_type: str
    notes: tuple[str, ...] = ()


_REMOVED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
    "\ud800-\udfff]"
)
"""Control characters, and invisible ones that a reader of the page cannot see: they could carry words the doctor never reads. The joiners
of Persian and the Indic scripts stay."""
_HIDING = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


def clean(text: str) -> str:
    """Text with Unix line ends and without control and invisible characters.

    >>> clean("a\\r\\nb\\u200bc")
    'a\\nbc'
    """
    return _REMOVED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n"))


def hides_text(text: str) -> bool:
    """Whether a text holds characters that reorder or hide what is written."""
    return bool(_HIDING.search(text))


class PageBuilder:
    """One page written block by block, for documents whose source is markup."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self.blocks: list[Block] = []

    def add(self, text: str, kind: Kind, level: int) -> None:
        """Adds a block on lines of its own; white space at its ends goes, and an empty one is left out."""
        text = text.strip()
        if not text:
            return
        if self._parts:
            gap = "\n" if kind == "item" and self.blocks[-1].kind == "item" else "\n\n"
            self._parts.append(gap)
            self._length += len(gap)
        self.blocks.append(Block(1, self._length, self._length + len(text), kind, min(level, DEEPEST_LEVEL)))
        self._parts.append(text)
        self._length += len(text)

    @property
    def length(self) -> int:
        return self._length

    def page(self) -> PageText:
        return PageText(1, "".join(self._parts))
