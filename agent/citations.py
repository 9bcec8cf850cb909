"""Citations that can be checked: keys made from content, and a verdict for every quotation."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping

from agent.evidence import Citation, Claim, Evidence

_LOOKALIKES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-", "−": "-", "…": "..."})
MIN_QUOTE_CHARACTERS = 12


def content_key(document: str, text: str) -> str:
    """A stable key: the document's slug and a hash of the words. It changes when the words change.

    >>> content_key("nice_ng82", "Refer within 1 working day.") == content_key("nice_ng82", "Refer  within 1 working day. ")
    True
    """
    return f"{document}-{hashlib.sha256(normalise(text).encode()).hexdigest()[:10]}"


def normalise(text: str) -> str:
    """Text as quotations are compared: NFKC, one case, plain quotes and dashes, single spaces, no invisible characters.

    >>> normalise("IOP ≥ 24 mmHg")
    'iop ≥ 24 mmhg'
    """
    folded = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES).casefold()
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp") else c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


def holds(quote: str, passage: str) -> bool:
    """Whether the quotation stands word for word in the passage, whole words only.

    >>> holds("within 1 day", "Refer within 1  day.")
    True
    >>> holds("ithin 1 day", "Refer within 1 day.")
    False
    """
    needle, hay = normalise(quote), normalise(passage)
    if len(needle) < MIN_QUOTE_CHARACTERS:
        return False
    start = hay.find(needle)
    while start >= 0:
        end = start + len(needle)
        before = start == 0 or not (hay[start - 1].isalnum() and needle[0].isalnum())
        after = end == len(hay) or not (hay[end].isalnum() and needle[-1].isalnum())
        if before and after:
            return True
        start = hay.find(needle, start + 1)
    return False


def checked(citation: Citation, passage: Callable[[str], Evidence | None], shown: Mapping[str, Evidence]) -> Citation:
    """The citation with its verdict: `supported` when its own passage holds the quote, `misattributed` when another passage that was
    shown does, else `not_found`. An unknown key can never be supported. The source is filled in from the passage itself."""
    own = passage(citation.key)
    if own is not None and holds(citation.quote, own.text):
        return citation.model_copy(update={"verdict": "supported", "source": own.source})
    elsewhere = any(holds(citation.quote, other.text) for key, other in shown.items() if key != citation.key)
    source = own.source if own is not None else None
    return citation.model_copy(update={"verdict": "misattributed" if elsewhere else "not_found", "source": source})


def verified(claim: Claim, passage: Callable[[str], Evidence | None], shown: Mapping[str, Evidence]) -> Claim:
    """The claim with every citation checked; it counts as supported only when one of them is."""
    citations = tuple(checked(citation, passage, shown) for citation in claim.citations)
    return claim.model_copy(update={"citations": citations, "supported": any(c.verdict == "supported" for c in citations)})
