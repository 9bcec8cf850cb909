"""How well a search finds the statements that answer a question, and how fast: every system beside BM25 alone, on both halves.

Usage: python -m evals.retrieval [--half development]

The questions are in data/retrieval_questions.yaml. Recall and reciprocal rank count what answers a question (grade 2); nDCG counts what is
relevant (grade 1) as well. Whatever is tuned is tuned on development; test is for reporting.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from rich.console import Console
from rich.table import Table

from agent.citations import content_key
from agent.ports import Scope
from evals.ranking import ANSWERS, auroc, interval, ndcg_at, paired, recall_at, reciprocal_rank
from knowledge import library as library_files
from knowledge.library import Library
from knowledge.retrieval import index
from knowledge.retrieval.embedding import SentenceEmbedder
from knowledge.retrieval.passages import dated, statement_evidence
from knowledge.retrieval.retriever import IndexRetriever

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
    columns = ("half", "system", "recall@5", f"nDCG@{DEPTH}", "MRR", f"nDCG@{DEPTH} less {baseline}", "p", "silence AUROC", "p50 ms", "p95 ms")
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


def in_force(asked: Sequence[Question], outdated: Collection[str]) -> tuple[Question, ...]:
    """The questions as a search that leaves out-of-date documents out should answer them: without the answers among `outdated` statement
    ids, save where the question asks for those too. A question with no other answer is left out."""
    kept = []
    for q in asked:
        answers = {s: grade for s, grade in q.answers.items() if q.filter.outdated or s not in outdated}
        if not q.answers or max(answers.values(), default=0) == ANSWERS:
            kept.append(q.model_copy(update={"answers": answers}))
    return tuple(kept)


def outdated_statements(library: Library, today: date) -> set[str]:
    """Ids of the statements whose document is withdrawn, replaced or past its review date."""
    return {s.id for s in library.statements if dated(statement_evidence(library, s), today).outdated}


def systems_of(retriever: IndexRetriever) -> tuple[System, ...]:
    """BM25 alone, dense alone, and what the retriever ships."""

    def scope(asked: Filter) -> Scope:
        return Scope(jurisdictions=() if asked.jurisdiction is None else (asked.jurisdiction,), outdated=asked.outdated)

    def best(query: str, asked: Filter) -> float:
        return max((evidence.score for evidence in retriever.search(query, 1, scope(asked))), default=0.0)

    return (
        System("BM25", lambda query, count, asked: retriever.lexical(query, scope(asked))[:count]),
        System("dense", lambda query, count, asked: retriever.dense(query, scope(asked))[:count]),
        System("shipped", lambda query, count, asked: [e.key for e in retriever.search(query, count, scope(asked))], best),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, action="append", help="one half only")
    halves: list[Half] = parser.parse_args().half or list(HALVES)
    library, embedder = library_files.read(), SentenceEmbedder()
    asked = in_force(questions(), outdated_statements(library, datetime.now(UTC).date()))
    with tempfile.TemporaryDirectory() as folder:
        systems = systems_of(IndexRetriever(index.ensure(Path(folder), embedder), embedder))
        outcomes: dict[Half, dict[str, Outcome]] = {
            half: {s.name: measure(s, [q for q in asked if q.split == half], keys_of(library)) for s in systems} for half in halves
        }
    Console(width=200).print(table(outcomes, systems[0].name))


if __name__ == "__main__":
    main()
