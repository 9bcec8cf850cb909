"""Which eye the words of a sentence speak of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.values import Laterality, Presence
from knowledge.reading.sentence import Sentence

_SIDES: dict[str, Laterality] = {
    **dict.fromkeys(("both", "bilateral", "bilaterally", "ou", "binocular"), "both"),
    **dict.fromkeys(("right", "od", "re", "r"), "right"),
    **dict.fromkeys(("left", "os", "le", "l"), "left"),
}
_NOT_EYES = frozenset(
    "half hemifield field fields gaze arm arms leg legs forearms lower extremity extremities hand hands foot feet face facial hemisphere "
    "ventricular ventricle atrial lobe lung parotid ear ears knee hip shoulder testis breast temple hemiparesis weakness wrist".split()
)
"""A side before these is not the side of an eye: the left half of a field, the right arm."""
_EYES = frozenset("eye eyes pupil lid eyelid cornea disc macula retina fundus".split())
_LOOKING = frozenset("looking look looks gazing gazes towards toward".split())
_APART = {",": 3, "and": 2, "or": 1, "whereas": 6, "while": 6, "but": 6, "with": 1, ".": 9, ";": 9, ":": 0}
"""What a word between a side and the thing adds to their distance in words (ours)."""
_CONTRAST_REACH = 14
_FURTHER = re.compile(
    r"(?:,|\b(?:and|but|while|whereas)\b) ?,? ?(?:it )?(?:is |was )?(present|seen|positive|noted|found|absent|negative|not seen|not present)"
    r" (?:in |on )?(?:the |his |her )?(right|left|other|fellow|od|os|re|le)\b"
)


def side(words: Sequence[str], first: int, last: int) -> Laterality:
    """The eye that words `first` to `last` (inclusive) belong to: the side nearest to them, a comma or a contrast counting as further.

    >>> side("red right eye".split(), 0, 0)
    'right'
    >>> side("loss of the left half of the field in both eyes".split(), 0, 0)
    'both'
    """
    best: tuple[int, Laterality] | None = None
    for at, name in _named(words):
        between = words[at + 1 : first] if at < first else words[last + 1 : at]
        cost = 0 if first <= at <= last else len(between) + 1 + sum(_APART.get(word, 0) for word in between)
        if best is None or cost < best[0]:
            best = (cost, name)
    return best[1] if best else "unknown"


def further(sentence: Sentence, last: int) -> tuple[Presence, Laterality] | None:
    """The second half of a contrast between the eyes: presence and eye of "... and present in the left", which follows token `last`."""
    found = _FURTHER.search(" ".join(t.word for t in sentence.tokens[last + 1 : last + 1 + _CONTRAST_REACH]))
    if found is None:
        return None
    presence: Presence = "absent" if found.group(1) in ("absent", "negative", "not seen", "not present") else "present"
    words = [t.word for t in sentence.tokens]
    first_half = side(words[: last + 1 + len(found.string[: found.start()].split())], last, last)
    named = _SIDES.get(found.group(2))
    return presence, named or ("left" if first_half == "right" else "right" if first_half == "left" else "unknown")


def _named(words: Sequence[str]) -> Iterator[tuple[int, Laterality]]:
    """Every word that names a side of an eye."""
    for at, word in enumerate(words):
        if word in _SIDES and not _of_something_else(words, at):
            yield at, _SIDES[word]
        elif word in ("each", "either") and words[at + 1 : at + 2] == ["eye"]:
            yield at, "both"


def _of_something_else(words: Sequence[str], at: int) -> bool:
    if len(words[at]) == 1 and at > 0 and words[at - 1] in ("/", "µ", "μ"):  # a litre: "10 x 3 /µL", "mg/L"
        return True
    if at > 0 and words[at - 1] in _LOOKING:
        return True
    for word in words[at + 1 : at + 4]:
        if word in _EYES or word in (",", "."):
            return False
        if word in _NOT_EYES:
            return True
    return False
