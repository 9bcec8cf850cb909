"""How well narratives are read: findings, negation, side, subject, time course and measurements, against the annotated sample.

Usage: python -m evals.reading [--errors] [--folder DIR]      (`--errors` lists the mistakes of the development half, never of the test half)

Findings: a mention counts as found when a finding of one of its ids overlaps it; a more general finding at the same place is neither
right nor wrong. `strict` asks for the right presence too. The contexts are asked at the annotated spans, so that a missing phrase does
not hide a wrong negation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.domain import Finding
from evals.narratives import FOLDER
from evals.reading_gold import GoldMention, GoldText, sentences, vignettes
from knowledge.library import Library, read
from knowledge.reading.context import context
from knowledge.reading.demographics import demographics
from knowledge.reading.measurements import quantities
from knowledge.reading.narrative import NarrativeReader
from knowledge.reading.quantity import Quantity
from knowledge.reading.sentence import sentences as split

_DERIVED = frozenset("bilateral_involvement unilateral_involvement sudden_onset gradual_onset subacute_onset logmar".split())
"""Findings about the other findings: how they run is scored as their course and side."""
_COURSES = ("acute", "subacute", "chronic", "past")
_VALUE, _AGE = 0.02, 5.0
"""How far a value may be off, in the unit of its kind or as a share; and an age given as a decade, in years."""


class Tally:
    """Counts by (measure, split), and what went wrong in words."""

    def __init__(self) -> None:
        self.right: Counter[tuple[str, str]] = Counter()
        self.all: Counter[tuple[str, str]] = Counter()
        self.errors: list[str] = []

    def add(self, measure: str, text: GoldText, right: bool, words: str = "") -> None:
        self.all[measure, text.split] += 1
        self.right[measure, text.split] += right
        if not right and text.split == "development":
            self.errors.append(f"{measure:12} {text.name}: {words}")

    def share(self, measure: str, half: str) -> float | None:
        n = self.all[measure, half]
        return self.right[measure, half] / n if n else None


def score(texts: Iterable[GoldText], reader: NarrativeReader, library: Library) -> Tally:
    tally = Tally()
    for text in texts:
        _findings(tally, text, reader.mentions(text.text), library)
        _contexts(tally, text)
        _quantities(tally, text, list(quantities(text.text)))
        _person(tally, text)
    return tally


def _findings(tally: Tally, text: GoldText, found: list[Finding], library: Library) -> None:
    told = [f for f in found if f.start is not None and f.finding_id not in _DERIVED]
    for m in text.mentions:
        here = [f for f in told if _overlap(f, m) and f.finding_id in dict(_labels(m))]
        words = f"{m.ids[0]} {text.text[m.start : m.end]!r}"
        if m.subject == "patient" and m.in_lexicon:
            tally.add("recall", text, bool(here), words)
            tally.add("strict recall", text, any((f.finding_id, f.presence) in _labels(m) for f in here), words)
        elif m.subject == "patient":
            tally.add("no entry", text, False)
    for f in told:
        if f.source == "measurement":
            continue
        near = [m for m in text.mentions if _overlap(f, m) and (m.subject == "patient" or "family" in f.finding_id)]
        fitting = [m for m in near if f.finding_id in dict(_labels(m))]
        if not fitting and any(f.finding_id in _general(m, library) for m in near):
            continue
        words = f"{f.finding_id} {f.presence} {f.quote!r}"
        tally.add("precision", text, bool(fitting), words)
        strict = any((f.finding_id, f.presence) in _labels(m) for m in fitting)
        tally.add("strict precision", text, strict, words)


def _labels(m: GoldMention) -> list[tuple[str, str]]:
    """Finding ids with their presence; no pain and painless are one."""
    labels = list(zip(m.ids, m.presence, strict=True))
    return [*labels, ("painless", "present")] if ("ocular_pain", "absent") in labels else labels


def _general(m: GoldMention, library: Library) -> set[str]:
    """Every finding that those of a mention imply."""
    known, queue = set(m.ids), list(m.ids)
    for name in queue:
        entry = library.finding.get(name)
        queue += [general for general in entry.implies if general not in known] if entry else []
        known.update(queue)
    return known


def _overlap(f: Finding, m: GoldMention) -> bool:
    return f.start is not None and f.end is not None and f.start < m.end and m.start < f.end


def _contexts(tally: Tally, text: GoldText) -> None:
    kept = tuple(split(text.text))
    for m in text.mentions:
        sentence = next((s for s in kept if s.start < m.end and m.start < s.start + len(s.text)), None)
        if sentence is None:
            continue
        inside = [n for n, t in enumerate(sentence.tokens) if sentence.start + t.start < m.end and m.start < sentence.start + t.end]
        told = context(sentence, inside[0], inside[-1], normal=m.ids[0].startswith(("normal_", "full_")))
        words = f"{text.text[max(0, m.start - 40) : m.end + 30]!r} [{text.text[m.start : m.end]}]"
        if len(set(m.presence)) == 1:
            tally.add("presence", text, told.presence == m.presence[0], f"{told.presence} for {m.presence[0]}: {words}")
        tally.add("subject", text, told.family == (m.subject == "family"), f"family={told.family}: {words}")
        if m.side is not None:
            tally.add("side", text, told.laterality == m.side, f"{told.laterality} for {m.side}: {words}")
        if m.course is not None:
            tally.add("past", text, (told.course == "past") == (m.course == "past"), f"{told.course} for {m.course}: {words}")
        if m.course in _COURSES and set(m.presence) != {"absent"}:
            tally.add("course", text, told.course == m.course, f"{told.course} for {m.course}: {words}")


def _quantities(tally: Tally, text: GoldText, found: list[Quantity]) -> None:
    open_ = list(found)
    for q in text.quantities:
        near = [f for f in open_ if f.measure == q.kind and f.start < q.end and q.start < f.end + 2]
        best = min(near, key=lambda f: (abs(f.value - q.value), q.side not in (None, f.laterality)), default=None)
        words = f"{q.kind} {q.value:g} {q.side} {text.text[max(0, q.start - 20) : q.end + 20]!r}"
        tally.add("quantity recall", text, best is not None and _close(best.value, q.value), f"{best} for {words}")
        if best is not None:
            open_.remove(best)
            if _close(best.value, q.value) and q.side is not None:
                tally.add("quantity side", text, best.laterality == q.side, f"{best.laterality}: {words}")
        tally.add("quantity precision", text, best is not None and _close(best.value, q.value)) if best is not None else None
    for f in open_:
        if not any(a < f.end and f.start < b for a, b in text.unscored):
            tally.add("quantity precision", text, False, f"{f.measure} {f.value:g} {text.text[f.start : f.end]!r}")


def _person(tally: Tally, text: GoldText) -> None:
    told = demographics(text.text)
    age = text.who.get("age")
    if age is not None:
        tally.add("age", text, told.age is not None and abs(told.age - age) <= (_AGE if age >= 20 else 0.3), f"{told.age}")
    if text.who.get("sex") is not None:
        tally.add("sex", text, told.sex == text.who["sex"], f"{told.sex}")


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= max(_VALUE, 0.005 * abs(b))


def milliseconds(texts: Iterable[GoldText], reader: NarrativeReader, length: int = 3000) -> tuple[float, float]:
    """Median processor time (ms) to read one text, and to read `length` characters at that pace."""
    kept = list(texts)
    times = [_timed(lambda t=t: reader.read(t.text)) for t in kept for _ in range(3)]  # type: ignore[misc]
    total = sum(len(t.text) for t in kept) * 3
    return statistics.median(times) * 1000, sum(times) / total * length * 1000


def _timed(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


MEASURES = (
    "recall", "precision", "strict recall", "strict precision", "no entry", "presence", "subject", "side", "past", "course",
    "quantity recall", "quantity precision", "quantity side", "age", "sex",
)  # fmt: skip


def table(name: str, tally: Tally) -> list[str]:
    lines = [f"{name:22} {'development':>18} {'test':>18}"]
    for measure in MEASURES:
        cells = [_cell(tally, measure, half) for half in ("development", "test")]
        lines.append(f"{measure:22} {cells[0]:>18} {cells[1]:>18}")
    for prefix in ("", "strict "):
        f1 = [_f1(tally.share(f"{prefix}precision", h), tally.share(f"{prefix}recall", h)) for h in ("development", "test")]
        lines.append(f"{prefix + 'F1':22} {f1[0]:>18.3f} {f1[1]:>18.3f}")
    return lines


def _cell(tally: Tally, measure: str, half: str) -> str:
    value, n = tally.share(measure, half), tally.all[measure, half]
    if measure == "no entry":
        return str(n)
    return "-" if value is None else f"{value:.3f} ({tally.right[measure, half]}/{n})"


def _f1(precision: float | None, recall: float | None) -> float:
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--errors", action="store_true")
    arguments.add_argument("--folder", type=Path, default=FOLDER)
    given = arguments.parse_args()
    library = read()
    reader = NarrativeReader(library)
    sets = {"own sentences": list(sentences())}
    if given.folder.is_dir():
        sets["vignettes"] = list(vignettes(given.folder))
    for name, texts in sets.items():
        tally = score(texts, reader, library)
        print("\n".join(table(f"{name} ({len(texts)})", tally)))
        median, long = milliseconds(texts, reader)
        print(f"{median:.2f} ms a text (median), {long:.2f} ms for 3,000 characters\n")
        if given.errors:
            print("\n".join(tally.errors), end="\n\n")


if __name__ == "__main__":
    main()
