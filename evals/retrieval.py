"""How well a search finds the statements that answer a question, and how fast: every system beside BM25 alone, on both halves.

Usage: python -m evals.retrieval [--half development]

The questions are in data/retrieval_questions.yaml. Recall and reciprocal rank count what answers a question (grade 2); nDCG counts what is
relevant (grade 1) as well. Whatever is tuned is tuned on development; test is for reporting.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from rich.console import Console
from rich.table import Table

from agent.citations import content_key
from evals.ranking import auroc, interval, ndcg_at, paired, recall_at, reciprocal_rank
from knowledge import library as library_files
from knowledge.library import Library

QUESTIONS = Path(__file__).parent / "data" / "retrieval_questions.yaml"
DEPTH = 10
"""How many statements are asked for."""
HALVES = ("development", "test")
Half = Literal["development", "test"]


class Filter(BaseModel):
    """What a search is asked to keep to: documents that apply in a jurisdiction; also documents that are out of date."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jurisdiction: str | None = None
    outdated: bool = False


class Question(BaseModel):
    """A question with its answers: statement id -> grade (2 answers it, 1 is relevant or answers a part). None: nothing answers it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^q[0-9]{3,}$")]
    split: Half
    style: Literal["question", "keywords", "case", "lay", "misspelt", "abbreviations"]
    kind: Literal[
        "time_frame", "number", "yes_no", "comparison", "jurisdiction", "definition", "diagnosis", "management", "monitoring", "risk",
        "negative",
    ]  # fmt: skip
    filter: Filter = Filter()
    question: Annotated[str, Field(min_length=5)]
    answers: dict[str, Annotated[int, Field(ge=1, le=2)]]


Search = Callable[[str, int, Filter], Sequence[str]]
"""Question, how many, filter -> statement keys, best first."""


@dataclass(frozen=True)
class System:
    """A search by name. `best` gives the score of the best statement, where the score means the same from question to question."""

    name: str
    search: Search
    best: Callable[[str, Filter], float] | None = None


@dataclass(frozen=True)
class Outcome:
    """Measures of one system, one value per question that has an answer, in their order; milliseconds of every search;
    `silence`: how well the best score tells questions with an answer from those without, as AUROC."""

    recall: tuple[float, ...]
    ndcg: tuple[float, ...]
    reciprocal: tuple[float, ...]
    milliseconds: tuple[float, ...]
    silence: float | None = None


def questions(path: Path = QUESTIONS) -> tuple[Question, ...]:
    """All questions, in the order of the file."""
    return TypeAdapter(tuple[Question, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8"))["questions"])


def keys_of(library: Library) -> dict[str, str]:
    """Statement id -> the key by which a search returns it."""
    return {s.id: content_key(s.document, s.text) for s in library.statements}


def measure(system: System, asked: Sequence[Question], keys: Mapping[str, str]) -> Outcome:
    """Asks a system every question, the first one twice so that opening the index is not measured."""
    answered = [q for q in asked if q.answers]
    system.search(asked[0].question, DEPTH, asked[0].filter)
    recall, ndcg, reciprocal, milliseconds = [], [], [], []
    for q in asked:
        started = time.perf_counter()
        ranked = system.search(q.question, DEPTH, q.filter)
        milliseconds.append((time.perf_counter() - started) * 1000)
        if q.answers:
            grades = {keys[statement]: grade for statement, grade in q.answers.items()}
            recall.append(recall_at(5, ranked, grades))
            ndcg.append(ndcg_at(DEPTH, ranked, grades))
            reciprocal.append(reciprocal_rank(ranked, grades))
    silence = None
    if system.best is not None and len(answered) < len(asked):
        best = {q.id: system.best(q.question, q.filter) for q in asked}
        silence = auroc([best[q.id] for q in answered], [best[q.id] for q in asked if not q.answers])
    return Outcome(tuple(recall), tuple(ndcg), tuple(reciprocal), tuple(milliseconds), silence)


def table(outcomes: Mapping[Half, Mapping[str, Outcome]], baseline: str) -> Table:
    """Half x system, with 95 % bootstrap intervals, and the difference in nDCG from the baseline with the p of a permutation test."""
    columns = ("half", "system", "recall@5", f"nDCG@{DEPTH}", "MRR", f"nDCG@{DEPTH} less {baseline}", "p", "silence", "p50 ms", "p95 ms")
    drawn = Table(*columns, title="Retrieval of guideline statements")
    for half, systems in outcomes.items():
        for name, outcome in systems.items():
            gap = paired(outcome.ndcg, systems[baseline].ndcg)
            own = name == baseline
            drawn.add_row(
                half,
                name,
                *(_mean(values) for values in (outcome.recall, outcome.ndcg, outcome.reciprocal)),
                "" if own else f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]",
                "" if own else f"{gap.p:.4f}",
                "" if outcome.silence is None else f"{outcome.silence:.2f}",
                *(f"{np.percentile(outcome.milliseconds, part):.1f}" for part in (50, 95)),
            )
    return drawn


def _mean(values: Sequence[float]) -> str:
    low, high = interval(values)
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def systems_of(directory: Path, library: Library) -> tuple[System, ...]:
    """BM25 alone, dense alone and both fused, over the index of the default embedding model."""
    from knowledge import index
    from knowledge.embedding import SentenceEmbedder
    from knowledge.retrieval import IndexRetriever

    embedder = SentenceEmbedder()
    retriever = IndexRetriever(index.ensure(directory, embedder), embedder)
    places = {content_key(s.document, s.text): library.document[s.document].jurisdiction for s in library.statements}

    def within(ranking: Callable[[str], Sequence[str]]) -> Search:
        return lambda query, count, f: [k for k in ranking(query) if f.jurisdiction is None or applies(places[k], f.jurisdiction)][:count]

    return (
        System("BM25", within(retriever.lexical)),
        System("dense", within(retriever.dense)),
        System("fused", within(lambda query: [evidence.key for evidence in retriever.search(query, 60)])),
    )


def applies(jurisdiction: str, asked: str) -> bool:
    """Whether a document of this jurisdiction counts where `asked` is meant: the same, a part named after it, or a home nation."""
    return asked in jurisdiction or (asked == "United Kingdom" and jurisdiction in ("England", "Scotland")) or jurisdiction == "International"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, action="append", help="one half only")
    halves: list[Half] = parser.parse_args().half or list(HALVES)
    library = library_files.read()
    keys = keys_of(library)
    everything = questions()
    with tempfile.TemporaryDirectory() as folder:
        systems = systems_of(Path(folder), library)
        outcomes: dict[Half, dict[str, Outcome]] = {
            half: {s.name: measure(s, [q for q in everything if q.split == half], keys) for s in systems} for half in halves
        }
    Console(width=200).print(table(outcomes, systems[0].name))


if __name__ == "__main__":
    main()
