"""Text as quotations are compared: characters that only look different become one, characters that mean something stay apart.

What may not happen is that a changed meaning passes for a changed look. So a superscript is not a digit (10 to the power of 2 is not
102), a fraction is a number of its own (one and a half is not eleven halves), a struck-out letter is not the letter, a comparator with a
slash is another comparator, and characters that change the direction of writing match nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_LOOKALIKES = str.maketrans(
    {"’": "'", "‘": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "‑": "-", "‐": "-",
     "‒": "-", "―": "-", "−": "-", "…": "...", "⁄": "/", "∕": "/", "æ": "ae", "œ": "oe", "Æ": "AE", "Œ": "OE",
     "µ": "μ", "⩽": "≤", "⩾": "≥", "\u2800": " "}
)  # fmt: skip
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: what stands between them is not read in the order it is written in."""
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {chr(c) for c in range(0xFE00, 0xFE10)}
UNREADABLE = "\ufffd"
"""Stands for a character that must match nothing, itself included."""
_MIXED_NUMBER = re.compile(r"(\d+)?[ \u00a0\u2009\u202f]?([\u00bc-\u00be\u2150-\u215e\u2189])")
_LINE_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010][ \t]*\r?\n[ \t]*(?=[a-z\u00e0-\u00ff])")
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_WORD = re.compile(
    rf"{UNREADABLE}"
    r"|(?:(?<![\w.,])[-+](?=\d))?\d+(?:[.,]\d+)*(?:/\d+(?:[.,]\d+)*)*(?:\^-?\d+)?(?:(?:st|nd|rd|th)\b|\+)?"
    r"|[^\W\d_](?:[^\W_]|[\u0334-\u0338\u20d2-\u20eb]|'(?=[^\W\d_])|(?<=[^\W\d_])\^-?\d+)*"
    r"|<=|>=|[<>=≤≥≠≮≯≰≱≈~±×%°/+§]|[.!?](?=\s|[\"')\]]|$)|[,;:()\[\]]|--?|[^\s\w\"'.!?*_^]"
)
_ENDERS = frozenset(".!?")
_MARKS = frozenset(",;:()[]\"'")
_PER_CENT = re.compile(r"\bper\s+cent\b", re.IGNORECASE)


class Word(NamedTuple):
    """A word, number or symbol as it is compared (`form`), the letters it was written with, and where it stands.

    Sentences, clauses and parts are counted through the whole text. Commas, semicolons, colons and brackets end a clause, semicolons and
    full stops a part.
    """

    form: str
    raw: str
    sentence: int
    clause: int
    part: int


def normalise(text: str) -> str:
    """Text with one look: NFKC where it is safe, one case, plain quotes and dashes, single spaces, no invisible characters.

    >>> normalise("IOP\\u00a0≥ 24\\u200b mmHg")
    'iop ≥ 24 mmhg'
    >>> normalise("10² cells, 1½ tablets, ½ dose")
    '10^2 cells, 1.5 tablets, 0.5 dose'
    """
    return " ".join(_plain(text).casefold().split())


@lru_cache(maxsize=8192)
def words(text: str) -> tuple[Word, ...]:
    """The words of a text, punctuation left out.

    >>> [w.form for w in words("Treat-\\nment with 5mg/day, 10–15\\u00a0mm² (anti-VEGF).")]
    ['treatment', 'with', '5', 'mg', '/', 'day', '10', 'to', '15', 'mm^2', 'anti', 'vegf']
    >>> [w.form for w in words("1,000 cells; 0,5 % or 1.50")]
    ['1000', 'cells', '0.5', '%', 'or', '1.5']
    """
    return tuple(_words(_GROUPED.sub("", text)))


@lru_cache(maxsize=8192)
def forms(text: str) -> tuple[str, ...]:
    """Only the comparable forms of a text's words."""
    return tuple(word.form for word in words(text))


def is_number(form: str) -> bool:
    return form[:1].isdigit() or (form[:1] in "+-" and form[1:2].isdigit())


def disguised(raw: str) -> bool:
    """Whether a word hides what it says: letters of two scripts in one word, a word of another script that passes for a Latin one, struck
    out letters, or turned writing. Greek letters are at home after a capital abbreviation (TNFα) and in micrometres.

    >>> [disguised(w) for w in ("avoid", "аvoid", "TNFα", "μm", "nοt", UNREADABLE)]
    [False, True, False, False, True, True]
    """
    if raw.isascii():
        return False
    if UNREADABLE in raw or any(unicodedata.combining(c) == 1 or unicodedata.category(c) == "Me" for c in raw):
        return True
    letters = [c for c in raw if c.isalpha()]
    foreign = [c for c in letters if not unicodedata.name(c, "").startswith(("LATIN", "FEMININE", "MASCULINE"))]
    if not foreign or (len(letters) == 1 and unicodedata.name(foreign[0], "").startswith(("GREEK", "MICRO"))):
        return False
    latin = "".join(c for c in letters if c not in foreign)
    if all(unicodedata.name(c, "").startswith(("GREEK", "MICRO")) for c in foreign) and len(foreign) == 1 and latin:
        return not ((foreign[0] in "μµ" and raw[0] in "μµ" and len(latin) <= 3) or (latin.isupper() and len(latin) >= 2))
    return True


