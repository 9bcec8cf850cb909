"""Ways in which a claim says other or more than its quote: opposites, denials, dropped exceptions and conditions, stronger words.

Each function returns why the claim is not borne out, or an empty string.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from agent.citations import vocabulary as v
from agent.citations.polarity import AFFIRMED, DENIED, OPEN, covered, negative, polarities
from agent.citations.quoting import differences
from agent.citations.words import Word, is_number

REACH = 6
"""Words to either side within which one word speaks of another."""
COPIED = 6
"""Words in a row that a claim has in common with its quote from which they say the same as there."""
ALTERED, SHORT = 0.25, 2
"""Share of a claim's words up to which it counts as a repetition of its quote, and words that a dropped negation may take along."""
MARGIN = 1.25
"""How much nearer the wrong one of two must be before a claim counts as mixing them up (ours)."""
_PLAIN = v.EMPTY | v.LINKS | set(v.UNITS)
_POLES: dict[str, list[tuple[str, int]]] = defaultdict(list)
for _axis, _poles in v.AXES.items():
    for _pole, _words in enumerate(_poles):
        for _word in _words.split():
            _POLES[_word].append((_axis, _pole))


@dataclass(frozen=True)
class Text:
    """A text as the second gate sees it: its words, the stem of each, whether each is denied, and which it has copied from the other."""

    words: tuple[Word, ...]
    stems: tuple[str, ...]
    polarity: tuple[str, ...]
    copied: frozenset[int] = frozenset()

    @classmethod
    def of(cls, words: Sequence[Word], stems: Sequence[str], source: Sequence[Word] = ()) -> Text:
        """`source` is the text that runs of `COPIED` words may be copied from."""
        mine, theirs = [w.form for w in words], [w.form for w in source]
        known = {tuple(theirs[at : at + COPIED]) for at in range(len(theirs) - COPIED + 1)}
        runs = [at for at in range(len(mine) - COPIED + 1) if tuple(mine[at : at + COPIED]) in known] if known else []
        copied = frozenset(place for at in runs for place in range(at, at + COPIED))
        return cls(tuple(words), tuple(stems), tuple(polarities(words)), copied)

    @cached_property
    def forms(self) -> set[str]:
        return {w.form for w in self.words}


def opposite(claim: Text, quote: Text, topic: Set[str]) -> str:
    """A direction, side, order or stage that the quote does not name, or names for something else."""
    named = quote.forms
    for at, word in enumerate(claim.words):
        if at in claim.copied:
            continue
        for axis, pole in _POLES.get(word.form, ()):
            places = _poles(quote, axis)
            others = [p for other, found in places.items() if other != pole for p in found]
            if pole not in places:
                if word.form in named or claim.stems[at] in topic or (len(_POLES[word.form]) > 1 and not others):
                    continue
                if others:
                    return f"the claim says {word.raw!r}, the quote {quote.words[others[0]].raw!r}"
                if axis in v.STRICT_AXES:
                    return f"the claim says {word.raw!r}, which the quote does not"
            elif others and len(_POLES[word.form]) == 1 and mixed(claim, at, quote, places[pole], others):
                return f"the claim says {word.raw!r} of what the quote calls {quote.words[others[0]].raw!r}"
    return ""


def denied(claim: Text, quote: Text, topic: Set[str]) -> str:
    """A word that the claim affirms and the quote denies, or the other way round."""
    told: dict[str, set[str]] = defaultdict(set)
    for stem, mark in zip(quote.stems, quote.polarity, strict=True):
        told[stem].add(mark)
    for word, stem, mark in zip(claim.words, claim.stems, claim.polarity, strict=True):
        if mark == OPEN or word.form in v.LINKS or negative(word.form) or stem in topic or not word.form[0].isalpha():
            continue
        if stem in told and mark not in told[stem] and OPEN not in told[stem]:
            return f"the claim {'denies' if mark == DENIED else 'affirms'} {word.raw!r}, the quote does the opposite"
    marked = zip(claim.words, claim.stems, claim.polarity, strict=True)
    if any(m == DENIED and s not in topic and not negative(w.form) for w, s, m in marked) and not any(negative(w.form) for w in quote.words):
        return "the claim denies something, the quote denies nothing"
    return _prefixed(claim, quote)


