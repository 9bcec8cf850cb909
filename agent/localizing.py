"""What `fovea localize` does between its arguments and its output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ImageError, InputError
from agent.imaging import ImageFindings
from agent.localized import heading, lines
from agent.output import check_directory_target, dump, standard_output
from agent.progress import print_note, progress_bar
from agent.settings import load_settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from tools.localizer.batch import Result
    from tools.localizer.opening import Implementation


LONGEST_STEM = 160
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command; None leaves a choice to the settings or, for `workers`, to the machine."""

    min_score: float | None = None
    overlay: Path | None = None
    weights: Path | None = None
    implementation: Implementation | None = None
    workers: int | None = None
    json_output: bool = False


def run_localization(places: Sequence[Path], options: Options) -> None:
    """Prints what is seen on each image, in order and as it comes; files that could not be read are named on stderr at the end.

    Raises `ImageError` (after all others were done) when one of those was named itself rather than found in a directory, and
    `LocalizerError` (before anything is printed) when the detector cannot be used.
    """
    from tools.localizer.batch import cores, files_of, localize_files
    from tools.localizer.opening import open_localizer

    settings = load_settings()
    _check_overlay(options.overlay, places)
    paths = [path for place in places for path in files_of(str(place), str(options.overlay) if options.overlay else None)]
    if not paths:
        raise InputError(f"no files in {', '.join(str(place) for place in places)}: nothing to localize")
    workers = min(options.workers or cores(), len(paths))
    localizer = open_localizer(
        options.implementation or settings.localizer.implementation,
        options.weights or settings.localizer.weights,
        settings.localizer.threads,
        options.min_score,
        callers=workers,
    )
    identity = localizer.identity  # reads the weights: what is wrong with them is told before anything is printed
    print_note(f"{identity}: {localizer.caution}" if localizer.caution else "")
    overlays = Overlays(options.overlay) if options.overlay is not None else None
    if not options.json_output:
        write_lines(heading())
    unread: list[Result] = []
    measured = 0
    with progress_bar(len(paths)) as bar:
        for result in localize_files(paths, localizer, settings.intake, workers, overlays.write if overlays else None):
            if result.findings is None:
                unread.append(result)
            elif result.findings.modality == "cfp":
                measured += 1
            with bar.aside():
                show(result, overlays, json_output=options.json_output, alone=len(paths) == 1)
            bar.advance()
    _tell(unread, {str(place) for place in places}, measured, len(paths))


class Overlays:
    """Writes the numbered overlay of each measured photograph as `<name of the file>-<first digits of its sha256>.png`; a long name is
    cut, so that it stays one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def place(self, path: str, findings: ImageFindings) -> Path | None:
        """Where the overlay of `path` lies; None for an image that is not measured."""
        if findings.modality != "cfp":
            return None
        stem = os.fsencode(Path(path).stem)[:LONGEST_STEM].decode("utf-8", errors="ignore")
        return self._directory / f"{stem}-{findings.image.sha256[:12]}.png"

    def write(self, path: str, findings: ImageFindings, pixels: Image) -> None:
        from agent.overlays import write_overlay

        place = self.place(path, findings)
        if place is not None:
            write_overlay(place, pixels, findings)


def show(result: Result, overlays: Overlays | None, *, json_output: bool, alone: bool) -> None:
    """Prints one result and sends it on its way; `alone` gives a reader the single boxes as well."""
    if not json_output:
        write_lines(lines(result, boxes=alone))
        return
    with standard_output():
        dump(record(result, overlays), sys.stdout)
        sys.stdout.write("\n")


def write_lines(rows: Sequence[str]) -> None:
    with standard_output():
        sys.stdout.write("\n".join(rows) + "\n")


def record(result: Result, overlays: Overlays | None = None) -> dict[str, Any]:
    """One line of `--json`: boxes in fractions of the upright image. A file that could not be read has `image` and `error` only."""
    if result.findings is None:
        return {"image": result.path, "error": result.error}
    findings = result.findings
    place = overlays.place(result.path, findings) if overlays else None
    return {
        "image": result.path,
        "modality": findings.modality,
        "gradability": findings.gradability.model_dump(mode="json"),
        "boxes": boxes(findings),
        "image_level": findings.image_level,
        "anatomy": anatomy(findings),
        "note": findings.note,
    } | ({"overlay": str(place)} if place else {})


def boxes(findings: ImageFindings) -> list[dict[str, Any]]:
    """The optic disc, a fovea that was seen, and the lesions in the order of their numbers."""
    rows: list[dict[str, Any]] = []
    for label, score, box in (
        ("optic_disc", findings.optic_disc_score, findings.optic_disc),
        ("fovea", findings.fovea_score, findings.fovea_box),
    ):
        if box is not None and score is not None:
            rows.append({"label": label, "score": score, "box": [box.x1, box.y1, box.x2, box.y2]})
    for lesion in findings.lesions:
        box = lesion.box
        rows.append(
            {
                "label": lesion.label,
                "score": lesion.score,
                "box": [box.x1, box.y1, box.x2, box.y2],
                "number": lesion.number,
                "quadrant": lesion.quadrant,
                "fovea_distance_dd": lesion.fovea_distance_dd,
            }
        )
    return rows


def anatomy(findings: ImageFindings) -> dict[str, Any]:
    """Points in fractions of the image, distances in disc diameters (DD), areas in DD squared; null where something is unknown."""
    disc, fovea = findings.optic_disc, findings.fovea
    return {
        "laterality": findings.laterality,
        "optic_disc": {"centre": disc.centre, "diameter_px": findings.optic_disc_diameter_px} if disc else None,
        "fovea": {"centre": fovea, "source": findings.fovea_source, "uncertainty_dd": findings.fovea_uncertainty_dd} if fovea else None,
        "nearest_exudate": nearest_exudate(findings),
        "nearest_exudate_dd": findings.nearest_exudate_dd,
        "nearest_exudate_range_dd": findings.nearest_exudate_range_dd,
        "counts": findings.counts,
        "areas_dd2": findings.areas,
        "field_of_view": [getattr(findings.field_of_view, side) for side in ("x1", "y1", "x2", "y2")] if findings.field_of_view else None,
    }


def nearest_exudate(findings: ImageFindings) -> str:
    """Why there is a distance from the fovea to the nearest exudate, or none: `measured`, `none_seen` or `not_measurable` (see `note`)."""
    if findings.nearest_exudate_dd is not None:
        return "measured"
    seen = any(lesion.label == "hard_exudate" for lesion in findings.lesions)
    return "not_measurable" if seen else "none_seen"


def _check_overlay(overlay: Path | None, places: Sequence[Path]) -> None:
    """Makes the directory. Raises `InputError` when it is one of those read: the next run would measure the overlays."""
    if overlay is None:
        return
    check_directory_target(overlay)
    if any(place.is_dir() and place.samefile(overlay) for place in places):
        raise InputError(f"{overlay} is read itself: the overlays would be taken for photographs next time; name another directory")


def _tell(unread: Sequence[Result], named: set[str], measured: int, total: int) -> None:
    for result in unread:
        print_note(f"{result.path}: {result.error}")
    if total > 1:
        print_note(f"{total} files: {measured} measured, {total - measured - len(unread)} passed on, {len(unread)} unread")
    if len(unread) == total > 1:
        raise ImageError(f"none of the {total} files could be read: see above")
    bad = [result for result in unread if result.path in named]
    if bad:
        files = "file" if len(bad) == 1 else "files"
        raise ImageError(f"{len(bad)} named {files} could not be read: see above")
