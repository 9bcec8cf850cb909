"""Writes the numbered overlays of a report."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL.Image import Image

from agent.domain import CaseReport
from agent.output import write_whole
from agent.ports import ImageStore


def write_overlays(directory: Path, report: CaseReport, images: ImageStore) -> tuple[Path, ...]:
    """One PNG per measured photograph, `<case id>-image<number>.png`, for its owner alone.

    Raises `InputError` when the directory cannot be written.
    """
    from tools.overlay import draw

    written = []
    for findings in report.images:
        if findings.modality == "cfp":
            path = directory / f"{report.case_id}-image{findings.image.number}.png"
            drawn = draw(images.pixels(findings.image.sha256), findings)

            def write(file: IO[bytes], drawn: Image = drawn) -> None:
                drawn.save(file, "PNG")

            write_whole(path, write)
            written.append(path)
    return tuple(written)
