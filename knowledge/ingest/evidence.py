"""A passage of the user's own document as evidence, and the place of a quotation in it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote as escaped

from agent.citations import normalise
from agent.evidence import Evidence, Locator, Source
from knowledge.ingest.sources import is_address
from knowledge.ingest.store import Document, DocumentStore, StoredPassage

ORGANISATION = "own document"
KIND = "document"
FRAGMENT_WORDS = 6
"""Words at either end of a passage that mark it in an address."""


def evidence(document: Document, stored: StoredPassage, score: float = 0.0) -> Evidence:
    """The passage as a report cites it. A document of the user's own states no jurisdiction, year or strength that could be trusted."""
    passage = stored.passage
    return Evidence(
        key=stored.key,
        text=passage.text,
        kind=KIND,
        concepts=(),
        source=Source(
            organisation=ORGANISATION, title=document.title, year=None, section=passage.section, url=opens_at(document, stored), jurisdiction=""
        ),
        score=score,
        reviewed=document.ingested_at.date(),
        locator=Locator(document=document.id, sha256=document.sha256, page=passage.page, start=passage.start, end=passage.end),
    )


def opens_at(document: Document, stored: StoredPassage, words: str | None = None) -> str:
    """The address at which a browser opens the passage, or the given words of it: a page of a PDF (RFC 8118), the text itself on a web
    page (a text fragment, WICG); for other files the file."""
    if document.media_type == "application/pdf":
        return f"{document.uri}#page={stored.passage.page}"
    if is_address(document.uri):
        marked = (words or stored.passage.text).split()
        first, last = " ".join(marked[:FRAGMENT_WORDS]), " ".join(marked[-FRAGMENT_WORDS:])
        span = escaped(first, safe="") if len(marked) <= FRAGMENT_WORDS else f"{escaped(first, safe='')},{escaped(last, safe='')}"
        return f"{document.uri.partition('#')[0]}#:~:text={span.replace('-', '%2D')}"
    return document.uri


class StoredPassages:
    """The documents of a store, as an index sees them (`knowledge.retrieval.passages.OwnPassages`)."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def digest(self) -> str:
        """Empty where there are no documents."""
        return self._store.digest() if self._store.documents() else ""

    def evidence(self) -> Iterator[Evidence]:
        documents = {document.id: document for document in self._store.documents()}
        return (evidence(documents[stored.document], stored) for stored in self._store.passages() if stored.document in documents)


def quoted_span(stored: StoredPassage, page_text: str, quote: str) -> tuple[int, int] | None:
    """Where a quotation opens: the offsets of the fewest whole sentences of the passage that hold it, None when none do.

    `page_text` is the text of the passage's page. Raises `ValueError` for an empty quotation.
    """
    needle = normalise(quote)
    if not needle:
        raise ValueError("an empty quotation stands everywhere")
    spans = stored.passage.sentences
    best: tuple[int, int] | None = None
    for first, (start, _) in enumerate(spans):
        for _, end in spans[first:]:
            if best is not None and end - start >= best[1] - best[0]:
                break
            if needle in normalise(page_text[start:end]):
                best = (start, end)
                break
    return best
