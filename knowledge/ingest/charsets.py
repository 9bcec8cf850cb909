"""Bytes to text: which encoding a file is in, when it says so and when it does not."""

from __future__ import annotations

import codecs
import re

from agent.errors import DocumentError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_META = re.compile(rb"""<(?:meta\b[^>]{0,200}?\bcharset|\?xml\b[^>]{0,100}?\bencoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_META_REACH = 4096
WEB_DEFAULT = "cp1252"
_OTHER_ALPHABET = 0.25
"""Share of bytes beyond ASCII from which a text is in another alphabet (ours). Below it there is too little to tell code pages apart by,
and it is read as browsers read it."""
_BINARY_SHARE = 0.02
_SAMPLE = 64 * 1024


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text at all: NUL bytes without a UTF-16 or UTF-32 mark, or many other control characters.

    >>> is_binary(bytes(range(32)) * 4), is_binary("Behçet".encode("cp1252"))
    (True, False)
    """
    if data.startswith(tuple(mark for mark, _ in _MARKS)):
        return False
    sample = data[:_SAMPLE]
    controls = sum(byte < 32 and byte not in b"\t\n\r\x0c\x1b" for byte in sample)
    return b"\0" in sample or controls > _BINARY_SHARE * len(sample)


def decoded(data: bytes, declared: str | None = None, *, markup: bool = False) -> tuple[str, str]:
    """The text of the bytes, and a note on how it was decoded (empty where there was no doubt).

    Order: byte order mark, UTF-8, what the file or the server declares, then detection. Raises `DocumentError` for what is no text.

    >>> decoded("2° Sjögren".encode("cp1252"))
    ('2° Sjögren', 'its encoding is not stated: read as cp1252')
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding).removeprefix("\ufeff"), ""
    if is_binary(data):
        raise DocumentError("it is not text")
    try:
        return data.decode(), ""
    except UnicodeDecodeError:
        pass
    found = _META.search(data[:_META_REACH]) if markup else None
    for name in (declared, found.group(1).decode() if found else None):
        try:
            if name:
                return data.decode(name), ""
        except (LookupError, UnicodeDecodeError):
            continue  # a wrong statement is no better than none
    encoding = _detected(data)
    return _strictly(data, encoding), f"its encoding is not stated: read as {encoding}"


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is damaged: its bytes are no {encoding} from byte {error.start} on") from error


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:_SAMPLE]
    if sum(byte >= 0x80 for byte in sample) < _OTHER_ALPHABET * len(sample):
        return WEB_DEFAULT
    best = from_bytes(sample).best()
    if best is None:
        raise DocumentError("its encoding cannot be told: save it as UTF-8")
    return best.encoding
