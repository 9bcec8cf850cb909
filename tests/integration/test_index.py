"""The index under several processes, half-built and damaged: one writer, whole or not there at all."""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.citations import content_key
from agent.errors import KnowledgeError, SettingsError
from agent.evidence import Evidence, Source
from knowledge.retrieval import index
from knowledge.retrieval.embedding import SentenceEmbedder
from knowledge.retrieval.following import FollowingRetriever
from knowledge.retrieval.retriever import IndexRetriever


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


def _random(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(4096))


def _flip_one_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: list[Callable[[Path], None]] = [Path.unlink, _random, _flip_one_byte, lambda path: path.write_bytes(b"")]


@pytest.mark.parametrize("damage", DAMAGES, ids=["missing", "random", "one bit", "empty"])
@pytest.mark.parametrize("victim", ["library.json", "patterns.json", "passages.sqlite", "chroma/chroma.sqlite3", "manifest.json"])
def test_a_damaged_index_says_what_to_do(
    index_directory: Path, tmp_path: Path, victim: str, damage: Callable[[Path], None], embedder: SentenceEmbedder
) -> None:
    copy = Path(shutil.copytree(index_directory, tmp_path / "copy"))
    assert index.is_sound(copy)
    damage(copy / victim)
    assert not index.is_sound(copy)
    opened: Callable[[Path], object] = {"library.json": index.load_library, "patterns.json": index.load_patterns}.get(
        victim, lambda directory: IndexRetriever(directory, embedder).search("optic neuritis", 1)
    )
    with pytest.raises(KnowledgeError, match="fovea knowledge build"):
        opened(copy)


def test_dense_vectors_that_are_gone_or_damaged(index_directory: Path, tmp_path: Path, embedder: SentenceEmbedder) -> None:
    copy = Path(shutil.copytree(index_directory, tmp_path / "copy"))
    _flip_one_byte(next((copy / "chroma").glob("*/data_level0.bin")))
    for _ in range(2):
        retriever = IndexRetriever(copy, embedder)
        assert retriever.for_concepts(["optic_neuritis"], 1)  # the fast path needs none
        with pytest.raises(KnowledgeError, match=r"chroma.*fovea knowledge build"):
            retriever.search("optic neuritis", 1)
        shutil.rmtree(copy / "chroma", ignore_errors=True)


def test_a_damaged_index_is_built_again_only_when_asked_to_verify(tmp_path: Path) -> None:
    target = index.ensure(tmp_path, HashEmbedder())  # type: ignore[arg-type]
    shutil.rmtree(target / "chroma")
    assert index.ensure(tmp_path, HashEmbedder()) == target  # type: ignore[arg-type]
    assert not index.is_sound(target)
    assert index.ensure(tmp_path, HashEmbedder(), verified=True) == target  # type: ignore[arg-type]
    assert index.is_sound(target)
    built = (target / "manifest.json").stat().st_mtime_ns
    index.ensure(tmp_path, HashEmbedder(), verified=True)  # type: ignore[arg-type]
    assert (target / "manifest.json").stat().st_mtime_ns == built
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [target.name]


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    stale = tmp_path / "building-killed"
    (stale / "chroma").mkdir(parents=True)
    target = index.ensure(tmp_path, HashEmbedder())  # type: ignore[arg-type]
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == [target]


def test_the_version_follows_the_code_that_compiles_the_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in index.COMPILER:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(index.CODE / name, tmp_path / name)
    before = index.version("m")
    monkeypatch.setattr(index, "CODE", tmp_path)
    assert index.version("m") == before
    for name in index.COMPILER:
        seen = index.version("m")
        (tmp_path / name).write_text((tmp_path / name).read_text() + "# changed\n")
        assert index.version("m") != seen


def _files(directory: Path) -> dict[Path, tuple[int, bytes]]:
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in directory.rglob("*") if p.is_file()}


def test_reading_leaves_the_index_as_it_is(index_directory: Path, tmp_path: Path, embedder: SentenceEmbedder) -> None:
    copy = Path(shutil.copytree(index_directory, tmp_path / "a copy, 100%? #1"))
    before = _files(copy)
    retriever = IndexRetriever(copy, embedder)
    assert retriever.search("optic neuritis treatment", 3)
    assert retriever.nearest_findings(["pain on eye movement"])
    assert retriever.for_concepts(["optic_neuritis"], 2)
    assert _files(copy) == before


def test_the_private_copy_goes_with_its_reader(
    index_directory: Path, tmp_path: Path, embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    retriever = IndexRetriever(index_directory, embedder)
    retriever.search("optic neuritis", 1)
    assert len(list(tmp_path.iterdir())) == 1
    del retriever
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_without_a_model_is_a_setting_that_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"knowledge\.embedding_model"):
        index.ensure(tmp_path / "index", SentenceEmbedder(str(tmp_path)))


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


