"""A numbered drawing of what the localizer found, for people: full resolution, readable on dark and pale fundi.

Classes differ by colour (a palette that colour-blind readers tell apart, after Okabe and Ito 2008) and by letter; every outline has
a dark halo, so it stands out from blood and from exudate alike.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont
from PIL.ImageFont import ImageFont as BitmapFont

from agent.domain import Box, ImageFindings, Lesion, LesionLabel

Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]
Font = FreeTypeFont | BitmapFont


@dataclass(frozen=True, slots=True)
class Style:
    letter: str
    colour: Colour
    name: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A label that has found its place. `moved`: away from its box, so it needs a leader."""

    style: Style
    text: str
    at: Rectangle
    origin: tuple[float, float]
    frame: Rectangle
    moved: bool


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


def draw(pixels: Image.Image, findings: ImageFindings) -> Image.Image:
    """A new image of the same size; `pixels` stays as it is. Without findings only the legend's note is drawn."""
    canvas = pixels.convert("RGB")
    if canvas is pixels:
        canvas = pixels.copy()
    pen = ImageDraw.Draw(canvas)
    unit = max(1, round(max(canvas.size) / 800))
    height = max(10, round(max(canvas.size) / (72 if len(findings.lesions) <= 30 else 92)))
    font = ImageFont.load_default(height)
    if findings.optic_disc is not None:
        _dashed_ellipse(pen, _rectangle(findings.optic_disc, canvas.size), unit)
    if findings.fovea is not None:
        _cross(pen, findings.fovea[0] * canvas.width, findings.fovea[1] * canvas.height, 7 * unit, unit)
    frames = [(lesion, _grown(_rectangle(lesion.box, canvas.size), 2 * unit)) for lesion in findings.lesions]
    for lesion, frame in frames:
        _outline(pen, frame, STYLES[lesion.label].colour, unit)
    taken = [frame for _, frame in frames]
    if findings.optic_disc is not None:
        taken.append(_rectangle(findings.optic_disc, canvas.size))
    chips: list[Chip] = []
    for lesion, frame in frames:
        chips.append(_placed(pen, lesion, frame, taken, chips, canvas.size, font, unit))
    for chip in chips:  # leaders first, so that none crosses a label
        if chip.moved:
            ends = (*_middle(chip.at), *_middle(chip.frame))
            pen.line(ends, fill=HALO, width=2 * unit)
            pen.line(ends, fill=chip.style.colour, width=unit)
    for chip in chips:
        pen.rectangle(chip.at, fill=HALO, outline=chip.style.colour, width=max(1, unit // 2))
        pen.text(chip.origin, chip.text, fill=chip.style.colour, font=font)
    _legend(canvas, findings, [*taken, *(chip.at for chip in chips)], height, unit)
    return canvas


def _rectangle(box: Box, size: tuple[int, int]) -> Rectangle:
    return box.x1 * size[0], box.y1 * size[1], box.x2 * size[0], box.y2 * size[1]


def _grown(frame: Rectangle, by: float) -> Rectangle:
    return frame[0] - by, frame[1] - by, frame[2] + by, frame[3] + by


def _outline(pen: ImageDraw.ImageDraw, frame: Rectangle, colour: Colour, unit: int) -> None:
    pen.rectangle(_grown(frame, unit), outline=HALO, width=3 * unit)
    pen.rectangle(frame, outline=colour, width=unit)


def _dashed_ellipse(pen: ImageDraw.ImageDraw, frame: Rectangle, unit: int) -> None:
    pen.ellipse(_grown(frame, unit), outline=HALO, width=3 * unit)
    for start in range(0, 360, 20):
        pen.arc(frame, start, start + 12, fill=ANATOMY, width=unit)


def _cross(pen: ImageDraw.ImageDraw, x: float, y: float, arm: float, unit: int) -> None:
    for colour, width, reach in ((HALO, 3 * unit, arm + unit), (ANATOMY, unit, arm)):
        pen.line((x - reach, y, x + reach, y), fill=colour, width=width)
        pen.line((x, y - reach, x, y + reach), fill=colour, width=width)


def _placed(
    pen: ImageDraw.ImageDraw,
    lesion: Lesion,
    frame: Rectangle,
    frames: list[Rectangle],
    chips: list[Chip],
    size: tuple[int, int],
    font: Font,
    unit: int,
) -> Chip:
    """The place for letter and number that covers least of what is drawn, nearest to its box."""
    style = STYLES[lesion.label]
    text = f"{style.letter}{lesion.number}"
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4 * unit, bottom - top + 4 * unit

    def cost(place: tuple[float, float, float]) -> float:
        at = (place[0], place[1], place[0] + width, place[1] + height)
        outside = at[0] < 0 or at[1] < 0 or at[2] > size[0] or at[3] > size[1]
        boxes = sum(_shared(at, other) for other in frames if other is not frame)
        labels = sum(_shared(at, other.at) for other in chips)
        return (boxes + 4 * labels) / (width * height) + 0.25 * place[2] + (100 if outside else 0)

    x, y, step = min(_places(frame, width, height, unit), key=cost)
    origin = (x + 2 * unit - left, y + 2 * unit - top)
    return Chip(style, text, (x, y, x + width, y + height), origin, frame, step > 0)


def _middle(frame: Rectangle) -> tuple[float, float]:
    return (frame[0] + frame[2]) / 2, (frame[1] + frame[3]) / 2


def _places(frame: Rectangle, width: float, height: float, unit: int) -> list[tuple[float, float, float]]:
    """Upper-left corners around a box, each with its distance in label heights (0: touching the box)."""
    x1, y1, x2, y2 = frame
    middle_x, middle_y = (x1 + x2 - width) / 2, (y1 + y2 - height) / 2
    found: list[tuple[float, float, float]] = []
    for step in (0.0, 1.4, 2.8, 4.5):
        gap = unit + step * height
        found += [(x1, y1 - height - gap, step), (x2 - width, y1 - height - gap, step), (x1, y2 + gap, step)]
        found += [(x2 - width, y2 + gap, step), (x2 + gap, middle_y, step), (x1 - width - gap, middle_y, step)]
        found += [(middle_x, y1 - height - gap, step), (middle_x, y2 + gap, step)]
        found += [(x2 + gap, y1 - height - gap, step), (x1 - width - gap, y1 - height - gap, step)]
        found += [(x2 + gap, y2 + gap, step), (x1 - width - gap, y2 + gap, step)]
    return found


def _shared(a: Rectangle, b: Rectangle) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _legend(canvas: Image.Image, findings: ImageFindings, taken: list[Rectangle], height: int, unit: int) -> None:
    """In the corner that covers least, on a dark panel: the letters that occur with their counts, anatomy, and the note if there is one."""
    counts = Counter(lesion.label for lesion in findings.lesions)
    lines: list[tuple[Colour, str]] = [
        (style.colour, f"{style.letter}  {style.name}: {counts[label]}") for label, style in STYLES.items() if counts[label]
    ]
    if findings.optic_disc is not None:
        lines.append((ANATOMY, "- -  optic disc"))
    if findings.fovea is not None:
        lines.append((ANATOMY, "+  fovea (estimated)"))
    if findings.gradability.status != "gradable":
        lines.append((ANATOMY, findings.gradability.status))
    if findings.note:
        lines.append((ANATOMY, findings.note))
    if not lines:
        lines.append((ANATOMY, "nothing found"))
    font = ImageFont.load_default(height)
    pen = ImageDraw.Draw(canvas, "RGBA")
    margin, spacing = 4 * unit, round(height * 1.35)
    room = canvas.width - 6 * margin
    lines = [(colour, _shortened(pen, text, font, room)) for colour, text in lines]
    width = max(pen.textlength(text, font=font) for _, text in lines) + 2 * margin
    tall = spacing * len(lines) + margin
    lower, right = canvas.height - tall - margin, canvas.width - width - margin
    corners = [(x, y, x + width, y + tall) for x, y in ((margin, lower), (right, lower), (margin, margin), (right, margin))]
    panel = min(corners, key=lambda corner: sum(_shared(corner, other) for other in taken))
    pen.rectangle(panel, fill=(0, 0, 0, 190))
    for row, (colour, text) in enumerate(lines):
        pen.text((panel[0] + margin, panel[1] + margin / 2 + row * spacing), text, fill=colour, font=font)


def _shortened(pen: ImageDraw.ImageDraw, text: str, font: Font, room: float) -> str:
    if pen.textlength(text, font=font) <= room:
        return text
    while len(text) > 1 and pen.textlength(text + "...", font=font) > room:
        text = text[:-1]
    return text.rstrip() + "..."
