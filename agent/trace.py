"""The full trace of a case as JSON: every stage, route, finding, passage and step, and what they were computed with."""

from __future__ import annotations

import hashlib
import io
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from agent.deps import Deps
from agent.domain import Usage
from agent.output import dump, write_whole
from agent.settings import Vllm
from agent.state import CaseState

TRACE_VERSION = 1
SECRETS: Any = {"vllm": {"api_key"}, "conversation": {"checkpoints"}, "data_directory": True}
"""Settings that hold a key, an address with a password, or a place on this machine."""


def trace(state: CaseState, deps: Deps) -> dict[str, Any]:
    """The trace as plain data. The narrative stands in it only as its hash and as the quotes of findings; images as hashes."""
    case = state["case"]
    return {
        "trace_version": TRACE_VERSION,
        "fovea": version("fovea"),
        "created": deps.clock.now().isoformat(),
        "case_id": case.case_id,
        "narrative": {
            "sha256": hashlib.sha256(case.narrative.encode()).hexdigest(),
            "characters": len(case.narrative),
            "language": case.language,
        },
        "settings": deps.settings.model_dump(mode="json", exclude=SECRETS),
        "reasoner": state["reasoner"].model_dump(mode="json"),
        "localizer": deps.localizer.identity,
        "knowledge": {"digest": deps.library.digest, "index": deps.retriever.identity},
        "images": [image.model_dump(mode="json") for image in state["images"]],
        "stages": [record.model_dump(mode="json") for record in state["stages"]],
        "routes": [route.model_dump(mode="json") for route in state["routes"]],
        "evidence": [evidence.model_dump(mode="json") for evidence in state.get("evidence", ())],
        "steps": [step.model_dump(mode="json") for step in state.get("steps", ())],
        "cost": cost(state["report"].usage, deps.settings.vllm),
        "report": state["report"].model_dump(mode="json"),
    }


def cost(usage: Usage, prices: Vllm) -> float | None:
    """What the tokens of a case cost by the prices that are set, in their currency; None without prices."""
    if prices.prompt_price is None or prices.completion_price is None:
        return None
    return round((usage.prompt_tokens * prices.prompt_price + usage.completion_tokens * prices.completion_price) / 1e6, 6)


def write_json(path: Path, data: object) -> None:
    """Writes the file whole or not at all, for its owner alone. Raises `InputError` naming the path."""

    def write(file: IO[bytes]) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8")
        dump(data, text, indent=2)
        text.flush()
        text.detach()

    write_whole(path, write)
