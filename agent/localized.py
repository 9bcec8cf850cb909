"""What the localizer saw, for a person at a terminal: one row per image, and the single boxes of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.imaging import ImageFindings
from agent.wording import percent, plain_text

if TYPE_CHECKING:
    from tools.localizer.batch import Result

HEADING = ("image", "quality", "eye", "lesions boxed", "chance on the photograph", "nearest exudate")
"""Rows come as the images are done and none is kept, so the columns have fixed widths."""
WIDTHS = (28, 10, 7, 34, 60, 15)


def heading() -> list[str]:
    return [_row(HEADING), _row(tuple("-" * width for width in WIDTHS))]


def lines(result: Result, *, boxes: bool) -> list[str]:
    """The row of one image, its note below where there is more to say, and its boxes when asked for."""
    if result.findings is None:
        return [_row((_tail(result.path), "unread"))]  # why, is told at the end
    findings = result.findings
    quality = findings.gradability.status if findings.modality == "cfp" else findings.modality
    eye = findings.laterality if findings.laterality != "unknown" else "-"
    nearest = _nearest(findings)
    rows = [_row((_tail(result.path), quality, eye, _counted(findings), _chances(findings), nearest))]
    if findings.modality != "cfp" or findings.gradability.status != "gradable" or findings.optic_disc_diameter_px is None or boxes:
        rows.append(f"  {plain_text(findings.note)}")
    return rows + (_boxes(findings) if boxes else [])


def _counted(findings: ImageFindings) -> str:
    counted = [f"{sum(quadrants.values())} {_words(label)}" for label, quadrants in findings.counts.items()]
    return ", ".join(counted) or ("none" if findings.modality == "cfp" else "-")


def _nearest(findings: ImageFindings) -> str:
    if findings.nearest_exudate_dd is not None:
        return f"{findings.nearest_exudate_dd:.1f} DD"
    return "not measurable" if "hard_exudate" in findings.counts else "-"


def _chances(findings: ImageFindings) -> str:
    return ", ".join(f"{_words(label)} {percent(chance)}" for label, chance in findings.image_level.items()) or "-"


def _boxes(findings: ImageFindings) -> list[str]:
    rows = ["", "  no.  label               score  box (x1 y1 x2 y2, share of the image)  quadrant           to fovea"]
    if findings.optic_disc is not None:
        box, score = findings.optic_disc, findings.optic_disc_score or 0.0
        rows.append(f"       {'optic disc':18}  {score:5.2f}  {box.x1:.3f} {box.y1:.3f} {box.x2:.3f} {box.y2:.3f}")
    if findings.fovea_box is not None:
        box, score = findings.fovea_box, findings.fovea_score or 0.0
        rows.append(f"       {'fovea':18}  {score:5.2f}  {box.x1:.3f} {box.y1:.3f} {box.x2:.3f} {box.y2:.3f}")
    for lesion in findings.lesions:
        box = lesion.box
        distance = f"{lesion.fovea_distance_dd:.1f} DD" if lesion.fovea_distance_dd is not None else "-"
        place = f"{box.x1:.3f} {box.y1:.3f} {box.x2:.3f} {box.y2:.3f}"
        quadrant = _words(lesion.quadrant) if lesion.quadrant else "-"
        rows.append(f"  {lesion.number:3}  {_words(lesion.label):18}  {lesion.score:5.2f}  {place:38}  {quadrant:17}  {distance}")
    return rows


def _row(cells: tuple[str, ...]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)).rstrip()


def _tail(path: str) -> str:
    """The path, its beginning cut off where it is too long: names differ at their ends."""
    text = plain_text(path)
    return text if len(text) <= WIDTHS[0] else "…" + text[1 - WIDTHS[0] :]


def _words(name: str) -> str:
    return name.replace("_", " ")
