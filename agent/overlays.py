"""Writes the numbered overlays of a report."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL.Image import Image

from agent.domain import CaseReport
from agent.imaging import ImageFindings
from agent.output import write_whole
from agent.ports import ImageStore


def write_overlays(directory: Path, report: CaseReport, images: ImageStore) -> tuple[Path, ...]:
    """One PNG per measured photograph, `<case id>-image<number>.png`, for its owner alone.

    Raises `InputError` when the directory cannot be written.
    """
    written = []
    for findings in report.images:
        if findings.modality == "cfp":
            path = directory / f"{report.case_id}-image{findings.image.number}.png"
            write_overlay(path, images.pixels(findings.image.sha256), findings)
            written.append(path)
    return tuple(written)


def write_overlay(path: Path, pixels: Image, findings: ImageFindings) -> None:
    """Writes one numbered overlay as PNG. Raises `InputError` when it cannot be written."""
    from tools.overlay import draw

    drawn = draw(pixels, findings)

    def write(file: IO[bytes]) -> None:
        drawn.save(file, "PNG")

    write_whole(path, write)
