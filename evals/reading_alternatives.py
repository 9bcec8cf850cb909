"""The annotated spans under two libraries for clinical context, as alternatives to `knowledge.reading.context`.

Usage, in an environment that has them: python -m evals.reading_alternatives      (pip install medspacy negspacy pyyaml)

medspacy: its ConText with PyRuSH's sentence splitter, with the rules it ships and with triggers of this field added. negspacy: NegEx on
a blank English pipeline with spaCy's own sentencizer; it knows negation only. Both see the annotated spans as entities, so that the same
words are judged. Neither is a dependency of Fovea.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from evals.narratives import FOLDER
from evals.reading_gold import GoldMention, GoldText, sentences, vignettes
from knowledge.reading.sentence import sentences as split

ADDED = {
    "NEGATED_EXISTENCE": ("nil", "denied", "clear of", "not a trace of", "has gone", "have gone", "not present", "neither", "nor", "(-)"),
    "POSSIBLE_EXISTENCE": ("query", "?", "suspicious for", "suggestive of", "equivocal for", "cannot exclude", "cannot rule out",
                           "cannot be excluded", "versus", "probably", "thought unlikely", "low suspicion of"),
    "FAMILY": ("maternal", "paternal", "uncles", "parents", "cousin"),
    "HISTORICAL": ("previous", "previously", "in childhood", "years ago", "years back", "used to have", "old", "prior episodes"),
}  # fmt: skip
"""What an eye clinic writes and the shipped rules lack."""
BACKWARD = ("nil", "has gone", "have gone", "not present", "(-)", "cannot be excluded", "thought unlikely", "in childhood", "years ago",
            "years back")  # fmt: skip
"""Those of them that stand after what they speak of."""
Judge = Callable[[GoldText], Iterator[tuple[GoldMention, dict[str, bool]]]]


def medspacy_judge(added: bool, our_sentences: bool = False) -> Judge:
    importlib.import_module("loguru").logger.remove()
    medspacy, context = importlib.import_module("medspacy"), importlib.import_module("medspacy.context")
    nlp = medspacy.load(medspacy_enable=["medspacy_tokenizer", "medspacy_pyrush", "medspacy_context"])
    if added:
        nlp.get_pipe("medspacy_context").add(
            [
                context.ConTextRule(literal, category, direction="BACKWARD" if literal in BACKWARD else "FORWARD")
                for category, literals in ADDED.items()
                for literal in literals
            ]
        )

    def judge(text: GoldText) -> Iterator[tuple[GoldMention, dict[str, bool]]]:
        doc = nlp.make_doc(text.text)
        if our_sentences:
            starts = {s.start for s in split(text.text)}
            for token in doc:
                token.is_sent_start = token.i == 0 or token.idx in starts
        else:
            nlp.get_pipe("medspacy_pyrush")(doc)
        for mention, extra in _asked(doc, text, nlp.get_pipe("medspacy_context")):
            yield mention, {
                "negated": bool(extra.is_negated),
                "possible": bool(extra.is_uncertain),
                "family": bool(extra.is_family),
                "past": bool(extra.is_historical),
            }

    return judge


def negspacy_judge() -> Judge:
    spacy = importlib.import_module("spacy")
    importlib.import_module("negspacy.negation")
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    negex = nlp.add_pipe("negex", config={"chunk_prefix": ["no"]})

    def judge(text: GoldText) -> Iterator[tuple[GoldMention, dict[str, bool]]]:
        doc = nlp.get_pipe("sentencizer")(nlp.make_doc(text.text))
        for mention, extra in _asked(doc, text, negex):
            yield mention, {"negated": bool(extra.negex)}

    return judge


def our_judge() -> Judge:
    ours = importlib.import_module("knowledge.reading.context")

    def judge(text: GoldText) -> Iterator[tuple[GoldMention, dict[str, bool]]]:
        kept = tuple(split(text.text))
        for m in text.mentions:
            sentence = next((s for s in kept if s.start < m.end and m.start < s.start + len(s.text)), None)
            if sentence is None:
                continue
            inside = [n for n, t in enumerate(sentence.tokens) if sentence.start + t.start < m.end and m.start < sentence.start + t.end]
            told = ours.context(sentence, inside[0], inside[-1], normal=m.ids[0].startswith(("normal_", "full_")))
            yield m, {
                "negated": told.presence == "absent",
                "possible": told.presence == "possible",
                "family": told.family,
                "past": told.course == "past",
            }

    return judge


def _asked(doc: Any, text: GoldText, pipe: Callable[[Any], Any]) -> Iterator[tuple[GoldMention, Any]]:
    """The attributes that `pipe` gives each span; spans that overlap are asked in rounds, since entities may not."""
    waiting = list(text.mentions)
    while waiting:
        now: list[tuple[GoldMention, Any]] = []
        for m in waiting:
            span = doc.char_span(m.start, m.end, label="FINDING", alignment_mode="expand")
            if all(span.end <= other.start or other.end <= span.start for _, other in now):
                now.append((m, span))
        now.sort(key=lambda pair: pair[1].start)
        doc.ents = [span for _, span in now]
        pipe(doc)
        yield from ((m, entity._) for (m, _), entity in zip(now, doc.ents, strict=True))
        waiting = [m for m in waiting if m not in [done for done, _ in now]]


def _expected(m: GoldMention) -> dict[str, bool | None]:
    one = m.presence[0] if len(set(m.presence)) == 1 else None
    return {
        "negated": None if one is None else one == "absent",
        "possible": None if one is None else one == "possible",
        "family": m.subject == "family",
        "past": None if m.course is None else m.course == "past",
    }


def compare(name: str, make: Callable[[], Judge], texts: list[GoldText]) -> None:
    """Prints accuracy and F1 of each context on both halves, the time to make the judge (wall) and to judge (processor)."""
    start = time.perf_counter()
    judge = make()
    ready = time.perf_counter() - start
    counts: Counter[tuple[str, str, str]] = Counter()
    start = time.thread_time()
    for text in texts:
        for mention, told in judge(text):
            for aspect, wanted in _expected(mention).items():
                if wanted is not None and aspect in told:
                    kind = ("t" if told[aspect] == wanted else "f") + ("p" if told[aspect] else "n")
                    counts[aspect, text.split, kind] += 1
    spent = (time.thread_time() - start) * 1000 / sum(len(t.text) for t in texts) * 3000
    print(f"{name}: ready after {ready:.2f} s, {spent:.1f} ms for 3,000 characters")
    for aspect in ("negated", "possible", "family", "past"):
        for half in ("development", "test"):
            tp, fp, tn, fn = (counts[aspect, half, k] for k in ("tp", "fp", "tn", "fn"))
            if tp + fp + tn + fn:
                f1 = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
                print(f"  {aspect:9} {half:12} accuracy {(tp + tn) / (tp + fp + tn + fn):.3f}  F1 {f1:.3f}  (tp {tp} fp {fp} fn {fn} tn {tn})")


def main() -> None:
    judges: dict[str, Callable[[], Judge]] = {
        "ours": our_judge,
        "medspacy, as shipped": lambda: medspacy_judge(False),
        "medspacy, triggers added": lambda: medspacy_judge(True),
        "medspacy, triggers added, our sentences": lambda: medspacy_judge(True, our_sentences=True),
        "negspacy": negspacy_judge,
    }
    for title, texts in (("own sentences", list(sentences())), ("vignettes", list(vignettes(FOLDER)))):
        print(f"== {title}: {sum(len(t.mentions) for t in texts)} spans")
        for name, make in judges.items():
            try:
                compare(name, make, texts)
            except ImportError as error:
                print(f"{name}: not installed here ({error.name})")


if __name__ == "__main__":
    main()
