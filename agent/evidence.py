"""What a report may lean on: statements with their source and place, and the claims and citations that quote them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from agent.values import Value

Verdict = Literal["pending", "supported", "misattributed", "frankenquote", "not_found", "not_bearing"]
"""What the check of a quotation found.

pending: not checked yet. supported: the quote stands in its passage and bears on the claim. misattributed: it stands in another
passage. frankenquote: its parts stand in the passage, the whole does not. not_found: it stands nowhere. not_bearing: it stands in its
passage but says something else than the claim, or the opposite.
"""


class Source(Value):
    """The document a statement comes from. `year` is None where a document of the user's own states none."""

    organisation: str
    title: str
    year: int | None
    section: str
    url: str
    jurisdiction: str


class Locator(Value):
    """Where a passage stands in an ingested document.

    `start` and `end` are character offsets into the extracted text of page `page` (counted from 1; documents without pages have one),
    of the file whose bytes have this sha256.
    """

    document: str
    sha256: str
    page: Annotated[int, Field(ge=1)]
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]


class Evidence(Value):
    """A retrieved statement. `key` is a content hash: it changes when the words change.

    `strength` is the body's own grading of a recommendation, empty where it gives none. `reviewed` is the day the words here were last
    held against the document, `review_by` the day by which the body
    means to revise it. `outdated` says why the statement no longer holds (empty: it does). `disputes` are the keys of statements
    by other bodies that say something else on the same matter.
    """

    key: str
    text: str
    kind: str
    concepts: tuple[str, ...]
    source: Source
    score: float
    strength: str = ""
    reviewed: date | None = None
    review_by: date | None = None
    outdated: str = ""
    disputes: tuple[str, ...] = ()
    locator: Locator | None = None


class Citation(Value):
    """A quotation and the verdict of the check against its passage.

    `similarity` is how near the quote comes to the best place in the passage, 0 to 1; `why` says in words what is wrong.
    """

    key: str
    quote: str
    verdict: Verdict = "pending"
    source: Source | None = None
    similarity: Annotated[float, Field(ge=0, le=1)] | None = None
    why: str = ""


class Claim(Value):
    """A sentence of the report. It counts as cited only when a citation of it is supported.

    `heading` is Fovea's own word on what the sentence is about and where it applies; it asserts nothing and is not checked.
    """

    text: str
    heading: str = ""
    citations: tuple[Citation, ...] = ()
    supported: bool = False
