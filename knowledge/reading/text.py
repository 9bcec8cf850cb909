"""Clinical text as comparable tokens: one spelling, one word for common synonyms, stems, and the character span of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import snowballstemmer

_TOKEN = re.compile(r"[A-Za-zÀ-ÿ]+|\d+(?:[.,]\d+)*|[^\w\s]")
_SPELLING = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"haem", "hem"), (r"aemi", "emi"), (r"oedem", "edem"),
        (r"oea", "ea"),
        (r"aenia", "enia"),
        (r"aesth", "esth"), (r"paed", "ped"), (r"leuco", "leuko"), (r"oeso", "eso"),
        (r"aetio", "etio"), (r"^orthopae", "orthope"), (r"foet", "fet"), (r"(?<=[a-z]{2})our(?=s?$|ed$|ing$)", "or"),
        (r"centre", "center"), (r"fibre", "fiber"), (r"metre", "meter"), (r"(?<=[a-z]{3})is(?=(e|ed|ing|ation)$)", "iz"),
        (r"^grey", "gray"), (r"sulph", "sulf"), (r"diplopi[ac]?$", "diplopia"),
    )
)  # fmt: skip
_SYNONYMS = {
    representative: words.split()
    for representative, words in {
        "vision": "vision visual visually sight eyesight",
        "loss": "loss lost lose losing decreased decrease decreasing reduced reduction reducing diminished diminution impaired impairment "
        "decline declining declined deterioration deteriorated deteriorating drop drops dropped dropping poor dim dimming fell fallen",
        "worse": "worse worsen worsens worsening worsened",
        "hemorrhage": "hemorrhage hemorrhages hemorrhagic bleed bleeds bleeding bleedings",
        "edema": "edema edematous swelling swollen swell swells",
        "disc": "disc discs disk disks",
        "pain": "pain pains painful painfully ache aches ached aching sore soreness hurts hurting hurt",
        "red": "red redness reddened hyperemia hyperemic erythema erythematous",
        "injection": "injection injections inj",
        "aflibercept": "aflibercept eylea lucentis ranibizumab avastin bevacizumab vabysmo faricimab beovu brolucizumab",
        "phaco": "phaco phacoemulsification",
        "surgery": "surgery surgeries operation operations op",
        "sudden": "sudden suddenly abrupt abruptly acute acutely",
        "gradual": "gradual gradually progressive progressively slowly slow insidious insidiously",
        "blurred": "blurred blurry blurring blur hazy",
        "double": "double doubling",
        "pale": "pale pallor pallid",
        "photophobia": "photophobia photophobic photosensitivity",
        "tearing": "tearing watering epiphora lacrimation watery",
        "eyelid": "eyelid eyelids lid lids palpebral",
        "pupil": "pupil pupils pupillary",
        "eye": "eye eyes ocular globe eyeball eyeballs od os ou",
        "cornea": "cornea corneal corneas",
        "retina": "retina retinal retinas",
        "macula": "macula macular maculas",
        "conjunctiva": "conjunctiva conjunctival conjunctivae",
        "choroid": "choroid choroidal",
        "vitreous": "vitreous vitreal",
        "raised": "raised elevated elevation elevating high increased increase",
        "dilated": "dilated dilation dilatation",
        "floaters": "floater floaters",
        "flashes": "flash flashes flashing photopsia photopsias",
        "jaundiced": "jaundice jaundiced",
        "several": "several",
        "headache": "headache headaches cephalgia",
        "itching": "itch itching itchy pruritus",
        "distortion": "distortion distorted metamorphopsia wavy",
    }.items()
}
_WORDLIKE = frozenset(
    "arm cat ran can car cap sad fat pam hat nap map had ped crao pic arn pco "
    "ome ion are all aid aids red bad cord sac odd barn ted pac mog sch may".split()
)
STOP = frozenset(
    "a an the of in on at to and or with for from by is are was were be been has have had he she his her their it its this that as "
    "patient some".split()
)
"""Words a phrase may hold but need not match: they carry no finding of their own."""
_COMPOUNDS = frozenset((("red", "reflex"), ("red", "reflexes"), ("tobacco", "dust"), ("open", "globe"), ("pulsatile", "tinnitus")))
"""Pairs that mean something else together than either word alone: a red reflex is no redness, tobacco dust no smoking. Both words
then match only the same pair."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number or mark: its canonical stem, its character span in the text, its lower case, and whether it stood in capitals."""

    stem: str
    start: int
    end: int
    word: str
    capitals: bool = False


@cache
def _stemmer() -> object:
    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The canonical stem of a word: one case, American spelling, one word per synonym class.

    >>> stem("haemorrhages") == stem("bleeding") == stem("Hemorrhage")
    True
    >>> stem("oedema") == stem("swollen")
    True
    """
    lower = word.lower()
    for pattern, replacement in _SPELLING:
        lower = pattern.sub(replacement, lower)
    return _class_of().get(lower) or str(_stemmer().stemWord(lower))  # type: ignore[attr-defined]


@cache
def _class_of() -> dict[str, str]:
    return {word: f"~{representative}" for representative, words in _SYNONYMS.items() for word in (*words, representative)}


def tokens(text: str) -> tuple[Token, ...]:
    """All tokens of a text, marks included.

    >>> [t.stem for t in tokens("No bleeding.")]
    ['no', '~hemorrhage', '.']
    """
    found = list(_TOKEN.finditer(text))
    words = [m.group().lower() for m in found]
    paired = {at for i, pair in enumerate(pairwise(words)) if pair in _COMPOUNDS for at in (i, i + 1)}
    return tuple(
        Token(f"&{stem(word)}" if i in paired else stem(word), m.start(), m.end(), word, m.group().isupper())
        for i, (m, word) in enumerate(zip(found, words, strict=True))
    )


def content(phrase: str) -> tuple[str, ...]:
    """The stems of a phrase that must be matched, in order.

    >>> content("swelling of the optic disc")
    ('~edema', 'optic', '~disc')
    """
    words = [t for t in tokens(phrase) if t.word[0].isalnum()]
    kept = tuple(required(t) for n, t in enumerate(words) if t.word not in STOP or (n > 0 and t.capitals and len(t.word) == 1))  # "vitamin A"
    return kept or tuple(required(t) for t in words)


def required(token: Token) -> str:
    """What a phrase's word asks of a text: its stem, or for an abbreviation that is also a word ("ON", "DR") the capitals themselves.

    >>> required(tokens("ON")[0]), required(tokens("CRVO")[0])
    ('^on', 'crvo')
    """
    ambiguous = token.capitals and token.word.isalpha() and (len(token.word) <= 2 or token.word in _WORDLIKE)
    return f"^{token.word}" if ambiguous and len(token.word) > 1 else token.stem


def offered(token: Token) -> tuple[str, ...]:
    """What a text's word can satisfy. "RE" and "LE" in capitals are eyes."""
    if not token.capitals:
        return (token.stem,)
    return (token.stem, f"^{token.word}", "~eye") if token.word in ("re", "le") else (token.stem, f"^{token.word}")
