"""Differences between two texts that change no meaning, and how to tell one that does."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import lru_cache

import snowballstemmer
from rapidfuzz.distance import OSA, Levenshtein

from agent.citations import vocabulary as v
from agent.citations.meanings import Meanings
from agent.citations.words import Word, disguised, is_number

LONG_WORD, UNTOUCHED = 6, 2
"""A slip of the pen is looked for in words of at least so many letters, after the first few: prefixes turn a meaning."""
_DRUGLIKE = re.compile(
    r"(?:mab|cept|olol|prost|mide|amine|mycin|micin|cillin|oxacin|azole|vir|sone|lone|nide|limus|statin|pril|sartan|ine|one|pine|ide|ate)$"
)
_own = threading.local()


def differences(mine: Sequence[str], told: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """The stretches in which two texts differ, as positions in either; neighbouring differences are one."""
    blocks: list[tuple[int, int, int, int]] = []
    for op in Levenshtein.opcodes(mine, told):
        if op.tag == "equal":
            continue
        if blocks and blocks[-1][1] == op.src_start and blocks[-1][3] == op.dest_start:
            blocks[-1] = (blocks[-1][0], op.src_end, blocks[-1][2], op.dest_end)
        else:
            blocks.append((op.src_start, op.src_end, op.dest_start, op.dest_end))
    return blocks


def tolerable(here: Sequence[Word], there: Sequence[Word], meanings: Meanings | None) -> bool:
    """Whether a difference between quote and passage changes no meaning."""
    if any(disguised(w.raw) for w in (*here, *there)):
        return False
    if all(w.form in v.ARTICLES_AND_COPULAS for w in (*here, *there)):
        return True
    if here and there and _joined(here) == _joined(there):
        both = {w.form for w in (*here, *there)}
        return not any(map(is_number, both)) and both.isdisjoint(v.SEPARATING | v.NEGATIVE)
    kept = [[w for w in side if w.form not in v.ARTICLES_AND_COPULAS] for side in (here, there)]
    return len(kept[0]) == len(kept[1]) and all(_same(a, b, meanings) for a, b in zip(*kept, strict=True))


def _joined(side: Sequence[Word]) -> str:
    return "".join(w.form for w in side)


def _same(mine: Word, told: Word, meanings: Meanings | None) -> bool:
    """Whether one word may stand for another: a number as a word, an inflection, a spelling, a slip of the pen."""
    a, b = mine.form, told.form
    if a == b:
        return True
    if is_number(a) or is_number(b):
        return v.NUMBER_WORDS.get(a, a) == v.NUMBER_WORDS.get(b, b)
    if not (a.isalpha() and b.isalpha()):
        return False
    if _spelled(a) == _spelled(b):
        return True
    if a in v.PROTECTED or b in v.PROTECTED:
        return v.UNITS[a] == v.UNITS[b] if a in v.UNITS and b in v.UNITS else a not in v.UNITS and root(a) == root(b)
    if root(a) == root(b):
        return True
    return _slip(a, b, meanings)


def _slip(mine: str, told: str, meanings: Meanings | None) -> bool:
    if meanings is None or min(len(mine), len(told)) < LONG_WORD or mine[:UNTOUCHED] != told[:UNTOUCHED]:
        return False
    if _DRUGLIKE.search(mine) or _DRUGLIKE.search(told) or meanings.drugs(told) or meanings.known(mine):
        return False
    return int(OSA.distance(mine, told, score_cutoff=1)) == 1


def described(here: Sequence[Word], there: Sequence[Word]) -> str:
    mine, told = " ".join(w.raw for w in here), " ".join(w.raw for w in there)
    if any(disguised(w.raw) for w in here):
        return f"{mine!r} hides letters of another script, struck-out letters or turned writing"
    if not mine:
        return f"the passage has {told!r}, which the quote leaves out"
    return f"the passage has {told!r} where the quote says {mine!r}" if told else f"the quote adds {mine!r}"


_SPELLINGS = tuple(
    (re.compile(pattern), american)
    for pattern, american in (
        ("haem", "hem"), ("aemi", "emi"), ("oede", "ede"), ("oesoph", "esoph"), ("oea", "ea"), ("paed", "ped"), ("aesth", "esth"),
        ("leuco", "leuko"), ("foet", "fet"), ("aetio", "etio"), ("(?<=[a-z]{2})our(?=s?$|ed$|ing$)", "or"), ("centre", "center"),
        ("fibre", "fiber"), ("metre", "meter"), ("litre", "liter"), ("(?<=[a-z]{3})is(?=(e|ed|es|ing|ation|er)$)", "iz"),
        ("^grey", "gray"), ("sulph", "sulf"), ("(?<=[a-z]{2})ll(?=(ed|ing)$)", "l"), ("isk", "isc"), ("ciclo", "cyclo"), ("acic", "acyc"),
        ("gramme", "gram"), ("tumour", "tumor"), ("naev", "nev"), ("diarrh", "diarrh"), ("licence", "license"), ("dioptre", "diopter"),
    )
)  # fmt: skip


@lru_cache(maxsize=16384)
def _spelled(word: str) -> str:
    """One spelling for British and American: they are the same word."""
    for pattern, american in _SPELLINGS:
        word = pattern.sub(american, word)
    return word


def root(word: str) -> str:
    """The stem of a word in one spelling: what its inflections share."""
    return _stem(_spelled(word))


@lru_cache(maxsize=16384)
def _stem(word: str) -> str:
    if not hasattr(_own, "stemmer"):  # a stemmer keeps its word in itself: one for each thread
        _own.stemmer = snowballstemmer.stemmer("english")
    return str(_own.stemmer.stemWord(word))
