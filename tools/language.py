"""Which language a narrative is in, so that Fovea does not pretend to have read one it cannot read."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_ENGLISH = frozenset(
    "the and with from not were been have she his this that which eye eyes right left both old year years history presents presented since "
    "after sudden blurred blurry loss lost pain painful painless swelling swollen redness floaters flashes drops lens cells clear cloudy "
    "days weeks months yesterday today morning week cherry spot spots disc normal headache worse wearer surgery without "
    "vision lids lid cornea yr yrs left-sided".split()
)
"""Words that other languages do not share: "in", "was", "had", "a", "no" or "patient" are common in several."""
READ_LANGUAGES = ("en", "und")
"""What the narrative reader reads; a text too short to tell is tried."""
ENOUGH_WORDS = 6
ENGLISH_SHARE = 0.2
"""Share of distinctly English words from which a text is English whatever the classifier says of its abbreviations (ours)."""
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
    english = sum(word in _ENGLISH for word in words) / max(1, len(words))
    if not foreign_script and english >= ENGLISH_SHARE:
        return "en"  # the classifier costs half a second to load; it is asked where the words leave doubt
    ranked = dict(_identifier().rank(text[:5000]))
    best = max((language for language in ranked if language != "en"), key=lambda language: float(ranked[language]))
    chance = float(ranked.get("en", 0.0))
    if foreign_script or chance < 1 - FOREIGN:
        return str(best)
    return "en" if chance > 0.5 else "und"


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
