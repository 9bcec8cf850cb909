"""What long commands say on stderr while they work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.wording import plain_text

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """A progress bar on stderr, or none."""

    def __init__(self, progress: Progress | None = None, task: Any = None) -> None:
        self._progress, self._task = progress, task

    def advance(self) -> None:
        if self._progress is not None:
            self._progress.advance(self._task)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way while something is printed, where both share a terminal."""
        hidden = self._progress is not None and sys.stdout.isatty()
        if hidden and self._progress is not None:
            self._progress.stop()
        yield
        if hidden and self._progress is not None:
            self._progress.start()


@contextmanager
def progress_bar(total: int) -> Iterator[Bar]:
    """A bar on stderr where that is a terminal and there is more than one file."""
    if total < 2 or sys.stderr is None or not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("localize"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        yield Bar(progress, progress.add_task("localize", total=total))


def print_note(text: str) -> None:
    if text and sys.stderr is not None:
        print(f"fovea: {plain_text(text)}", file=sys.stderr, flush=True)
