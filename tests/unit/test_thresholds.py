"""The threshold store against a real disk: shared, locked, read-only, or not wanted at all."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.settings import Dial
from agent.thresholds import ThresholdStore

EAGER = Dial(momentum=0.5, warm_up=0, floor=0.0, ceiling=10.0)


def test_processes_share_one_average(tmp_path: Path) -> None:
    one, other = (ThresholdStore(EAGER, tmp_path / "deep" / "t.sqlite") for _ in range(2))
    assert one.observe("p", 3.0, 1.0) == 1.0
    assert other.observe("p", None, 1.0) == 2.0
    one.close()
    other.close()


def test_a_locked_database_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    store = ThresholdStore(EAGER, path, patience=0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SettingsError, match="FOVEA_DIAL__ADAPTIVE=false"):
        store.observe("p", 1.0, 1.0)
    with pytest.raises(SettingsError, match="locked"):
        ThresholdStore(EAGER, path, patience=0.05)
    holder.execute("ROLLBACK")
    holder.close()
    assert store.observe("p", 1.0, 1.0) == 1.0
    store.close()


def test_a_damaged_database_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "t.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SettingsError, match="FOVEA_DATA_DIRECTORY"):
        ThresholdStore(EAGER, tmp_path / "t.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where permission bits forbid it")
@pytest.mark.parametrize("modes", [(0o400, 0o700), (0o600, 0o500), (0o400, 0o500)], ids=["file", "folder", "both"])
def test_what_is_read_only_is_noticed_before_a_case_is_walked(tmp_path: Path, modes: tuple[int, int]) -> None:
    ThresholdStore(EAGER, tmp_path / "t.sqlite").close()
    (tmp_path / "t.sqlite").chmod(modes[0])
    tmp_path.chmod(modes[1])
    try:
        with pytest.raises(SettingsError, match="FOVEA_DATA_DIRECTORY"):
            ThresholdStore(EAGER, tmp_path / "t.sqlite")
    finally:
        tmp_path.chmod(0o700)


def test_a_dial_that_does_not_learn_never_touches_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a directory")
    store = ThresholdStore(Dial(adaptive=False), tmp_path / "file" / "t.sqlite")
    assert store.observe("p", 9.0, 1.25) == 1.25
    store.close()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_run_of_hard_cases_does_not_wind_the_average_up() -> None:
    store = ThresholdStore(Dial(momentum=0.5, warm_up=0, floor=0.5, ceiling=1.5))
    for _ in range(50):
        store.observe("p", 100.0, 1.0)
    assert store.observe("p", 0.5, 1.0) == 1.5
    assert store.observe("p", 0.5, 1.0) == pytest.approx(1.0)
    store.close()


def test_the_average_follows_the_initial_threshold(tmp_path: Path) -> None:
    """A changed setting, or a question with more options, is another scale: what was learnt is a share of it."""
    store = ThresholdStore(EAGER, tmp_path / "t.sqlite")
    store.observe("p", 3.0, 1.0)
    assert store.observe("p", None, 0.5) == pytest.approx(1.0)
    assert store.observe("p", 2.0, 0.0) == 0.0
    store.close()
