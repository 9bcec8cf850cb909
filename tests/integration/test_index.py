"""The index under several processes, half-built and damaged: one writer, whole or not there at all."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.errors import KnowledgeError
from knowledge import index
from knowledge.embedding import SentenceEmbedder
from knowledge.retrieval import IndexRetriever


class HashEmbedder:
    """Instant vectors, so that many builds are cheap; the real model is tested elsewhere."""

    name = "hash"

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        rows = [np.random.default_rng(abs(hash(text)) % 2**32).normal(size=8) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


def _ensure(directory: str, results: multiprocessing.Queue[str]) -> None:
    target = index.ensure(Path(directory), HashEmbedder())  # type: ignore[arg-type]
    count = len(IndexRetriever(target, HashEmbedder()).dense("anything"))  # type: ignore[arg-type]
    results.put(f"{target.name} {count}")


def test_processes_that_start_together_build_one_index(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    workers = [context.Process(target=_ensure, args=(str(tmp_path), results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    answers = {results.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join(30)
    assert len(answers) == 1
    assert answers.pop().endswith(" 30")
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [index.version("hash")]


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    class Broken(HashEmbedder):
        def embed(self, texts: list[str]) -> NDArray[np.float32]:
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        index.ensure(tmp_path, Broken())  # type: ignore[arg-type]
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []


@pytest.mark.parametrize("victim", ["library.json", "patterns.json", "statements.sqlite"])
def test_a_damaged_index_says_what_to_do(index_directory: Path, tmp_path: Path, victim: str, embedder: SentenceEmbedder) -> None:
    copy = Path(shutil.copytree(index_directory, tmp_path / "copy"))
    (copy / victim).unlink()
    opened = {"library.json": index.load_library, "patterns.json": index.load_patterns}.get(victim, lambda d: IndexRetriever(d, embedder))
    with pytest.raises(KnowledgeError, match="fovea knowledge build"):
        opened(copy)


def test_reading_leaves_the_index_as_it_is(index_directory: Path, embedder: SentenceEmbedder) -> None:
    retriever = IndexRetriever(index_directory, embedder)
    before = {p: p.stat().st_mtime_ns for p in index_directory.glob("*.*")}
    retriever.search("optic neuritis treatment", 3)
    retriever.for_concepts(["optic_neuritis"], 2)
    assert {p: p.stat().st_mtime_ns for p in index_directory.glob("*.*")} == before


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(KnowledgeError, match="cannot build"):
        index.ensure(blocked / "index", HashEmbedder())  # type: ignore[arg-type]


def test_the_right_statement_is_found_by_its_sense(index_directory: Path, embedder: SentenceEmbedder) -> None:
    retriever = IndexRetriever(index_directory, embedder)
    for question, concept in (
        ("how soon should suspected wet macular degeneration be seen", "neovascular_amd"),
        ("steroids for temporal arteritis before biopsy", "giant_cell_arteritis"),
        ("screening of premature babies", "retinopathy_of_prematurity"),
        ("what dose of hydroxychloroquine is safe for the retina", "hydroxychloroquine_retinopathy"),
    ):
        assert any(concept in e.concepts for e in retriever.search(question, 3)), question
