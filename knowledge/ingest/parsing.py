"""Bytes to a parsed document, whatever they are. This runs in a process of its own (`knowledge.ingest.worker`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest import charsets
from knowledge.ingest.document import PageBuilder, PageText, ParsedDocument, clean, hides_text
from knowledge.ingest.markup import html_blocks, markdown_blocks
from knowledge.ingest.passages import CitableDocument
from knowledge.ingest.pdf import pdf_blocks
from knowledge.ingest.plain import plain_blocks
from tools.language import READ_LANGUAGES, detect

READER = 1
"""Version of everything that turns bytes into passages. A document that was read by another version is read again."""
SUFFIXES = {
    ".pdf": "application/pdf", ".html": "text/html", ".htm": "text/html", ".xhtml": "text/html", ".md": "text/markdown",
    ".markdown": "text/markdown", ".txt": "text/plain", ".text": "text/plain",
}  # fmt: skip
_FOREIGN_STARTS = (
    (b"PK\x03\x04", "it is a ZIP archive or an office document: unpack it, or save it as PDF"),
    (b"PK\x05\x06", "it is an empty ZIP archive"),
    (b"\x1f\x8b", "it is compressed (gzip): unpack it first"),
    (b"BZh", "it is compressed (bzip2): unpack it first"),
    (b"\xfd7zXZ\x00", "it is compressed (xz): unpack it first"),
    (b"7z\xbc\xaf'\x1c", "it is a 7-Zip archive: unpack it first"),
    (b"Rar!", "it is a RAR archive: unpack it first"),
    (b"\xd0\xcf\x11\xe0", "it is an old office document: save it as PDF"),
    (b"{\\rtf", "it is an RTF document: save it as PDF"),
)
_PDF_MARK, _PDF_REACH = b"%PDF-", 1024
_LANGUAGE_SAMPLE = 4000
_COMMANDS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b(?:\s+\w+){0,3}?\s+(?:(?:previous|prior|above|earlier|preceding|your|system)\b(?:\s+\w+){0,3}?"
    r"\s+(?:instructions?|prompts?|rules|directions|guidelines|guidance|messages?|context)"
    r"|(?:all|any|these|those)(?:\s+\w+){0,2}?\s+(?:instructions?|prompts?))\b"
    r"|\b(?:reader|model|assistant|ai)\b[^.\n]{0,40}\b(?:must|should|shall)\s+(?:ignore|disregard|forget)\b"
    r"|\b(?:system|developer)\s+(?:prompt|message)\b|\byou\s+are\s+(?:now\s+)?(?:an?\s+)?(?:ai|language\s+model|assistant|chatbot)\b"
    r"|\bnew\s+instructions\s*:|<\|[a-z_]{2,20}\|>|\[/?INST\]|</?(?:system|assistant|instructions?)>"
    r"|\b(?:reveal|print|repeat|output)\s+(?:your|the)\s+(?:system\s+)?(?:prompt|instructions)\b"
    r"|\b(?:answer|reply|respond)\s+only\s+(?:with|by|that)\b",
    re.IGNORECASE,
)
"""What orders to a language model look like. They are noted, never followed: a document is data."""


def media_type_of(data: bytes, name: str, stated: str = "") -> str:
    """What a file is, by its content first, then by what the server states, then by its name.

    Raises `DocumentError` for what is none of PDF, HTML, Markdown and text.
    """
    suffix = PurePosixPath(name.lower()).suffix
    if not data.strip():
        raise DocumentError("it is empty")
    if _PDF_MARK in data[:_PDF_REACH]:
        return "application/pdf"
    for start, problem in _FOREIGN_STARTS:
        if data.startswith(start):
            raise DocumentError(problem)
    if "application/pdf" in (SUFFIXES.get(suffix), stated):
        raise DocumentError("it calls itself a PDF but holds none")
    if charsets.is_binary(data):
        raise DocumentError("it is neither PDF nor text")
    if stated in ("text/html", "application/xhtml+xml"):
        return "text/html"
    if stated == "text/markdown" or suffix in (".md", ".markdown"):
        return "text/markdown"
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    return "text/html" if re.match(rb"\s*(?:<!doctype html|<html)\b", data[:_PDF_REACH], re.IGNORECASE) else "text/plain"


def parse(data: bytes, media_type: str, limits: Ingestion, charset: str | None = None) -> ParsedDocument:
    """The document in the bytes. Raises `DocumentError` saying in words what is wrong with it and what to do."""
    if media_type == "application/pdf":
        title, pages, blocks, notes = pdf_blocks(data, limits)
    else:
        text, doubt = charsets.decoded(data, charset, markup=media_type == "text/html")
        hidden = ("characters that hide or reorder text were removed",) if hides_text(text) else ()
        text = clean(text)
        if len(text) > limits.max_characters:
            raise DocumentError(f"its text is longer than {limits.max_characters:,} characters (ingestion.max_characters)")
        if media_type == "text/plain":
            title, notes = "", ()
            pages = (PageText(1, text),)
            blocks = tuple(plain_blocks(pages[0]))
        else:
            read: Callable[[str, int], tuple[str, PageBuilder, tuple[str, ...]]]
            read = html_blocks if media_type == "text/html" else markdown_blocks
            title, builder, notes = read(text, limits.max_characters)
            pages, blocks = (builder.page(),), tuple(builder.blocks)
        notes = (*((doubt,) if doubt else ()), *hidden, *notes)
    ordering = [page.number for page in pages if _COMMANDS.search(page.text)]
    if ordering:
        where = f" (page {ordering[0]}{' and others' if len(ordering) > 1 else ''})" if len(pages) > 1 else ""
        notes = (*notes, f"it contains text that reads like orders to a language model{where}: kept as data, never followed")
    return ParsedDocument(" ".join(clean(title).split())[:200], pages, blocks, media_type, notes)


def with_language(document: CitableDocument) -> CitableDocument:
    """The document with its language, and a note where search will not serve it. Not for the confined process: the detector unpacks its
    model into a temporary file."""
    pages = document.pages
    sample = next((page.text for page in pages if len(page.text) >= _LANGUAGE_SAMPLE / 4), pages[0].text)[:_LANGUAGE_SAMPLE]
    language = detect(sample)
    notes = document.notes
    if language not in READ_LANGUAGES:
        notes = (*notes, f"its language seems to be {language!r}; search is made for English")
    return replace(document, language=language, notes=notes)
