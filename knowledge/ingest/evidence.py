"""A passage of the user's own document as evidence, and the place of a quotation in it."""

from __future__ import annotations

from agent.citations import normalise
from agent.evidence import Evidence, Locator, Source
from knowledge.ingest.store import Document, StoredPassage

ORGANISATION = "own document"
KIND = "document"


def evidence(document: Document, stored: StoredPassage, score: float = 0.0) -> Evidence:
    """The passage as a report cites it. A document of the user's own states no jurisdiction, year or strength that could be trusted."""
    passage = stored.passage
    return Evidence(
        key=stored.key,
        text=passage.text,
        kind=KIND,
        concepts=(),
        source=Source(organisation=ORGANISATION, title=document.title, year=None, section=passage.section, url=document.uri, jurisdiction=""),
        score=score,
        reviewed=document.ingested_at.date(),
        locator=Locator(document=document.id, sha256=document.sha256, page=passage.page, start=passage.start, end=passage.end),
    )


def embedded_text(document: Document, stored: StoredPassage) -> str:
    """What is embedded and searched for a passage: an item of an outline means little without the title and the headings above it."""
    context = ": ".join(part for part in (document.title, stored.passage.section) if part)
    return f"{context}\n{stored.passage.text}"


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
