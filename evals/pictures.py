"""Makes the README's pictures from real output: `make pictures`. The case is the shipped, rendered example."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rich.console import Console

from agent.container import build
from agent.domain import CaseRequest
from agent.imaging import ImageInput
from agent.rendering import render
from agent.settings import Dial, Settings
from agent.walk import consult
from tools.overlay import draw

EXAMPLES = Path(__file__).parent.parent / "examples"
WIDTH = 118
OVERLAY_PIXELS = 1200


def main() -> None:
    deps = build(Settings(dial=Dial(adaptive=False)))
    image = ImageInput(path=str(EXAMPLES / "clear.jpg"))
    report = asyncio.run(consult(CaseRequest(narrative=(EXAMPLES / "clear.txt").read_text(), images=(image,)), deps))
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, highlight=False)
        render(report, console)
    console.save_svg(str(EXAMPLES / "report.svg"), title="fovea consult --image examples/clear.jpg --text-file examples/clear.txt")
    picture = draw(deps.images.pixels(report.images[0].image.sha256), report.images[0])
    picture.thumbnail((OVERLAY_PIXELS, OVERLAY_PIXELS))
    picture.save(EXAMPLES / "overlay.jpg", quality=88)


if __name__ == "__main__":
    main()
