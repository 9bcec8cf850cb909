"""Questions about places on a photograph: where something is (region detection), and what lies in a box (region identification).

Two of FundusExpert's tasks, answered from what the localizer found, in its conventions: boxes are `<ref>…</ref><box>[[…]]</box>` in
integers 0 to 999. An answer never claims more than the localizer knows: what it did not look for, could not judge or only estimated
is said to be so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.imaging import Box, ImageFindings, Quadrant
from tools.grounding import NAMES, largest, marked, read_boxes
from tools.localizer.anatomy import Retina, holds, quadrant
from tools.localizer.burden import Bounds, union_area

WORDS: dict[str, str] = {
    "optic_disc": "optic disc, optic disk, optic nerve head, optic nerve, disc, disk, papilla, onh",
    "fovea": "fovea, foveola, macula, macular centre, macular center, foveal centre, foveal center",
    "hard_exudate": "hard exudate, exudate, lipid exudate, lipid deposit",
    "haemorrhage": "haemorrhage, hemorrhage, retinal haemorrhage, retinal hemorrhage, dot haemorrhage, dot hemorrhage, blot haemorrhage, "
    "blot hemorrhage, flame haemorrhage, flame hemorrhage, bleeding, bleed, blood",
    "microaneurysm": "microaneurysm, micro aneurysm, ma",
    "soft_exudate": "soft exudate, cotton wool spot, cottonwool spot, cotton wool, cws",
    "drusen": "drusen, druse",
    "neovascularisation": "neovascularisation, neovascularization, new vessel, new blood vessel, nvd, nve",
}
ANY_LESION = "lesion, abnormality, abnormalities, pathology, pathologies"
LESIONS = tuple(name for name in WORDS if name not in ("optic_disc", "fovea"))
SMALL_SHARE = 0.02
"""What covers less of a box than this, and is itself not inside the box, is at its edge and not in it."""
POINT = 0.001
"""Least side of a box, one step of 0 to 999."""
_PHRASES = sorted(
    ((phrase, name) for name, text in {**WORDS, "lesions": ANY_LESION}.items() for phrase in text.split(", ")), key=lambda one: -len(one[0])
)
_ASKED = re.compile(
    "|".join(rf"(?P<p{i}>\b{re.escape(phrase).replace(chr(92) + ' ', r'[ _-]*')}(?:e?s)?\b)" for i, (phrase, _) in enumerate(_PHRASES)),
    re.IGNORECASE,
)
_SHARED_NOUN = re.compile(r"\b(hard|soft)(\s*(?:and|or|,|/|&)\s*)(?=(?:hard|soft)\s+exudate)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` answers in words and markup; `boxes` are those it shows. `found` is False where nothing could be pointed at."""

    found: bool
    text: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What a box holds of one structure: the share of the box it covers, the share of the structure inside the box, how well the two
    coincide (intersection over union, the best single box or all together), and the numbers of the lesions."""

    name: str
    covers: float
    inside: float
    agreement: float
    lesions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """Everything the localizer knows about a box, the structure it fits best first; `place` is the quadrant of its centre."""

    held: tuple[Held, ...]
    place: Quadrant | None
    text: str


def asked_for(question: str) -> tuple[str, ...]:
    """The structures a question names, in its order; all lesions where it asks for lesions as such; empty where it names none.

    >>> asked_for("Where are the Cotton-Wool spots, and where is the optic nerve head?")
    ('soft_exudate', 'optic_disc')
    >>> asked_for("hard_exudate"), asked_for("Is there hypopyon?"), len(asked_for("Mark every lesion"))
    (('hard_exudate',), (), 6)
    """
    named: list[str] = []
    for match in _ASKED.finditer(_SHARED_NOUN.sub(r"\1 exudate\2", question)):
        name = _PHRASES[int((match.lastgroup or "p0")[1:])][1]
        named += LESIONS if name == "lesions" else (name,)
    return tuple(dict.fromkeys(named))


def find(findings: ImageFindings, question: str) -> Answer:
    """Region detection: boxes of what a question or a label names, or why there are none."""
    names = asked_for(question)
    if not names:
        known = ", ".join(name.lower() for name in NAMES.values())
        return Answer(False, f"The question names nothing the localizer knows. It knows: {known}.")
    refused = _unread(findings)
    if refused:
        return Answer(False, refused)
    answers = [_where(findings, name) for name in names]
    boxes = tuple(box for one in answers for box in one.boxes)
    shown = [one for one in answers if one.found]
    if names == LESIONS and shown:  # of all lesions only those that are there are told
        answers = shown
    text = " ".join(one.text for one in answers)
    return Answer(bool(boxes), text + _caution(findings, seen=bool(boxes)), boxes)


def identify(findings: ImageFindings, box: Box) -> Content:
    """Region identification: what lies in a box, and where the box lies. A box without extent is read as the point it marks."""
    refused = _unread(findings)
    if refused:
        return Content((), None, refused)
    held = sorted(_held(findings, _with_extent(box)), key=lambda one: (-one.agreement, -one.covers, one.name))
    retina = _retina(findings)
    place = quadrant(box.centre, retina.fovea, retina.nasal)
    where = f" The box lies in the {place.replace('_', ' ')} quadrant." if place else ""
    if not held:
        return Content((), place, f"Nothing the localizer knows lies in this box.{where}{_caution(findings, seen=False)}")
    parts = [_said(one) for one in held]
    return Content(tuple(held), place, f"{'; '.join(parts)}.{where}{_caution(findings, seen=True)}")


def answer_region_question(findings: ImageFindings, question: str) -> Answer:
    """A question with a box in it (`<box>[[…]]</box>` or `[x1, y1, x2, y2]`, 0 to 999) asks what it holds, any other where something is.

    Raises ValueError, quoting the box, where its numbers are no box.
    """
    bare = re.search(r"\[[\[\]\d\s,.;-]*,[\[\]\d\s,.;-]*\]", question)
    if "<box>" in question:
        boxes = [box for one in read_boxes(question) for box in one.boxes]
    else:
        boxes = list(read_boxes(f"<box>{bare.group()}</box>")[0].boxes) if bare else []
    if not boxes:
        return find(findings, question)
    contents = [identify(findings, box) for box in boxes]
    return Answer(any(one.held for one in contents), " ".join(one.text for one in contents), tuple(boxes))


def _unread(findings: ImageFindings) -> str:
    if findings.modality == "cfp":
        return ""
    return f"Nothing was looked for on this picture: {findings.note or 'it is no colour fundus photograph'}."


def _caution(findings: ImageFindings, *, seen: bool) -> str:
    status = findings.gradability.status
    if status == "gradable" or (seen and status == "limited"):
        return ""
    reasons = f" ({', '.join(findings.gradability.reasons)})" if findings.gradability.reasons else ""
    quality = "ungradable" if status == "ungradable" else "of limited quality"
    return f" The photograph is {quality}{reasons}: what was not seen may be there all the same."


def _where(findings: ImageFindings, name: str) -> Answer:
    title = NAMES[name]
    if name == "optic_disc":
        boxes = [findings.optic_disc] if findings.optic_disc is not None else []
        return _pointed(title, boxes, "")
    if name == "fovea":
        fovea, estimated = fovea_box(findings), findings.fovea_source != "detected"
        note = " (estimated from the optic disc; the box is its uncertainty)" if estimated else ""
        if fovea is None and findings.fovea is not None:
            return Answer(False, f"The fovea is at {_point(findings.fovea)}, but without an optic disc it has no extent.")
        return _pointed(title, [fovea] if fovea is not None else [], note)
    boxes = [lesion.box for lesion in findings.lesions if lesion.label == name]
    if not boxes and findings.image_level and name not in findings.image_level:
        return Answer(False, f"{title} is not among what this localizer looks for.")
    shown = largest(boxes)
    more = f", the largest {len(shown)} of {len(boxes)}" if len(boxes) > len(shown) else ""
    return _pointed(title, shown, more)


def _pointed(title: str, boxes: list[Box], note: str) -> Answer:
    if not boxes:
        return Answer(False, f"{title}: not found on this photograph.")
    return Answer(True, f"{marked(title, boxes)}{note}.", tuple(boxes))


def fovea_box(findings: ImageFindings) -> Box | None:
    """The detected fovea's box, or a square of the uncertainty about an estimated one; None where neither can be drawn."""
    if findings.fovea is None:
        return None
    if findings.fovea_source == "detected" and findings.fovea_box is not None:
        return findings.fovea_box
    if not findings.fovea_uncertainty_dd or not findings.optic_disc_diameter_px:
        return None
    radius = findings.fovea_uncertainty_dd * findings.optic_disc_diameter_px
    x, y, dx, dy = *findings.fovea, radius / findings.image.width, radius / findings.image.height
    return Box(x1=max(0.0, x - dx), y1=max(0.0, y - dy), x2=min(1.0, x + dx), y2=min(1.0, y + dy))


