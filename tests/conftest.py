"""One real knowledge index for the whole run, and a builder of dependencies with real or doubled ports."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from agent.container import build
from agent.deps import Deps
from agent.settings import Dial, Knowledge, Settings
from agent.thresholds import ThresholdStore
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader
from knowledge.retrieval import index
from knowledge.retrieval.embedding import SentenceEmbedder
from tests.doubles import ScriptedReasoner, ShelfRetriever, StillClock, StillLocalizer
from tests.vllm_cpu.fixtures import plain_server, plain_url, tapped_url

__all__ = ["plain_server", "plain_url", "tapped_url"]


@pytest.fixture(scope="session")
def embedder() -> SentenceEmbedder:
    return SentenceEmbedder()


@pytest.fixture(scope="session")
def index_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="session")
def index_directory(index_root: Path, embedder: SentenceEmbedder) -> Path:
    return index.ensure(index_root, embedder)


@pytest.fixture(scope="session")
def library(index_directory: Path) -> Library:
    return index.load_library(index_directory)


@pytest.fixture(scope="session")
def reader(library: Library) -> NarrativeReader:
    return NarrativeReader(library)


@pytest.fixture
def settings(tmp_path: Path, index_directory: Path) -> Settings:
    return Settings(data_directory=tmp_path / "data", knowledge=Knowledge(directory=index_directory.parent))


@pytest.fixture
def deps(settings: Settings) -> Iterator[Deps]:
    """Everything real, the atlas reasoning."""
    built = build(settings)
    yield built
    built.thresholds.close()


@pytest.fixture
def doubled(deps: Deps) -> Callable[..., Deps]:
    """All ports doubled; keyword arguments replace any part. The dial starts at `threshold` nats and stays there."""

    def make(threshold: float = 1.0, dial: Dial | None = None, **parts: object) -> Deps:
        fixed = dial or Dial(adaptive=False)
        settings = deps.settings.model_copy(update={"dial": fixed})
        changed = {
            "settings": settings,
            "clock": StillClock(),
            "localizer": StillLocalizer(),
            "retriever": ShelfRetriever(),
            "reasoner": ScriptedReasoner(),
            "thresholds": ThresholdStore(fixed),
            "initial_threshold": threshold,
            **parts,
        }
        return replace(deps, **changed)  # type: ignore[arg-type]

    return make


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Encodes a plain picture."""

    def make(size: tuple[int, int] = (320, 240), colour: tuple[int, int, int] = (120, 60, 30), form: str = "PNG") -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", size, colour).save(buffer, form)
        return buffer.getvalue()

    return make
