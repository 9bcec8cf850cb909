"""Files of a report: whole, private, or not there; and pictures of odd shape without a warning."""

from __future__ import annotations

import io
import json
import math
import stat
from pathlib import Path
from typing import IO

import pytest
from PIL import Image

from agent.errors import InputError
from agent.output import check_directory_target, check_file_target, dump, write_whole
from agent.trace import write_json
from tools.measures import measure


def test_json_is_whole_private_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "trace.json"
    for value in (1 / 3, 2 / 3):
        write_json(path, {"p": value, "who": "Schädel"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"p": 0.666667, "who": "Schädel"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_json_that_is_none_leaves_nothing(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError):
        dump({"value": value}, io.StringIO())
    with pytest.raises(ValueError):
        write_json(tmp_path / "trace.json", {"value": value})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        write_whole(tmp_path / "trace.json", fail)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder"):
        write_json(tmp_path / "folder", {})
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_targets_are_checked_before_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for check, target in (
        (check_file_target, tmp_path),
        (check_file_target, Path("/dev/null")),
        (check_file_target, tmp_path / "file" / "trace.json"),
        (check_directory_target, tmp_path / "file"),
    ):
        with pytest.raises(InputError, match="cannot write"):
            check(target)
    check_file_target(tmp_path / "new" / "trace.json")
    check_file_target(tmp_path / "file")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("size", [(20000, 64), (64, 20000), (257, 64), (64, 64)])
def test_a_strip_is_measured_without_a_warning(size: tuple[int, int]) -> None:
    measures = measure(Image.linear_gradient("L").resize(size).convert("RGB"))
    assert all(math.isfinite(v) for name in measures.__slots__ if isinstance(v := getattr(measures, name), float))
    assert min(measures.width, measures.height) >= 8
