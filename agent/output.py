"""Standard output and the files of a report: always UTF-8, whole or not there at all, and readable by their owner alone."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from agent.errors import FoveaError, InputError

DECIMALS = 6
"""Of a number in JSON: finer than anything measured here, and still readable."""
_BROKEN_PIPE_CODE = 1


@contextmanager
def standard_output() -> Iterator[None]:
    """What is printed inside is on its way when the block ends. Raises `FoveaError` (exit code 1) when it cannot be written.

    A reader that went away (`| head`) ends the command without a word.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # A report quotes what the patient said: no locale may make that unprintable.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        raise SystemExit(_BROKEN_PIPE_CODE) from None
    except OSError as error:
        _abandon_stdout()
        raise FoveaError(f"cannot write to standard output: {error.strerror or error}") from error


def _abandon_stdout() -> None:
    """Points standard output at nothing, because Python flushes it once more at exit and would complain once more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def rounded(data: Any) -> Any:
    """Plain data with every float rounded for a reader. A probability stays within 0 to 1.

    >>> rounded({"p": (0.12345678, 1.0), "n": 3})
    {'p': [0.123457, 1.0], 'n': 3}
    """
    if isinstance(data, float):
        return round(data, DECIMALS)
    if isinstance(data, dict):
        return {key: rounded(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [rounded(value) for value in data]
    return data


def dump(data: object, file: IO[str], indent: int | None = None) -> None:
    """JSON in UTF-8 as the standard defines it: no NaN, no Infinity (`ValueError`)."""
    json.dump(rounded(data), file, ensure_ascii=False, allow_nan=False, indent=indent)


def check_file_target(path: Path) -> None:
    """Raises `InputError` when a file could not be put at `path`: asked before a case is walked, not after."""
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a directory; name a file")
    if path.exists() and not path.is_file():
        raise InputError(f"cannot write {path}: it is not a regular file")
    check_directory_target(path.parent)


def check_directory_target(directory: Path) -> None:
    """Makes the directory. Raises `InputError` when files cannot be put into it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Tried and not asked: permission bits say nothing about a read-only file system.
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InputError(f"cannot write into {directory}: {error.strerror or error}") from error


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Calls `write` on a temporary file (mode 0600) that is then renamed to `path`; a failure leaves nothing behind.

    Raises `InputError` naming the path.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".partial-")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
