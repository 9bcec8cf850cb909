"""Which language a narrative is in, so that Fovea does not pretend to have read one it cannot read."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_ENGLISH = frozenset(
    "the a an of and to in with for on at is was were are be been has had have no not from by he she his her it this that patient eye eyes "
    "right left both vision old year years history pain presents presented since after over".split()
)
ENOUGH_WORDS = 6
ENGLISH_SHARE = 0.15
"""Share of common English words above which a text is English without asking the classifier (ours)."""
FOREIGN = 0.95
"""Probability of being anything but English from which a text in Latin script counts as foreign (ours)."""


def detect(text: str) -> str:
    """ISO 639-1 code, or 'und' for a text too short or too mixed to tell. Terse clinical English counts as English.

    >>> detect("Patient presents with pain in the right eye since this morning")
    'en'
    >>> detect("ok")
    'und'
    """
    words = re.findall(r"[^\W\d_]+", text.lower())
    letters = "".join(words)
    foreign_script = sum(ord(letter) >= 0x250 for letter in letters) > len(letters) / 2
    if not foreign_script and len(words) < ENOUGH_WORDS:
        return "und"
    if not foreign_script and sum(word in _ENGLISH for word in words) / len(words) >= ENGLISH_SHARE:
        return "en"
    ranked = dict(_identifier().rank(text[:5000]))
    best = max((language for language in ranked if language != "en"), key=lambda language: float(ranked[language]))
    return str(best) if foreign_script or float(ranked.get("en", 0.0)) < 1 - FOREIGN else "und"


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
