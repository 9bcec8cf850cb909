"""What every command of `fovea` shares: errors in one line, and arguments that mean what they say."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from agent.errors import FoveaError
from agent.output import standard_output

COLLECT_AFTER = 100_000
"""New objects before cycles among them are looked for: what a command loads stays, and looking through it again and again cost 7 % (ours)."""


@contextmanager
def told() -> Iterator[None]:
    """One clear line on stderr instead of a traceback, and the exit code of the error."""
    try:
        # Closed: the next file opened would take its number, and whatever printed would write into that file.
        if sys.stdout is None:
            raise FoveaError("standard output is closed: there is nowhere to print to")
        yield
    except FoveaError as error:
        typer.echo(f"fovea: {' '.join(str(error).split())}", err=True)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        typer.echo("fovea: interrupted", err=True)
        raise SystemExit(130) from None


class Command(TyperGroup):
    """Also what Typer prints itself, help and usage errors, fails in one line."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        gc.set_threshold(COLLECT_AFTER)
        with told(), standard_output():
            return super().main(*args, **kwargs)


def named_path(value: str) -> Path:
    """A path that was given: an empty one, as from an unset variable of a script, would mean the working directory."""
    if not value:
        raise typer.BadParameter("an empty path")
    return Path(value)
