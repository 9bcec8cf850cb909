"""How numbers are put into words for a reader."""

from __future__ import annotations

import unicodedata

from agent.evidence import Source


def plain_text(text: str, keep: str = "") -> str:
    """Text from outside as harmless text: control and direction-changing characters, but for those in `keep`, are replaced.

    >>> plain_text("a\x1b[31m\u202eb")
    'a\ufffd[31m\ufffdb'
    """
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf") and c not in keep else c for c in text)


def percent(probability: float) -> str:
    """
    >>> percent(0.123), percent(0.9999), percent(0.0001)
    ('12 %', '>99 %', '<1 %')
    """
    return ">99 %" if probability > 0.995 else "<1 %" if probability < 0.005 else f"{probability * 100:.0f} %"


def age_in_words(years: float) -> str:
    """
    >>> age_in_words(61), age_in_words(0.25), age_in_words(0.02)
    ('61 years', '3 months', '7 days')
    """
    if years >= 2:
        return f"{years:.0f} years"
    return f"{years * 12:.0f} months" if years >= 1 / 12 else f"{years * 365:.0f} days"


def named(source: Source) -> str:
    """A source in a line: who says it, where, when; what it does not state is left out."""
    year = f" ({source.year})" if source.year is not None else ""
    return f"{source.organisation}, {source.title}{year}" + (f", {source.section}" if source.section else "")
