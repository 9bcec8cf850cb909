"""The cases of `evals.bench_vllm`: written narratives with rendered photographs, ready to be sent and as the agent takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageEnhance

from agent.domain import CaseRequest
from agent.imaging import ImageInput
from agent.reasoners import prompting
from agent.reasoners.profile import load_profile
from evals.bench import EXAMPLES
from evals.vignette_sets import WRITTEN

PROFILE = "ophthareason-qwen-3b"
SIDE = 448
"""Longest side of the photographs, pixels: 192 tokens or fewer each."""


@dataclass(frozen=True)
class Case:
    """A question ready to be sent, and the same as the agent takes it."""

    messages: Sequence[Any]
    request: CaseRequest


def cases(count: int, folder: Path) -> list[Case]:
    """`count` distinct cases; their photographs are written to `folder`."""
    narratives = [entry["text"] for entry in yaml.safe_load(WRITTEN.read_text(encoding="utf-8"))["vignettes"]]
    pictures = [Image.open(EXAMPLES / f"{name}.jpg").convert("RGB") for name in ("clear", "uncertain", "red_flag", "normal")]
    profile, made = load_profile(PROFILE), []
    for n in range(count):
        picture = ImageEnhance.Brightness(pictures[n % 4]).enhance(0.8 + 0.4 * n / count)
        picture.thumbnail((SIDE, SIDE))
        path = folder / f"{n:04d}.jpg"
        picture.save(path, "JPEG", quality=90)
        text = f"{narratives[n % len(narratives)]} Case {n}."
        asked = prompting.messages(profile, prompting.question(profile, text, ()), [prompting.data_url(picture, SIDE)])
        made.append(Case(asked, CaseRequest(narrative=text, images=(ImageInput(path=str(path)),))))
    return made