def _plain(text: str) -> str:
    if text.isascii():
        return text
    folded = "".join(_characters(_MIXED_NUMBER.sub(_fraction, text)))
    return unicodedata.normalize("NFKC", folded).translate(_LOOKALIKES)


def _characters(text: str) -> Iterator[str]:
    before = ""
    for character in text:
        shown = character if character.isascii() else _shown(character, before)
        yield shown
        before = character if shown else before


def _shown(character: str, before: str) -> str:
    if character in _TURNING:
        return UNREADABLE
    category = unicodedata.category(character)
    if category == "Cf" or character in _INVISIBLE:
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Zs", "Zl", "Zp", "Cc"):
        return " "
    plain = unicodedata.normalize("NFKC", character)
    if plain == character or not any(c in "0123456789+-−=()" for c in plain):
        return character
    kind = unicodedata.decomposition(character).partition(" ")[0]
    if kind == "<super>":
        return plain if unicodedata.decomposition(before or " ").startswith("<super>") else f"^{plain}"
    if kind == "<sub>":
        return f"_{plain}" if before.isdigit() else plain
    if kind in ("<wide>", "<narrow>", "<small>", "<fraction>") or not any(c.isdigit() for c in plain):
        return character
    return f" ({plain}) "


def _fraction(match: re.Match[str]) -> str:
    value = Fraction(unicodedata.numeric(match.group(2))).limit_denominator(10)
    whole = int(match.group(1) or 0)
    gap = " " if match.group().startswith((" ", "\u00a0", "\u2009", "\u202f")) else ""
    if 1000 % value.denominator == 0:
        return gap + f"{float(whole + value):.3f}".rstrip("0").rstrip(".")
    return gap + (f"{whole} " if match.group(1) else "") + f"{value.numerator}/{value.denominator}"


def _words(text: str) -> Iterator[Word]:
    plain = _PER_CENT.sub("%", _plain(_LINE_HYPHEN.sub("", text)))
    sentence = clause = part = 0
    found = list(_WORD.finditer(plain))
    for place, match in enumerate(found):
        raw = match.group()
        if raw in _ENDERS:
            ended = _ends(plain, match)
            sentence, part, clause = sentence + ended, part + ended, clause + 1
        elif raw in _MARKS:
            clause, part = clause + 1, part + (raw == ";")
        elif raw in ("-", "--"):
            before, after = plain[match.start() - 1 : match.start()], plain[match.end() : match.end() + 1]
            if place and found[place - 1].group()[0].isdigit() and (after.isdigit() or plain[match.end() :].lstrip()[:1].isdigit()):
                yield Word("to", raw, sentence, clause, part)
            elif before.isspace() or after.isspace() or raw == "--":
                clause += 1
        else:
            yield Word(_form(raw), raw, sentence, clause, part)


def _ends(plain: str, match: re.Match[str]) -> bool:
    """A full stop ends a sentence unless a small letter or a digit follows ("approx. 5", "e.g. steroids")."""
    following = plain[match.end() :].lstrip(" \t\r\n\"')]")[:1]
    return match.group() != "." or not following or not (following.islower() or following.isdigit())


def _form(raw: str) -> str:
    if raw[0].isdigit() or (raw[0] in "+-" and len(raw) > 1):
        return _number(raw)
    lower = raw.casefold()
    if not lower.isascii():
        lower = _without_accents(lower)
    if lower.endswith("n't"):
        return "cannot" if lower == "can't" else lower
    if lower.endswith("'s"):
        lower = lower[:-2]
    return {"percent": "%", "<=": "≤", ">=": "≥", "mcg": "μg", "ug": "μg"}.get(lower, lower)


def _number(raw: str) -> str:
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", raw):
        raw = raw.replace(",", "")
    elif re.fullmatch(r"\d+,\d+", raw):
        raw = raw.replace(",", ".")
    fraction = re.fullmatch(r"([1-7])/([2458])", raw)
    if fraction and int(fraction.group(1)) < int(fraction.group(2)):
        raw = f"{int(fraction.group(1)) / int(fraction.group(2)):.3f}"
    if re.fullmatch(r"[+-]?\d+\.\d+", raw):
        raw = raw.rstrip("0").rstrip(".")
    return raw.casefold()


def _without_accents(word: str) -> str:
    """Accents of Latin letters are a matter of keyboards (Sjögren, Behçet); overlays strike a letter out and stay."""
    kept: list[str] = []
    for character in unicodedata.normalize("NFD", word):
        accent = unicodedata.category(character) == "Mn" and unicodedata.combining(character) > 1
        if not (accent and kept and kept[-1].isascii() and kept[-1].isalpha()):
            kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))