def dropped(claim: Text, quote: Text, topic: Set[str]) -> str:
    """An exception or a condition that governs what the claim says, and that the claim does not make."""
    said = {s for s, w in zip(claim.stems, claim.words, strict=True) if w.form not in v.LINKS}
    telling = {s for s, w in zip(claim.stems, claim.words, strict=True) if _tells(w)} - topic
    made = {phrase for phrase in v.EXCEPTIONS if covered(claim.words, (phrase,))}
    for phrase in v.EXCEPTIONS:
        for at in sorted(covered(quote.words, (phrase,)))[:: len(phrase.split())]:
            if phrase == "only":
                missing = "only" not in made and bool(telling & {quote.stems[p] for p in _around(quote, at) if _tells(quote.words[p])})
            else:
                excepted = {quote.stems[p] for p in _opened(quote, at + len(phrase.split()) - 1) if _tells(quote.words[p])} - topic
                taken = len(excepted & telling) * 2 > len(excepted) > 0
                missing = not made and not _denies(claim) and (taken or _governed(said, quote, _ruled(quote, at, back=True)))
            if missing:
                return f"the claim leaves out {phrase!r}"
    if claim.forms.isdisjoint(v.CONDITIONS):
        for at, word in enumerate(quote.words):
            if word.form in v.CONDITIONS and not (word.form == "once" and at and quote.words[at - 1].form == "at"):
                condition = {quote.stems[p] for p in _opened(quote, at) if _tells(quote.words[p])}
                known = condition & (telling | topic)
                if condition and not known and _governed(said, quote, _ruled(quote, at, back=False)):
                    return f"the claim leaves out the condition after {word.raw!r}"
    return ""


def stronger(claim: Text, quote: Text) -> str:
    """A must where the quote says should, a should where it says may, an all where it says some."""
    for word in claim.words:
        if word.form in v.QUANTIFIERS and quote.forms.isdisjoint(v.QUANTIFIERS):
            return f"the claim says {word.raw!r}, the quote does not"
        if word.form in v.STRONG_MODALS and quote.forms.isdisjoint(v.STRONG_MODALS):
            return f"the claim says {word.raw!r}, the quote does not"
    if claim.forms.isdisjoint(v.WEAK_MODALS):
        weak = [at for at, w in enumerate(quote.words) if w.form in v.WEAK_MODALS]
        said = {s for s, w in zip(claim.stems, claim.words, strict=True) if _tells(w)}
        for at in weak:
            after = [p for p in range(at + 1, len(quote.words)) if quote.words[p].clause == quote.words[at].clause and _tells(quote.words[p])]
            governed = {quote.stems[p] for p in after[:2]}
            if governed and governed <= said:
                return f"the quote says {quote.words[at].raw!r}, the claim does not"
    return ""


def reversed_order(claim: Text, quote: Text) -> str:
    """Two things compared, with what is said of the one said of the other."""
    for phrase in v.COMPARATIVES:
        mine, told = _cut(claim, phrase), _cut(quote, phrase)
        if mine is None or told is None:
            continue
        crossing = (mine[0] - mine[1]) & (told[1] - told[0]) | (mine[1] - mine[0]) & (told[0] - told[1])
        if crossing:
            return f"the claim turns round what the quote compares with {phrase!r}"
    return ""


def altered(claim: Text, quote: Text, topic: Set[str], names: Set[str]) -> str:
    """A claim that repeats its quote but for a word on which the meaning turns. `names` are stems of drugs, of either."""
    blocks = differences([w.form for w in claim.words], [w.form for w in quote.words])
    changed = sum(last - first for first, last, _, _ in blocks)
    if changed > ALTERED * len(claim.words):
        return ""
    for first, last, there, end in blocks:
        mine = [p for p in range(first, last) if claim.stems[p] not in topic]
        told = {quote.words[p].form: quote.stems[p] for p in range(there, end)}
        new = next((p for p in mine if claim.words[p].form not in told and _turned(claim, p, told, names)), None)
        if new is not None:
            return f"the claim repeats the quote but for {claim.words[new].raw!r}"
        lost = next((w for w in told if negative(w)), None)
        if lost is not None and end - there <= SHORT and not any(negative(claim.words[p].form) for p in mine):
            return f"the claim repeats the quote but leaves out {lost!r}"
    return ""


def _turned(claim: Text, at: int, told: Mapping[str, str], names: Set[str]) -> bool:
    """Whether a word of the claim denies, or stands for another drug, another number or the opposite of what the quote has there."""
    form, stem = claim.words[at].form, claim.stems[at]
    if negative(form) or (form in v.NUMBER_WORDS and any(w in v.NUMBER_WORDS for w in told)):
        return True
    if stem in names:
        return any(s in names and s != stem for s in told.values())
    axes = dict(_POLES.get(form, ()))
    return any(axes.get(axis, pole) != pole for word in told for axis, pole in _POLES.get(word, ()))


