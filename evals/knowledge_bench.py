"""Speed and memory of the knowledge index at several sizes, and of the check of citations: `make bench`, or
python -m evals.knowledge_bench --sizes 300 3000 100000.

Passages are sentences made from the atlas: every condition with its findings and tests in a few forms of words. Their words are indexed as
they are. Embedding is timed on a sample; beyond that sample the vectors are those of the sample, each moved a little, because a search
costs the same whatever its vectors mean and a hundred thousand real ones cost an hour. Every size runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from agent.citations import content_key
from agent.evidence import Evidence, Source
from agent.ports import Scope
from evals import citations
from knowledge import library as library_files
from knowledge.library import Library
from knowledge.retrieval import building, index
from knowledge.retrieval.embedding import SentenceEmbedder
from knowledge.retrieval.retriever import IndexRetriever
from knowledge.retrieval.shelf import Shelf

SIZES = (300, 3_000, 100_000)
SAMPLE = 300
QUERIES = 200
NOISE = 0.5
_FORMS = (
    "{finding} is described in {condition}; {test} is the next step in the {where}.",
    "In the {where}, {condition} with {finding} is referred after {test}.",
    "A patient of the {where} with {finding}: think of {condition} and arrange {test}.",
    "{condition}: {finding} in case {number}, settled by {test}.",
)
_PLACES = ("eye casualty", "macula clinic", "glaucoma service", "screening programme", "children's clinic", "cornea service")


class StretchedEmbedder:
    """Real vectors for queries and for the first `SAMPLE` texts; moved copies of those for the rest."""

    def __init__(self) -> None:
        self._real = SentenceEmbedder()
        self.name = "stretched"
        self.seconds_a_text = 0.0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) <= SAMPLE:
            return self._real.embed(texts)
        self._real.embed(texts[:8])
        started = time.perf_counter()
        real = self._real.embed(texts[:SAMPLE])
        self.seconds_a_text = (time.perf_counter() - started) / SAMPLE
        rng = np.random.default_rng(0)
        rows = real[rng.integers(0, SAMPLE, len(texts))] + NOISE * rng.normal(size=(len(texts), real.shape[1])) / np.sqrt(real.shape[1])
        rows[:SAMPLE] = real
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


class Made:
    """`count` different passages as the user's own documents."""

    def __init__(self, library: Library, count: int) -> None:
        self._library = library
        self._count = count

    def digest(self) -> str:
        return f"made {self._count}"

    def evidence(self) -> Iterator[Evidence]:
        return islice(self._endless(), self._count)

    def _endless(self) -> Iterator[Evidence]:
        number = 0
        while True:
            for condition in self._library.conditions:
                findings = [f for level in condition.findings.values() for f in level]
                finding = self._library.finding[findings[number % len(findings)]].name
                test = condition.tests[number % len(condition.tests)] if condition.tests else "a dilated examination"
                form, where = _FORMS[number % len(_FORMS)], _PLACES[number % len(_PLACES)]
                text = form.format(finding=finding, condition=condition.name, test=test, where=where, number=number) + f" Note {number}."
                source = Source(
                    organisation="Bench", title="Made passages", year=2000 + number % 27, section=f"{number}", url="file:///made",
                    jurisdiction=("England", "United States", "International")[number % 3],
                )  # fmt: skip
                yield Evidence(key=content_key("made", text), text=text, kind="document", concepts=(), source=source, score=0)
                number += 1


def measure(size: int) -> dict[str, Any]:
    """Everything about one size, in this process."""
    library = library_files.read().model_copy(update={"statements": (), "conflicts": (), "documents": (), "rules": ()})
    embedder = StretchedEmbedder()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "index"
        target.mkdir()
        started = time.perf_counter()
        built = building.build(target, library, tuple(Made(library, size).evidence()), embedder)
        building.write_dense(target, built)
        seconds = time.perf_counter() - started
        said = index.About(format=index.FORMAT, embedding_model=embedder.name, library="", documents="", passages=size, built=index.now())
        index.seal(target, said)
        megabytes = sum(p.stat().st_size for p in target.rglob("*") if p.is_file()) / 2**20
        child = subprocess.run(
            [sys.executable, "-m", "evals.knowledge_bench", "--read", str(target)], check=True, capture_output=True, text=True,
        )  # fmt: skip
        return {"size": size, "build_s": seconds, "embed_ms": embedder.seconds_a_text * 1000, "index_mb": megabytes, **json.loads(child.stdout)}


def read(target: Path) -> dict[str, Any]:
    """Latency and memory of a reader; the embedding model's own memory is taken off."""
    embedder = StretchedEmbedder()
    queries = _queries()
    embedder.embed(queries[:1])
    before = _resident()
    started = time.perf_counter()
    retriever = IndexRetriever(target, embedder)
    retriever.search(queries[0], 10)
    opening = time.perf_counter() - started
    england = Scope(jurisdictions=("England",), since=2015)
    shelf, today = Shelf(target / building.PASSAGES), index.now().date()
    embedding = _times(lambda q: embedder.embed([q]), queries)
    return {
        "open_s": opening,
        "embed_query": embedding,
        "bm25": _times(lambda q: shelf.lexical(q, 30, Scope(), today), queries),
        "dense": _times(retriever.dense, queries),
        "search": _times(lambda q: retriever.search(q, 10), queries),
        "search_scoped": _times(lambda q: retriever.search(q, 10, england), queries),
        "for_concepts": _times(lambda q: retriever.for_concepts([q], 6), [c.id for c in index.load_library(target).conditions][:QUERIES]),
        "memory_mb": _resident() - before,
    }


def _queries() -> list[str]:
    names = [c.name for c in library_files.read().conditions]
    asked = ("how soon must {} be seen", "treatment of {}", "{} in a young patient: which test next", "{}")
    return [asked[n % len(asked)].format(name) for n, name in enumerate(names[:QUERIES])]


def _times(function: Callable[[str], object], values: Sequence[str]) -> tuple[float, float]:
    """p50 and p95 in milliseconds, after one round of warming up."""
    for value in values[:5]:
        function(value)
    taken = []
    for value in values:
        started = time.perf_counter()
        function(value)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), float(np.percentile(taken, 95))


def _resident() -> float:
    """MiB held now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 if pages else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Sizes side by side; latencies as p50 / p95 in milliseconds."""
    shown = Table("passages", *(f"{row['size']:,}" for row in rows), title="Knowledge index")
    for key, label in (
        ("build_s", "build without embedding, s"), ("embed_ms", "embedding a passage, ms"), ("index_mb", "on disk, MiB"),
        ("open_s", "open and first search, s"), ("memory_mb", "memory of a reader, MiB"),
    ):  # fmt: skip
        shown.add_row(label, *(f"{row[key]:.1f}" for row in rows))
    for key, label in (
        ("for_concepts", "by condition"), ("bm25", "BM25 alone"), ("dense", "dense alone (with its query embedded)"),
        ("search", "fused search"), ("search_scoped", "fused, England since 2015"), ("embed_query", "of which embedding the query"),
    ):  # fmt: skip
        shown.add_row(f"{label}, p50 / p95 ms", *(f"{row[key][0]:.1f} / {row[key][1]:.1f}" for row in rows))
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(read(arguments.read)))
        return
    console = Console()
    console.print(table([measure(size) for size in arguments.sizes]))
    citations.speed(citations.Shelf(), console)


if __name__ == "__main__":
    main()
