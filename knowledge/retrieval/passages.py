"""What is indexed: guideline statements, and passages of the user's own documents, as evidence with the words they are found by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Protocol

from agent.citations import content_key
from agent.evidence import Evidence
from knowledge.library import Library
from knowledge.reading.text import STOP, tokens
from knowledge.redflags import source_of
from knowledge.schema import Document, Statement

KINDS = ("time_frame", "document", "diagnosis", "management", "monitoring", "screening", "risk")
"""Kinds of passage in the order in which a condition's are taken in turn; what the user added comes soon, or why was it added."""


class OwnPassages(Protocol):
    """The user's own documents, as the index sees them."""

    def digest(self) -> str:
        """Changes when any passage does."""
        ...

    def evidence(self) -> Iterable[Evidence]:
        """Every passage, its concepts not yet resolved."""
        ...


def key_of(statement: Statement) -> str:
    """The statement's content key."""
    return content_key(statement.document, statement.text)


def statement_evidence(library: Library, statement: Statement) -> Evidence:
    """The statement as evidence, with its content key, source, validity and the statements it disagrees with; no score yet."""
    document = library.document[statement.document]
    return Evidence(
        key=key_of(statement),
        text=statement.text,
        kind=statement.kind,
        concepts=statement.concepts,
        source=source_of(document, statement.section),
        score=0.0,
        strength=statement.strength,
        reviewed=document.reviewed,
        review_by=document.review_by,
        outdated=_replaced(library, document),
        disputes=tuple(key_of(library.statement[other]) for other in library.disputes(statement.id)),
    )


def dated(evidence: Evidence, today: date) -> Evidence:
    """The evidence as it is on a day: past its review date it is out of date."""
    if evidence.outdated or evidence.review_by is None or today <= evidence.review_by:
        return evidence
    return evidence.model_copy(update={"outdated": f"past its review date, {evidence.review_by.isoformat()}"})


def lexical_text(text: str) -> str:
    """A text as words for a lexical index: canonical stems, so that spelling, inflection and common synonyms do not matter.

    >>> lexical_text("Haemorrhages of the retinas") == lexical_text("retinal bleeding")
    False
    >>> sorted(lexical_text("Haemorrhages of the retinas").split()) == sorted(lexical_text("retinal bleeding").split())
    True
    """
    return " ".join(_words(text))


def lexical_words(query: str) -> list[str]:
    """The distinct words of a query, as `lexical_text` writes them."""
    return list(dict.fromkeys(_words(query)))


def _words(text: str) -> Iterator[str]:
    for token in tokens(text):
        if token.word[0].isalnum() and token.word not in STOP:
            yield "".join(c for c in token.stem if c.isalnum())


def _replaced(library: Library, document: Document) -> str:
    if document.withdrawn is not None:
        return f"withdrawn on {document.withdrawn.isoformat()}"
    if document.superseded_by is not None:
        newer = library.document[document.superseded_by]
        return f"superseded by {newer.organisation}, {newer.title} ({newer.year})"
    return ""
