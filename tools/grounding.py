"""The markup of grounded reports, written and read: `<ref>Hard exudate</ref><box>[[x1, y1, x2, y2], ...]</box>`, integers 0 to 999,
upper-left then lower-right corner (FundusExpert)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.imaging import Box

MAX_BOXES = 10
"""Boxes a structure has in a report: the largest, as Fundus-Engine keeps them."""
NAMES = {
    "optic_disc": "Optic disc",
    "fovea": "Fovea",
    "hard_exudate": "Hard exudate",
    "haemorrhage": "Haemorrhage",
    "microaneurysm": "Microaneurysm",
    "soft_exudate": "Soft exudate",
    "drusen": "Drusen",
    "neovascularisation": "Neovascularisation",
}
_MARKED = re.compile(r"(?:<ref>(?P<ref>[^<]*)</ref>\s*)?<box>(?P<box>.*?)(?P<end></box>|(?=<ref>|<box>)|$)", re.DOTALL)
_CORNERS = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Grounded:
    """What a text points at: the words of its `ref` (empty where there is none) and their boxes."""

    name: str
    boxes: tuple[Box, ...]


def marked(name: str, boxes: Iterable[Box]) -> str:
    """
    >>> marked("Optic disc", [Box(x1=0.1, y1=0.2, x2=0.3, y2=0.4)])
    '<ref>Optic disc</ref><box>[[100, 200, 300, 400]]</box>'
    """
    return f"<ref>{name}</ref><box>{[list(box.to_999()) for box in boxes]}</box>"


def largest(boxes: Iterable[Box], most: int = MAX_BOXES) -> list[Box]:
    """The `most` largest of the boxes, largest first."""
    return sorted(boxes, key=lambda box: (box.x2 - box.x1) * (box.y2 - box.y1), reverse=True)[:most]


def read_boxes(text: str) -> list[Grounded]:
    """What the markup in a text points at, in its order. Text without markup gives nothing.

    Models write loosely: spaces, line breaks, a single pair of brackets, a missing `ref`, swapped corners, whole numbers written as
    12.0, and 1000 for the far edge are all read. Raises ValueError, quoting the box, for anything that is not four such numbers,
    and for a box that is opened and not closed.

    >>> read_boxes("<ref>Drusen</ref> <box>[[10, 20, 30.0, 1000]]</box>")[0].boxes[0].to_999()
    (10, 20, 30, 999)
    >>> read_boxes("<box>[[1, 2, x]]</box>")
    Traceback (most recent call last):
    ...
    ValueError: box '1, 2, x': wants four numbers x1, y1, x2, y2
    """
    found = []
    for match in _MARKED.finditer(text):
        inside = match["box"].strip()
        if match["end"] != "</box>":
            raise ValueError(f"box {_quoted(inside)} is not closed by </box>")
        parts = _CORNERS.findall(inside) or [inside]
        if _CORNERS.sub("", inside).strip(" \t\r\n,;[]") and _CORNERS.search(inside):
            raise ValueError(f"box {_quoted(inside)}: holds more than lists of numbers")
        boxes = tuple(box_of(part) for part in parts if part.strip()) if inside.strip("[] \t\r\n") else ()
        found.append(Grounded((match["ref"] or "").strip(), boxes))
    return found


def box_of(text: str) -> Box:
    """The box of four numbers 0 to 999 in a text. Raises ValueError, quoting them, for anything else.

    >>> box_of("300, 400, 100, 200").to_999()
    (100, 200, 300, 400)
    """
    words = [word for word in re.split(r"[\s,;]+", text.strip()) if word]
    if len(words) != 4:
        raise ValueError(f"box {_quoted(text)}: wants four numbers x1, y1, x2, y2")
    x1, y1, x2, y2 = (_number(word, text) for word in words)
    return Box.from_999((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))


def _number(word: str, text: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}(\.0*)?", word):
        raise ValueError(f"box {_quoted(text)}: {word[:20]!r} is not an integer")
    value = int(word.split(".")[0])
    if not 0 <= value <= 1000:
        raise ValueError(f"box {_quoted(text)}: {value} is outside 0 to 999")
    return min(value, 999)


def _quoted(text: str) -> str:
    return repr(text.strip()[:60])
