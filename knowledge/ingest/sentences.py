"""Where the sentences of a document begin and end, as character spans.

The narrative reader's splitter (`knowledge.reading.sentence`) ends a sentence at every line, which is right for notes and wrong for the
wrapped lines of a page. The splitters on PyPI are unmaintained or bring a hundred megabytes, and none knows a reference number after its
full stop ("was seen.4,5 The next").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STOP = re.compile(
    r"""(?P<mark>(?<![.!?])[.!?]++|(?<![。！？])[。！？]++)   # the stop itself; possessive: a page of dots must not cost its square
        (?P<close>["'”’»)\]]*+)
        (?P<reference>(?<=[a-z)\]][.!?])\d{1,3}(?:\ ?[,–-]\ ?\d{1,3})*)?  # a superscript number that the extraction flattened
        (?P<gap>\s+|$|(?<=[。！？]))""",
    re.VERBOSE,
)
_NEVER = frozenset("e.g i.e dr mr mrs ms prof vs cf viz al fig figs eq st approx incl".split())
"""Abbreviations that never end a sentence."""
_BEFORE_NUMBERS = frozenset(
    "no nos sec sect ref refs vol p pp ch art jan feb mar apr jun jul aug sep sept oct nov dec".split()
)  # fmt: skip
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘]*$")
_INITIAL = re.compile(r"[A-Za-z]|(?:[A-Z]\.)+[A-Z]")
"""A single letter ("S. aureus") or capitals with stops ("U.S."); "q.i.d." and "i.v." may end a sentence."""
_OPENING = re.compile(r"[\"'“‘«(\[•*–-]*\s*(?:[^\W\d_a-zß-öø-ÿ]|\d|[a-z]{1,2}[A-Z])")
"""What a sentence begins with: a capital (or a letter of a script without case), a number, or a name like "pH" and "eGFR"."""


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """The (start, end) of every sentence, without the white space around it; a text without a full stop is one sentence.

    >>> text = "Treat e.g. with S. aureus cover.3 Is it 0.3 logMAR? Then\\nrefer."
    >>> [text[start:end] for start, end in sentence_spans(text)]
    ['Treat e.g. with S. aureus cover.3', 'Is it 0.3 logMAR?', 'Then\\nrefer.']
    """
    begin = 0
    for stop in _STOP.finditer(text):
        if stop.end() == len(text) or _ends(text, begin, stop):
            yield from _trimmed(text, begin, stop.end())
            begin = stop.end()
    yield from _trimmed(text, begin, len(text))


def _ends(text: str, begin: int, stop: re.Match[str]) -> bool:
    if stop["mark"][0] in "。！？":
        return True
    if not _OPENING.match(text, stop.end()):
        return False
    if stop["mark"] != "." or stop["close"] or stop["reference"]:
        return True
    found = _WORD_BEFORE.search(text[max(begin, stop.start() - 40) : stop.start()])
    word = found.group() if found else ""
    if word.lower() in _NEVER or _INITIAL.fullmatch(word):
        return False
    if word.lower() in _BEFORE_NUMBERS and text[stop.end()].isdigit():
        return False
    # "1. Measure the pressure." is one item of a list.
    return not (word.isdigit() and not text[begin : stop.start()].removesuffix(word).strip())


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if piece.strip():
        yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
