"""What loads slowly is loaded once; each test gets it with a data directory, images and thresholds of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.container import build
from agent.deps import Deps
from agent.settings import Dial, Knowledge, Settings
from agent.thresholds import ThresholdStore
from tests.doubles import ScriptedReasoner, ShelfRetriever, StillLocalizer


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory, index_directory: Path) -> Iterator[Deps]:
    built = build(Settings(data_directory=tmp_path_factory.mktemp("loaded"), knowledge=Knowledge(directory=index_directory.parent)))
    yield built
    built.thresholds.close()


@pytest.fixture
def whole(loaded: Deps, tmp_path: Path) -> Iterator[Deps]:
    """Everything real, the atlas reasoning."""
    dial = Dial(adaptive=False)
    settings = loaded.settings.model_copy(update={"data_directory": tmp_path / "data", "dial": dial})
    thresholds = ThresholdStore(dial)
    yield replace(loaded, settings=settings, thresholds=thresholds)
    thresholds.close()


@pytest.fixture
def quick(whole: Deps) -> Callable[..., Deps]:
    """Everything but reading and rules is a double that answers at once; keyword arguments replace any part."""

    def make(**parts: object) -> Deps:
        doubles = {"localizer": StillLocalizer(), "retriever": ShelfRetriever(), "reasoner": ScriptedReasoner()}
        return replace(whole, **{**doubles, **parts})  # type: ignore[arg-type]

    return make