def test_the_swap_is_followed_and_half_an_index_is_never_seen(tmp_path: Path) -> None:
    embedder, own = HashEmbedder(), Own("Refer every patient of this clinic with a red eye on the same day.")
    first = index.ensure(tmp_path, embedder)  # type: ignore[arg-type]
    assert index.current(tmp_path) == first
    opened = IndexRetriever(first, embedder)  # type: ignore[arg-type]
    serving = FollowingRetriever(opened, tmp_path, lambda path: IndexRetriever(path, embedder))  # type: ignore[arg-type]
    assert serving.passage(own.passage.key) is None
    second = index.ensure(tmp_path, embedder, own=own)  # type: ignore[arg-type]
    assert second != first
    assert serving.passage(own.passage.key) is not None
    assert serving.identity.startswith(second.name)
    assert index.ensure(tmp_path, embedder) == first  # type: ignore[arg-type]
    assert serving.passage(own.passage.key) is None


class Own:
    """One passage of the user's own."""

    def __init__(self, text: str) -> None:
        source = Source(organisation="Clinic", title="House rules", year=None, section="1", url="file:///rules", jurisdiction="")
        self.passage = Evidence(key=content_key("rules", text), text=text, kind="document", concepts=(), source=source, score=0)

    def digest(self) -> str:
        return self.passage.key

    def evidence(self) -> list[Evidence]:
        return [self.passage]


def test_an_index_of_another_model_is_refused_and_the_old_one_keeps_serving(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Other(HashEmbedder):
        name = "another"

    embedder = HashEmbedder()
    first = index.ensure(tmp_path, embedder)  # type: ignore[arg-type]
    serving = FollowingRetriever(IndexRetriever(first, embedder), tmp_path, lambda path: IndexRetriever(path, embedder))  # type: ignore[arg-type]
    with pytest.raises(KnowledgeError, match=r"built with the embedding model hash.*uses another.*fovea knowledge build"):
        IndexRetriever(first, Other())  # type: ignore[arg-type]
    index.ensure(tmp_path, Other())  # type: ignore[arg-type]
    for _ in range(2):
        assert serving.search("optic neuritis", 1)
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [caplog.records[-1].message]
    assert f"index {first.name} keeps serving" in caplog.text


def test_an_index_of_another_format_says_so(tmp_path: Path) -> None:
    target = index.ensure(tmp_path, HashEmbedder())  # type: ignore[arg-type]
    said = json.loads((target / "about.json").read_text())
    (target / "about.json").write_text(json.dumps({**said, "format": 1}))
    with pytest.raises(KnowledgeError, match=r"format 1.*fovea knowledge build"):
        IndexRetriever(target, HashEmbedder())  # type: ignore[arg-type]


def test_when_no_new_index_can_be_built_the_old_one_keeps_serving(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(HashEmbedder):
        def embed(self, texts: list[str]) -> NDArray[np.float32]:
            raise KnowledgeError("the model is gone")

    first = index.ensure(tmp_path, HashEmbedder())  # type: ignore[arg-type]
    assert index.ensure(tmp_path, Failing(), own=Own("A new passage of the clinic that has to be embedded.")) == first  # type: ignore[arg-type]
    assert "the model is gone" in caplog.text
    assert first.name in caplog.text
    with pytest.raises(KnowledgeError, match="the model is gone"):
        index.ensure(tmp_path, Failing(), own=Own("A new passage of the clinic that has to be embedded."), verified=True)  # type: ignore[arg-type]


def test_only_new_texts_are_embedded_again(tmp_path: Path) -> None:
    class Counting(HashEmbedder):
        texts: list[str] = []  # noqa: RUF012

        def embed(self, texts: list[str]) -> NDArray[np.float32]:
            self.texts += texts
            return super().embed(texts)

    index.ensure(tmp_path, Counting())  # type: ignore[arg-type]
    before = _remembered(tmp_path)
    assert before > 100
    Counting.texts.clear()
    index.ensure(tmp_path, Counting(), own=Own("Refer every patient of this clinic with a red eye on the same day."))  # type: ignore[arg-type]
    assert len(Counting.texts) == 1
    assert _remembered(tmp_path) == before + 1
    Counting.texts.clear()
    index.ensure(tmp_path, Counting(), own=Own("Another passage that takes the place of the first one."))  # type: ignore[arg-type]
    assert (len(Counting.texts), _remembered(tmp_path)) == (1, before + 1), "what is gone is forgotten"
    (tmp_path / "embeddings.sqlite").write_bytes(b"damaged")
    index.ensure(tmp_path, Counting(), own=Own("Another passage, of which nothing is remembered."))  # type: ignore[arg-type]
    assert len(Counting.texts) > 100


def _remembered(directory: Path) -> int:
    connection = sqlite3.connect(directory / "embeddings.sqlite")
    try:
        return int(connection.execute("SELECT count(*) FROM vector").fetchone()[0])
    finally:
        connection.close()
