"""What `fovea consult` does between its arguments and its output."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.domain import AnswerOption, CaseRequest, ImageInput
from agent.errors import InputError, LocalizerError, OptionError

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
    """Walks the case and prints its report: one JSON object with `json_output`, otherwise for a reader, progress on stderr."""
    request = CaseRequest(
        narrative=narrative, images=tuple(ImageInput(path=str(path)) for path in images), options=tuple(map(parse_option, options))
    )
    if not narrative.strip() and not images:
        raise InputError("the case is empty: give --text, --text-file or --image")
    asyncio.run(_consult(request, reasoner, json_output, trace, overlay))


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
    localizer = _warming_localizer(settings) if request.images else None
    from agent.container import build
    from agent.walk import walk

    deps = build(settings, "vllm" if reasoner == "vllm" else "atlas", localizer=localizer)
    show = sys.stderr.isatty() and not json_output
    try:
        state = await walk(request, deps, _progress if show else None)
        if trace is not None:
            from agent.trace import trace as traced
            from agent.trace import write_json

            write_json(trace, traced(state, deps))
        if overlay is not None:
            from agent.overlays import write_overlays

            write_overlays(overlay, state["report"], deps.images)
    finally:
        await deps.reasoner.aclose()
    if json_output:
        json.dump(state["report"].model_dump(mode="json"), sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    from rich.console import Console

    from agent.rendering import render

    render(state["report"], Console(highlight=False))


def _warming_localizer(settings: Settings) -> Localizer:
    """The detector, its weights being loaded by a second thread while this one imports the rest; what fails there fails again,
    and is told, when the localizer is used."""
    from tools.localizer.detector import OnnxLocalizer

    localizer = OnnxLocalizer(settings.localizer.weights, settings.localizer.threads)

    def load() -> None:
        with suppress(LocalizerError):
            _ = localizer.identity

    threading.Thread(target=load, daemon=True).start()
    return localizer


def _progress(stage: str) -> None:
    print(f"· {stage}", file=sys.stderr, flush=True)
