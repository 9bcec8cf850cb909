"""What `fovea consult` does between its arguments and its output."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.domain import AnswerOption, CaseReport, CaseRequest
from agent.errors import InputError, LocalizerError, NarrativeError, OptionError
from agent.imaging import ImageInput
from agent.output import check_directory_target, check_file_target, dump, standard_output
from agent.wording import plain_text

HEARD = 72
"""Characters of a model's words shown while it writes."""

if TYPE_CHECKING:
    from agent.ports import Localizer
    from agent.settings import Settings


def run_consultation(
    narrative: str,
    images: Sequence[Path],
    options: Sequence[str],
    reasoner: Literal["atlas", "vllm"] | str,
    *,
    json_output: bool,
    trace: Path | None,
    overlay: Path | None,
) -> None:
    """Walks the case and prints its report: one JSON object with `json_output`, otherwise for a reader, progress on stderr.

    The trace and the overlays are written after it, so that they can fail without costing the report.
    """
    request = CaseRequest(
        narrative=argument_text(narrative),
        images=tuple(ImageInput(path=str(path)) for path in images),
        options=tuple(parse_option(argument_text(option)) for option in options),
    )
    if not narrative.strip() and not images:
        raise InputError("the case is empty: give --text, --text-file or --image")
    asyncio.run(_consult(request, reasoner, json_output, trace, overlay))


def argument_text(text: str) -> str:
    """A command-line argument as text. Where the locale cannot decode it, Python keeps its bytes as surrogates: they are UTF-8 or nothing.

    >>> argument_text("Sch\\udcc3\\udca4del")
    'Schädel'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(text).decode("utf-8")
        except UnicodeError as error:
            raise NarrativeError("an argument is not UTF-8 text: convert it first, or use --text-file with a UTF-8 file") from error
    return text


def parse_option(text: str) -> AnswerOption:
    """
    >>> parse_option("b = Glaucoma")
    AnswerOption(key='B', text='Glaucoma')
    """
    match = re.fullmatch(r"\s*([A-Za-z])\s*[=:.)]\s*(\S.*?)\s*", text, re.DOTALL)
    if match is None:
        raise OptionError(f'--option {text[:60]!r} is not of the form "A=text"')
    return AnswerOption(key=match.group(1).upper(), text=match.group(2))


async def _consult(request: CaseRequest, reasoner: str, json_output: bool, trace: Path | None, overlay: Path | None) -> None:
    from agent.settings import load_settings

    settings = load_settings()
    if trace is not None:
        check_file_target(trace)
    if overlay is not None:
        check_directory_target(overlay)
    localizer = _warming_localizer(settings) if request.images else None
    from agent.container import build
    from agent.walk import walk

    deps = build(settings, "vllm" if reasoner == "vllm" else "atlas", localizer=localizer)
    show = sys.stderr is not None and sys.stderr.isatty() and not json_output
    try:
        state = await walk(request, deps, _progress if show else None, _heard if show else None)
    finally:
        await deps.reasoner.aclose()
    try:
        with standard_output():
            _show(state["report"], json_output)
    finally:  # a reader who went away does not take the files along
        if trace is not None:
            from agent.trace import trace as traced
            from agent.trace import write_json

            write_json(trace, traced(state, deps))
        if overlay is not None:
            from agent.overlays import write_overlays

            write_overlays(overlay, state["report"], deps.images)


def _show(report: CaseReport, json_output: bool) -> None:
    if json_output:
        dump(report.model_dump(mode="json"), sys.stdout)
        sys.stdout.write("\n")
        return
    from rich.console import Console

    from agent.rendering import render

    render(report, Console(highlight=False))


def _warming_localizer(settings: Settings) -> Localizer:
    """The detector, its weights being loaded by a second thread while this one imports the rest; what fails there fails again,
    and is told, when the localizer is used."""
    from tools.localizer.opening import open_localizer

    localizer = open_localizer(settings.localizer.implementation, settings.localizer.weights, settings.localizer.threads)

    def load() -> None:
        with suppress(LocalizerError):
            _ = localizer.identity

    threading.Thread(target=load, daemon=True).start()
    return localizer


def _heard(text: str) -> None:
    """The end of what the model has written, on one line that is written over."""
    print(f"\r  {plain_text(' '.join(text.split())[-HEARD:]):<{HEARD}}", end="", file=sys.stderr, flush=True)


def _progress(stage: str) -> None:
    print(f"\r{' ' * (HEARD + 2)}\r· {stage}", file=sys.stderr, flush=True)
