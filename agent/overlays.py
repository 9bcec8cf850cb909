"""Writes the numbered overlays of a report."""

from __future__ import annotations

from pathlib import Path

from agent.domain import CaseReport
from agent.errors import InputError
from agent.ports import ImageStore


def write_overlays(directory: Path, report: CaseReport, images: ImageStore) -> tuple[Path, ...]:
    """One PNG per measured photograph, `<case id>-image<number>.png`. Raises `InputError` when the directory cannot be written."""
    from tools.overlay import draw

    written = []
    for findings in report.images:
        if findings.modality == "cfp":
            path = directory / f"{report.case_id}-image{findings.image.number}.png"
            try:
                directory.mkdir(parents=True, exist_ok=True)
                draw(images.pixels(findings.image.sha256), findings).save(path)
            except OSError as error:
                raise InputError(f"cannot write {path}: {error.strerror or error}") from error
            written.append(path)
    return tuple(written)
