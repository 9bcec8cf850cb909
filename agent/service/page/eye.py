"""What is drawn over a photograph: lesions with their numbers, the disc, the fovea. Pure; coordinates in pixels of the upright image."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from agent.imaging import Box, ImageFindings, Lesion

COLOURS = {
    "hard_exudate": "#ffd54a", "haemorrhage": "#ff5a4f", "microaneurysm": "#ff9f7a", "soft_exudate": "#d7f0ff", "drusen": "#c9f27b",
    "neovascularisation": "#e18bff", "optic_disc": "#5ad1ff", "fovea": "#7dffb2",
}  # fmt: skip
WORDS = {
    "hard_exudate": "hard exudates", "haemorrhage": "haemorrhages", "microaneurysm": "microaneurysms", "soft_exudate": "soft exudates",
    "drusen": "drusen", "neovascularisation": "new vessels", "optic_disc": "optic disc", "fovea": "fovea",
}  # fmt: skip


def kinds(seen: ImageFindings) -> tuple[str, ...]:
    """What can be switched on this image, in a fixed order: the lesions' classes that were found, then disc and fovea."""
    labels = {lesion.label for lesion in seen.lesions}
    anatomy = [name for name, there in (("optic_disc", seen.optic_disc), ("fovea", seen.fovea)) if there is not None]
    return (*(kind for kind in COLOURS if kind in labels), *anatomy)


def overlay(seen: ImageFindings, shown: Collection[str], chosen: int | None = None) -> str:
    """SVG over the image: of the kinds in `shown`; the lesion numbered `chosen` is drawn strong. Every lesion answers to a click by its id."""
    width, height = seen.image.width, seen.image.height
    line = max(2.0, width / 500)
    parts = []
    if "optic_disc" in shown and seen.optic_disc is not None:
        parts.append(_rectangle(seen.optic_disc, width, height, COLOURS["optic_disc"], line, "disc", "optic disc", dash=True))
    if "fovea" in shown and seen.fovea is not None:
        x, y = seen.fovea[0] * width, seen.fovea[1] * height
        radius = max(4 * line, (seen.fovea_uncertainty_dd or 0.0) * (seen.optic_disc_diameter_px or 0.0))
        parts.append(
            f'<g id="fovea"><title>fovea, {seen.fovea_source or "estimated"}</title><circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" '
            f'fill="none" stroke="{COLOURS["fovea"]}" stroke-width="{line:.1f}" stroke-dasharray="{3 * line:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{line:.1f}" fill="{COLOURS["fovea"]}"/></g>'
        )
    for lesion in seen.lesions:
        if lesion.label in shown:
            strong = 2.0 if lesion.number == chosen else 1.0
            name = f"{WORDS[lesion.label]}, number {lesion.number}"
            parts.append(_rectangle(lesion.box, width, height, COLOURS[lesion.label], line * strong, f"lesion-{lesion.number}", name))
            parts.append(_number(lesion, width, height, line))
    return "".join(parts)


def described(lesion: Lesion) -> str:
    """One lesion in words.

    >>> described(Lesion(number=2, label="haemorrhage", score=0.812, box=Box(x1=0, y1=0, x2=0.1, y2=0.1), fovea_edge_dd=0.9))
    '2: haemorrhages, score 0.81, nearest edge 0.9 disc diameters from the fovea'
    """
    parts = [f"{lesion.number}: {WORDS[lesion.label]}", f"score {lesion.score:.2f}"]
    if lesion.quadrant is not None:
        parts.append(lesion.quadrant.replace("_", " "))
    if lesion.fovea_edge_dd is not None:
        parts.append(f"nearest edge {lesion.fovea_edge_dd:.1f} disc diameters from the fovea")
    return ", ".join(parts)


def summary(seen: ImageFindings) -> str:
    """An image in a sentence, for a caption and for a screen reader."""
    kind = {"cfp": "Colour fundus photograph", "oct": "OCT", "ffa": "Fluorescein angiogram"}.get(seen.modality, "Image")
    side = f", {seen.laterality} eye" if seen.laterality != "unknown" else ""
    counts = [f"{sum(q.values())} {WORDS.get(label, label)}" for label, q in seen.counts.items()]
    state = seen.gradability.status + (f" ({', '.join(seen.gradability.reasons)})" if seen.gradability.reasons else "")
    return f"{kind}{side}, {state}. " + (f"Found: {', '.join(counts)}." if counts else seen.note or "No lesion found.")


def numbered(lesions: Sequence[Lesion], identifier: str) -> Lesion | None:
    """The lesion whose shape has this id; None for anything else, which a browser may send."""
    return next((lesion for lesion in lesions if f"lesion-{lesion.number}" == identifier), None)


def _rectangle(box: Box, width: int, height: int, colour: str, line: float, name: str, title: str, *, dash: bool = False) -> str:
    dashes = f' stroke-dasharray="{4 * line:.1f}"' if dash else ""
    return (
        f'<rect id="{escape(name)}" x="{box.x1 * width:.1f}" y="{box.y1 * height:.1f}" width="{(box.x2 - box.x1) * width:.1f}" '
        f'height="{(box.y2 - box.y1) * height:.1f}" rx="{2 * line:.1f}" fill="{colour}" fill-opacity="0.06" stroke="{colour}" '
        f'stroke-width="{line:.1f}"{dashes} pointer-events="all" cursor="pointer"><title>{escape(title)}</title></rect>'
    )


def _number(lesion: Lesion, width: int, height: int, line: float) -> str:
    size = max(11.0, width / 55)
    x, y = lesion.box.x2 * width + line, max(size, lesion.box.y1 * height)
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.0f}" font-family="sans-serif" font-weight="600" fill="{COLOURS[lesion.label]}" '
        f'stroke="#000" stroke-width="{size / 6:.1f}" paint-order="stroke" pointer-events="none">{lesion.number}</text>'
    )