def _held(findings: ImageFindings, box: Box) -> list[Held]:
    found = []
    if findings.optic_disc is not None:
        found.append(_shares("optic_disc", [(0, findings.optic_disc)], box))
    fovea = fovea_box(findings)
    if fovea is not None:
        found.append(_shares("fovea", [(0, fovea)], box))
    elif findings.fovea is not None and holds(box, findings.fovea):
        found.append(Held("fovea", 0.0, 1.0, 0.0))
    for name in LESIONS:
        members = [(lesion.number, lesion.box) for lesion in findings.lesions if lesion.label == name]
        found.append(_shares(name, members, box))
    return [one for one in found if one.inside > 0 and (one.covers >= SMALL_SHARE or one.inside >= 0.5)]


def _shares(name: str, members: list[tuple[int, Box]], box: Box) -> Held:
    """Of the members that reach into the box; all zeros where none does."""
    touching = [(number, one, clip) for number, one in members if (clip := _common(one, box)) is not None]
    if not touching:
        return Held(name, 0.0, 0.0, 0.0)
    whole, covered = union_area([_bounds(one) for _, one, _ in touching]), union_area([clip for *_, clip in touching])
    area = _area(_bounds(box))
    single = max(_area(clip) / (area + _area(_bounds(one)) - _area(clip)) for _, one, clip in touching)
    together = covered / (area + whole - covered)
    numbers = tuple(number for number, *_ in touching if number)
    return Held(name, round(covered / area, 4), round(covered / whole, 4), round(max(single, together), 4), numbers)


