"""A reply as Markdown that stands on its own: its marks become footnotes, each with the quote it rests on and where that stands."""

from __future__ import annotations

import re

from agent.conversation.values import Reply
from agent.domain import DISCLAIMER
from agent.evidence import Citation
from agent.wording import named, plain_text

_MARK = re.compile(r"\[(\d+)\]")
_MARKUP = re.compile(r"[\\`*_\[\]<]")
"""What opens an element, a link, a mark or an emphasis."""
_WEB = re.compile(r"https?://[^\s<>]+")


def markdown(reply: Reply) -> str:
    """The text of a reply, its question if it has one, footnotes, and the disclaimer."""
    cited = dict(enumerate(cited_claims(reply), 1))
    used: list[int] = []

    def footnote(match: re.Match[str]) -> str:
        number = int(match.group(1))
        if number not in cited:
            return match.group(0)
        used.append(number)
        return f"[^{number}]"

    parts = [_MARK.sub(footnote, reply.text)]
    if reply.question is not None and reply.question.text not in reply.text:
        parts.append(f"**{reply.question.text}**")
    notes = "\n".join(f"[^{number}]: {_note(cited[number])}" for number in sorted(set(used)))
    parts += [notes] if notes else []
    if DISCLAIMER not in reply.text:
        parts.append(f"*{DISCLAIMER}*")
    return "\n\n".join(parts)


def cited_claims(reply: Reply) -> tuple[tuple[Citation, ...], ...]:
    """What the marks count: the claims that carry a supported citation, in order, each with the citations whose quote was verified."""
    supported = (tuple(c for c in claim.citations if c.verdict == "supported") for claim in reply.claims)
    return tuple(citations for citations in supported if citations)


def _note(citations: tuple[Citation, ...]) -> str:
    """One line: Markdown ends a footnote at an empty one."""
    return "; ".join(_quoted(citation) for citation in citations)


def _quoted(citation: Citation) -> str:
    source = citation.source
    if source is None:
        return f"“{_shown(citation.quote)}”"
    # A document of the user's own may name any address: only what a browser opens as a page becomes a link.
    link = f" <{source.url}>" if _WEB.fullmatch(source.url) else ""
    return f"“{_shown(citation.quote)}” ({_shown(named(source))}){link}"


def _shown(text: str) -> str:
    r"""Text as it will be read: Markdown and HTML in it are characters, and do nothing.

    >>> _shown("IOP <script> of [1] *21*")
    'IOP \\<script> of \\[1\\] \\*21\\*'
    """
    return _MARKUP.sub(r"\\\g<0>", plain_text(" ".join(text.split())))
