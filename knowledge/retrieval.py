"""Retrieval over a built index: by condition without a model, or by free text with dense and lexical search fused.

Strictly read-only. Chroma writes into the directory it opens, so it is given a private copy of the dense vectors (a few MB).
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agent.errors import KnowledgeError
from agent.evidence import Evidence
from knowledge import index
from knowledge.embedding import Embedder
from knowledge.index import CHROMA_FINDINGS, CHROMA_STATEMENTS

RRF_K = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""
CANDIDATES = 30


class IndexRetriever:
    """The `Retriever` port over one index directory. Chroma and the embedding model are opened at the first free-text search."""

    def __init__(self, directory: Path, embedder: Embedder) -> None:
        self._directory = directory
        self._embedder = embedder
        self._chroma: Any = None
        self._lock = threading.Lock()
        index.content(directory, index.STATEMENTS)
        path = (directory / index.STATEMENTS).absolute().as_uri()
        self._connection = sqlite3.connect(f"{path}?mode=ro&immutable=1", uri=True, check_same_thread=False)

    @property
    def identity(self) -> str:
        return f"{self._directory.name} with {self._embedder.name}"

    def for_concepts(self, concept_ids: Sequence[str], passages: int) -> tuple[Evidence, ...]:
        found: dict[str, Evidence] = {}
        for concept in concept_ids:
            rows = self._rows(
                "SELECT p.evidence, v.rank FROM concept_view v JOIN passage p USING (key) WHERE v.concept = ? ORDER BY v.rank LIMIT ?",
                (concept, passages),
            )
            for evidence, rank in rows:
                passage = Evidence.model_validate_json(evidence)
                found.setdefault(passage.key, passage.model_copy(update={"score": 1 / (1 + rank)}))
        return tuple(found.values())

    def search(self, query: str, passages: int) -> tuple[Evidence, ...]:
        if not query.strip() or passages < 1:
            return ()
        fused: dict[str, float] = {}
        for ranking in (self.dense(query), self.lexical(query)):
            for rank, key in enumerate(ranking):
                fused[key] = fused.get(key, 0.0) + 1 / (RRF_K + rank + 1)
        best = sorted(fused.items(), key=lambda item: (-item[1], item[0]))[:passages]
        return tuple(p.model_copy(update={"score": score}) for key, score in best if (p := self.passage(key)) is not None)

    def passage(self, key: str) -> Evidence | None:
        rows = self._rows("SELECT evidence FROM passage WHERE key = ?", (key,))
        return Evidence.model_validate_json(rows[0][0]) if rows else None

    def dense(self, query: str) -> list[str]:
        """Statement keys by cosine similarity, nearest first."""
        collection = self._collection(CHROMA_STATEMENTS)
        answer = collection.query(query_embeddings=self._embedder.embed([query]), n_results=CANDIDATES, include=[])
        return list(answer["ids"][0])

    def lexical(self, query: str) -> list[str]:
        """Statement keys by BM25, best first."""
        words = dict.fromkeys(word.lower() for word in re.findall(r"[^\W_]+", query))
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in list(words)[:64])
        rows = self._rows("SELECT key FROM lexical WHERE lexical MATCH ? ORDER BY bm25(lexical), key LIMIT ?", (match, CANDIDATES))
        return [key for (key,) in rows]

    def nearest_findings(self, texts: Sequence[str], count: int = 3) -> list[list[tuple[str, str, float]]]:
        """For each text the nearest lexicon phrases as (finding id, phrase, cosine similarity): a reading beyond the exact words."""
        if not texts:
            return []
        collection = self._collection(CHROMA_FINDINGS)
        answer = collection.query(
            query_embeddings=self._embedder.embed(texts), n_results=count, include=["metadatas", "documents", "distances"]
        )
        rows: Iterable[Any] = zip(answer["metadatas"], answer["documents"], answer["distances"], strict=True)
        return [[(str(m["finding"]), str(phrase), 1 - float(distance)) for m, phrase, distance in zip(*row, strict=True)] for row in rows]

    def _collection(self, name: str) -> Any:
        with self._lock:
            if self._chroma is None:
                self._chroma = self._open_copy()
            return self._chroma.get_collection(name, embedding_function=None)

    def _open_copy(self) -> Any:
        import chromadb
        from chromadb.config import Settings as ChromaSettings

        try:
            copy = Path(tempfile.mkdtemp(prefix="fovea-index-"))
            weakref.finalize(self, shutil.rmtree, copy, ignore_errors=True)  # with the retriever, at the latest with the process
            for source in sorted((self._directory / index.CHROMA).rglob("*")):
                place = copy / source.relative_to(self._directory / index.CHROMA)
                if source.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(source.read_bytes())  # the bytes alone: a copy must be writable where the original is not
        except OSError as error:
            raise KnowledgeError(f"the dense index cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}") from error
        index.check_dense(self._directory, copy)
        return chromadb.PersistentClient(path=str(copy), settings=ChromaSettings(anonymized_telemetry=False))

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()