def _said(one: Held) -> str:
    numbers = f" (lesion{'s' if len(one.lesions) > 1 else ''} {', '.join(map(str, one.lesions))})" if one.lesions else ""
    if one.name in ("optic_disc", "fovea"):
        return f"{NAMES[one.name]}, {one.inside:.0%} of it inside the box"
    return f"{NAMES[one.name]}{numbers}, covers {one.covers:.0%} of the box"


def _retina(findings: ImageFindings) -> Retina:
    """The landmarks again: the nasal side is the side of the disc from the fovea, else what the eye's name says."""
    image, disc, fovea = findings.image, findings.optic_disc, findings.fovea
    nasal = findings.laterality if findings.laterality in ("left", "right") else None
    if disc is not None and fovea is not None:
        nasal = "right" if disc.centre[0] > fovea[0] else "left"
    return Retina(image.width, image.height, findings.laterality, disc, nasal, fovea)


def _with_extent(box: Box) -> Box:
    x1, y1 = min(box.x1, 1 - POINT), min(box.y1, 1 - POINT)
    return Box(x1=x1, y1=y1, x2=max(box.x2, x1 + POINT), y2=max(box.y2, y1 + POINT))


def _bounds(box: Box) -> Bounds:
    return box.x1, box.y1, box.x2, box.y2


def _common(a: Box, b: Box) -> Bounds | None:
    x1, y1, x2, y2 = max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2)
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def _area(bounds: Bounds) -> float:
    return (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])


def _point(point: tuple[float, float]) -> str:
    return f"[{min(999, round(point[0] * 1000))}, {min(999, round(point[1] * 1000))}]"
