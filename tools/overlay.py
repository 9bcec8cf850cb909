"""A numbered drawing of what the localizer found, for people: full resolution, readable on dark and pale fundi.

Classes differ by colour (a palette that colour-blind readers tell apart, after Okabe and Ito 2008) and by letter; every outline has
a dark halo, so it stands out from blood and from exudate alike. The fovea is a cross in a ring, the ring its uncertainty: drawn
through for one that was seen, open and dashed for one that was placed from the disc.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont
from PIL.ImageFont import ImageFont as BitmapFont

from agent.imaging import Box, ImageFindings, LesionLabel
from tools.labels import Rectangle, free_place, leader, place_labels

Colour = tuple[int, int, int]
Font = FreeTypeFont | BitmapFont


@dataclass(frozen=True, slots=True)
class Style:
    letter: str
    colour: Colour
    name: str


STYLES: dict[LesionLabel, Style] = {
    "hard_exudate": Style("E", (240, 228, 66), "hard exudate"),
    "haemorrhage": Style("H", (86, 180, 233), "haemorrhage"),
    "microaneurysm": Style("M", (0, 220, 160), "microaneurysm"),
    "soft_exudate": Style("S", (255, 255, 255), "soft exudate"),
    "drusen": Style("D", (230, 159, 200), "drusen"),
    "neovascularisation": Style("N", (230, 159, 0), "neovascularisation"),
}
ANATOMY: Colour = (255, 255, 255)
HALO: Colour = (0, 0, 0)
SMALLEST_LETTER = 10
"""Pixels: smaller letters cannot be read at full size."""
NOTE_LINES = 3
PLAIN = "colour fundus photograph"
"""How the note of every measured photograph begins: a reader of the overlay sees that it is one."""


def draw(pixels: Image.Image, findings: ImageFindings) -> Image.Image:
    """A new image of the same size without any metadata; `pixels` stays as it is. Without findings only the legend is drawn.

    Where a small picture has no room for all labels, those of the lowest scores are left out, and the legend says how many.
    """
    canvas = Image.new("RGB", pixels.size)
    canvas.paste(pixels.convert("RGB"))
    pen = ImageDraw.Draw(canvas)
    longest, crowd = max(canvas.size), len(findings.lesions)
    unit = max(1, round(longest / 800))
    height = max(SMALLEST_LETTER, round(longest / (72 if crowd <= 30 else 92 if crowd <= 90 else 110)))
    font = ImageFont.load_default(height)
    marks = _anatomy(pen, findings, canvas.size, unit)
    frames = [_grown(_rectangle(lesion.box, canvas.size), 2 * unit) for lesion in findings.lesions]
    for lesion, frame in zip(findings.lesions, frames, strict=True):
        pen.rectangle(_grown(frame, unit), outline=HALO, width=3 * unit)
        pen.rectangle(frame, outline=STYLES[lesion.label].colour, width=unit)
    labels, unlabelled = _labels(pen, findings, frames, marks, font, unit)
    _legend(canvas, findings, [*frames, *marks, *labels], unlabelled, unit)
    return canvas


def _anatomy(pen: ImageDraw.ImageDraw, findings: ImageFindings, size: tuple[int, int], unit: int) -> list[Rectangle]:
    """Draws disc and fovea; returns the places no label should cover."""
    marks: list[Rectangle] = []
    if findings.optic_disc is not None:
        disc = _rectangle(findings.optic_disc, size)
        _ring(pen, disc, unit, dashed=True)
        marks.append(disc)
    if findings.fovea is not None:
        x, y, seen = findings.fovea[0] * size[0], findings.fovea[1] * size[1], findings.fovea_source == "detected"
        if findings.fovea_uncertainty_dd and findings.optic_disc_diameter_px:
            # The findings count in pixels of their own image; the picture drawn on may be a reduced copy of it.
            radius = findings.fovea_uncertainty_dd * findings.optic_disc_diameter_px * size[0] / findings.image.width
            _ring(pen, (x - radius, y - radius, x + radius, y + radius), unit, dashed=not seen)
        arm = 7 * unit
        for colour, width, more in ((HALO, 3 * unit, unit), (ANATOMY, unit, 0)):
            inner = 0 if seen else 3 * unit - more
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                ends = (x + dx * inner, y + dy * inner, x + dx * (arm + more), y + dy * (arm + more))
                pen.line(ends, fill=colour, width=width)
        marks.append((x - arm, y - arm, x + arm, y + arm))
    return marks


def _labels(
    pen: ImageDraw.ImageDraw, findings: ImageFindings, frames: list[Rectangle], marks: list[Rectangle], font: Font, unit: int
) -> tuple[list[Rectangle], int]:
    """Draws letter and number of each lesion; returns the labels' places and how many had to be left out."""
    styles = [STYLES[lesion.label] for lesion in findings.lesions]
    texts = [f"{style.letter}{lesion.number}" for style, lesion in zip(styles, findings.lesions, strict=True)]
    inks = [pen.textbbox((0, 0), text, font=font) for text in texts]
    sizes = [(right - left + 4 * unit, bottom - top + 4 * unit) for left, top, right, bottom in inks]
    size = (pen.im.size[0], pen.im.size[1])
    places = place_labels(frames, sizes, size, unit, marks)
    shown = [(place, i) for i, place in enumerate(places) if place is not None]
    for (at, moved), i in shown:  # leaders first, so that none crosses a label
        if moved:
            ends = leader(at, frames[i])
            pen.line(ends, fill=HALO, width=3 * unit)
            pen.line(ends, fill=styles[i].colour, width=unit)
    for (at, _), i in shown:
        pen.rectangle(at, fill=HALO, outline=styles[i].colour, width=max(1, unit // 2))
        pen.text((at[0] + 2 * unit - inks[i][0], at[1] + 2 * unit - inks[i][1]), texts[i], fill=styles[i].colour, font=font)
    return [at for (at, _), _ in shown], len(places) - len(shown)


def _rectangle(box: Box, size: tuple[int, int]) -> Rectangle:
    return box.x1 * size[0], box.y1 * size[1], box.x2 * size[0], box.y2 * size[1]


def _grown(frame: Rectangle, by: float) -> Rectangle:
    return frame[0] - by, frame[1] - by, frame[2] + by, frame[3] + by


def _ring(pen: ImageDraw.ImageDraw, frame: Rectangle, unit: int, dashed: bool) -> None:
    arcs = [(start, start + 12) for start in range(0, 360, 20)] if dashed else [(0, 360)]
    for first, last in arcs:
        pen.arc(_grown(frame, unit), first, last, fill=HALO, width=3 * unit)
    for first, last in arcs:
        pen.arc(frame, first, last, fill=ANATOMY, width=unit)


def _legend(canvas: Image.Image, findings: ImageFindings, taken: list[Rectangle], unlabelled: int, unit: int) -> None:
    """On a dark panel where it covers least: a line a class, or all classes on one line (and less of the rest) where that would cover
    lesions."""
    height = max(SMALLEST_LETTER, round(max(canvas.size) / 80))
    font = ImageFont.load_default(height)
    pen = ImageDraw.Draw(canvas, "RGBA")
    margin, spacing = 4 * unit, round(height * 1.35)
    counts = Counter(lesion.label for lesion in findings.lesions)
    seen = [(style, counts[label]) for label, style in STYLES.items() if counts[label]]
    full: list[list[tuple[Colour, str]]] = [[(style.colour, f"{style.letter}  {style.name}: {count}")] for style, count in seen]
    short = [[(style.colour, f"{style.letter} {count}  ") for style, count in seen]] if seen else []
    facts = _facts(findings, unlabelled)
    marks = ["- -  optic disc"] if findings.optic_disc is not None else []
    if findings.fovea is not None:
        marks.append("+  fovea, seen" if findings.fovea_source == "detected" else "+  fovea, estimated")
    if not seen and not facts and not marks:
        facts = ["nothing found"]
    column = max((sum(pen.textlength(text, font=font) for _, text in row) for row in full), default=canvas.width - 6.0 * margin)
    layouts = []
    for head, words, room in (
        (full, [*marks, *facts], max(column, 0.2 * canvas.width)),
        (short, facts, 0.4 * canvas.width),
        (short, facts, 0.8 * canvas.width),
        (short, facts[:1], 0.8 * canvas.width),
        (short, [], 0.8 * canvas.width),
    ):
        rows = head + [[(ANATOMY, line)] for text in words for line in _wrapped(pen, text, font, room)]
        if rows:
            wide = max(sum(pen.textlength(text, font=font) for _, text in row) for row in rows)
            layouts.append((rows, (wide + 2 * margin, spacing * len(rows) + margin)))
    chosen, panel = free_place([size for _, size in layouts], canvas.size, margin, taken)
    pen.rectangle(panel, fill=(0, 0, 0, 190))
    for line, row in enumerate(layouts[chosen][0]):
        x = panel[0] + margin
        for colour, text in row:
            pen.text((x, panel[1] + margin / 2 + line * spacing), text, fill=colour, font=font)
            x += pen.textlength(text, font=font)


def _facts(findings: ImageFindings, unlabelled: int) -> list[str]:
    facts = [f"no room for {unlabelled} labels"] if unlabelled else []
    if findings.nearest_exudate_dd is not None:
        spread = findings.nearest_exudate_range_dd
        between = f" ({spread[0]:.1f} to {spread[1]:.1f})" if spread else ""
        facts.append(f"nearest exudate {findings.nearest_exudate_dd:.1f} DD from the fovea{between}")
    reasons = findings.gradability.reasons
    if findings.gradability.status != "gradable":
        facts.append(": ".join(part for part in (findings.gradability.status, "; ".join(reasons)) if part))
    told = [part for part in findings.note.split("; ") if part and part not in reasons]
    facts += [part for part in told if findings.modality != "cfp" or not part.startswith(PLAIN)]
    return facts


def _wrapped(pen: ImageDraw.ImageDraw, text: str, font: Font, room: float) -> list[str]:
    """Lines no wider than `room` pixels, at most three of them: what does not fit ends in dots."""
    lines: list[str] = []
    rest = text.split()
    while rest and len(lines) < NOTE_LINES:
        count = 1
        while count < len(rest) and pen.textlength(" ".join(rest[: count + 1]), font=font) <= room:
            count += 1
        lines.append(" ".join(rest[:count]))
        rest = rest[count:]
    if rest:
        lines[-1] += "..."
    return [_shortened(pen, line, font, room) for line in lines]


def _shortened(pen: ImageDraw.ImageDraw, text: str, font: Font, room: float) -> str:
    if pen.textlength(text, font=font) <= room:
        return text
    text = text.removesuffix("...")
    while len(text) > 1 and pen.textlength(text + "...", font=font) > room:
        text = text[:-1]
    return text.rstrip() + "..."
