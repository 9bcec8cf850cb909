"""Keys made from content: they change when the words change, and only then."""

from __future__ import annotations

import hashlib

from agent.citations.words import normalise


def content_key(document: str, text: str) -> str:
    """A stable key: the document's slug and a hash of the words. It changes when the words change.

    >>> content_key("nice_ng82", "Refer within 1 working day.") == content_key("nice_ng82", "Refer  within 1 working day. ")
    True
    >>> content_key("d", "10\\u00b2 cells") == content_key("d", "102 cells")
    False
    """
    return f"{document}-{hashlib.sha256(normalise(text).encode()).hexdigest()[:10]}"