def contrasted(claim: Text, quote: Text) -> str:
    """What a "whereas" says of the one said of the other."""
    for at, word in enumerate(quote.words):
        if word.form in ("whereas", "unlike") and claim.forms.isdisjoint(v.CONTRASTS):
            halves = [{quote.stems[p] for p in places if _tells(quote.words[p])} for places in (range(at), range(at, len(quote.words)))]
            said = {s for s, w in zip(claim.stems, claim.words, strict=True) if _tells(w)}
            if said & (halves[0] - halves[1]) and said & (halves[1] - halves[0]):
                return f"the claim mixes what the quote sets apart by {word.raw!r}"
    return ""


def mixed(claim: Text, at: int, quote: Text, right: Iterable[int], wrong: Iterable[int]) -> bool:
    """Whether the words around a claim's word stand, in the quote, nearer to a wrong place than to any right one."""
    neighbours = {claim.stems[p]: abs(p - at) for p in _reach(claim, at) if p != at and _tells(claim.words[p])}
    if not neighbours:
        return False
    best = [max((_nearness(quote, place, neighbours) for place in places), default=0.0) for places in (right, wrong)]
    return best[1] > MARGIN * best[0]


def _nearness(quote: Text, place: int, neighbours: Mapping[str, int]) -> float:
    total = 0.0
    for stem in neighbours:
        distance = min((abs(p - place) for p in _reach(quote, place) if quote.stems[p] == stem), default=None)
        if distance is not None:
            total += 1 / (1 + distance)
    return total


def _reach(text: Text, at: int) -> list[int]:
    """Positions near a word in its own clause, or in its sentence where the clause is that word's alone."""
    near = range(max(0, at - REACH), min(len(text.words), at + REACH + 1))
    return [p for p in near if text.words[p].sentence == text.words[at].sentence and abs(text.words[p].clause - text.words[at].clause) <= 0]


def _poles(quote: Text, axis: str) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for place, word in enumerate(quote.words):
        for name, pole in _POLES.get(word.form, ()):
            if name == axis:
                found[pole].append(place)
    return found


def _tells(word: Word) -> bool:
    return word.form not in _PLAIN and word.form[0].isalpha() and not negative(word.form)


def _around(text: Text, at: int) -> list[int]:
    return [p for p in range(max(0, at - 3), min(len(text.words), at + 4)) if p != at and text.words[p].clause == text.words[at].clause]


def _opened(quote: Text, at: int) -> list[int]:
    """The words that a conjunction opens, up to the next comma."""
    return [p for p in range(at + 1, len(quote.words)) if quote.words[p].clause == quote.words[at].clause]


def _ruled(quote: Text, at: int, *, back: bool) -> list[int]:
    """What an exception or a condition governs: the words before it in its clause; where it opens its clause, what comes before that
    clause (an exception) or after it (a condition)."""
    clause = quote.words[at].clause
    before = [p for p in range(at) if quote.words[p].clause == clause]
    if any(_tells(quote.words[p]) or is_number(quote.words[p].form) for p in before):
        return before
    same = [p for p in range(len(quote.words)) if quote.words[p].sentence == quote.words[at].sentence]
    return [p for p in same if (p < at if back or not any(q > at and quote.words[q].clause != clause for q in same) else p > at)]


def _governed(said: Set[str], quote: Text, places: Sequence[int]) -> bool:
    """Whether at least half of what the claim says stands at these places."""
    return 2 * len(said & {quote.stems[p] for p in places}) >= len(said) > 0


def _denies(claim: Text) -> bool:
    return any(w.form in ("not", "no", "without") for w in claim.words)


def _cut(text: Text, phrase: str) -> tuple[set[str], set[str]] | None:
    """The telling stems before and after a comparing phrase, within reach."""
    places = sorted(covered(text.words, (phrase,)))
    if not places:
        return None
    first, last = places[0], places[len(phrase.split()) - 1]
    if last + 1 < len(text.words) and is_number(text.words[last + 1].form):
        return None
    clause = text.words[first].clause
    near = range(max(0, first - 2 * REACH), min(len(text.words), last + 1 + 2 * REACH))
    beside = [p for p in near if _tells(text.words[p]) and text.words[p].clause == clause]
    return {text.stems[p] for p in beside if p < first}, {text.stems[p] for p in beside if p > last}


def _prefixed(claim: Text, quote: Text) -> str:
    """An "untreated" for a "treated"."""
    mine, told = claim.forms, quote.forms
    for one, other, who in ((mine, told, "claim"), (told, mine, "quote")):
        for word in one:
            for prefix in v.OPPOSITE_PREFIXES:
                plain = word.removeprefix(prefix)
                if plain != word and len(plain) >= 5 and plain in other and word not in other and plain not in one:
                    return f"the {who} says {word!r}, the other {plain!r}"
    return ""


__all__ = ["AFFIRMED", "Text", "altered", "contrasted", "denied", "dropped", "mixed", "opposite", "reversed_order", "stronger"]
