"""The line of the grounded report that describes one photograph."""

from __future__ import annotations

from typing import Any

import pytest

from agent.composition import grounded_report
from agent.imaging import Box, Gradability, ImageFindings, ImageRef
from agent.nodes.verify import check_boxes
from tools.grounding import MAX_BOXES, read_boxes
from tools.localizer.anatomy import Found, landmarks, place
from tools.localizer.burden import nearest_exudate

SIZE = (1500, 1000)
DISC = Box(x1=0.72, y1=0.42, x2=0.80, y2=0.54)


def square(x: float, y: float, half: float = 0.01) -> Box:
    return Box(x1=x - half, y1=y - half, x2=x + half, y2=y + half)


def report(*found: Found, **more: Any) -> tuple[str, ImageFindings]:
    retina = landmarks(*SIZE, None, DISC)
    lesions = place(found, retina)
    nearest = nearest_exudate(lesions, retina)
    values: dict[str, Any] = {
        "image": ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=SIZE[0], height=SIZE[1]),
        "modality": "cfp",
        "gradability": Gradability(status="gradable"),
        "optic_disc": DISC,
        "fovea": retina.fovea,
        "fovea_source": "estimated",
        "laterality": "right",
        "lesions": lesions,
        "nearest_exudate_dd": nearest[0] if nearest else None,
        "nearest_exudate_range_dd": nearest[1] if nearest else None,
    }
    findings = ImageFindings(**(values | more))
    return grounded_report([findings], (), ()), findings


def test_every_box_is_the_localizers_and_can_be_read_back() -> None:
    text, findings = report(Found("hard_exudate", 0.9, square(0.4, 0.4)), Found("haemorrhage", 0.8, square(0.3, 0.6)))
    check_boxes(text, (findings,))
    assert [one.name for one in read_boxes(text)] == ["Optic disc", "Hard exudate", "Haemorrhage"]


def test_the_distance_to_the_fovea_has_its_uncertainty_and_says_how_the_fovea_is_known() -> None:
    x, y = 0.76 - 2.35 * 120 / 1500, 0.48 + 0.25 * 120 / 1000
    spot = Box(x1=x + 120 / 1500, y1=y - 0.01, x2=x + 0.12, y2=y + 0.01)
    text, _ = report(Found("hard_exudate", 0.9, spot))
    assert "(nearest edge 1.0 disc diameters from the estimated fovea, 0.7 to 1.4 by its uncertainty)" in text
    seen, _ = report(Found("hard_exudate", 0.9, spot), fovea_source="detected")
    assert "from the detected fovea" in seen
    blood, _ = report(Found("haemorrhage", 0.9, spot))
    assert "(nearest edge 1.0 disc diameters from the estimated fovea)." in blood


def test_many_lesions_are_counted_beyond_the_boxes_shown() -> None:
    text, _ = report(*[Found("haemorrhage", 0.5, square(0.05 * i, 0.5)) for i in range(1, 15)])
    assert len(read_boxes(text)[1].boxes) == MAX_BOXES
    assert "14 in all" in text


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ({}, "No hard exudate and no haemorrhage was detected"),
        ({"hard_exudate": 0.1, "soft_exudate": 0.1, "no_visible_lesion": 0.9}, "No hard exudate and no soft exudate was detected"),
    ],
)
def test_absence_is_stated_of_what_was_looked_for_and_no_more(level: dict[str, float], words: str) -> None:
    text, _ = report(image_level=level)
    assert words in text
    assert "other lesions are not looked for" in text
