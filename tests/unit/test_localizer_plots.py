"""The pictures of a scorecard. Skipped without the extra `plots`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evals.localizer_plots import draw_calibration, draw_froc, wilson
from tests.unit.test_assembly import Told
from tests.unit.test_scorecard import A, read
from tools.localizer.scorecard import scorecard


def card(found: bool) -> dict[str, object]:
    rows = []
    for n in range(40):
        lesions = (("haemorrhage", 0.5 + n / 100, A),) if found else ()
        rows.append(read({"haemorrhage": (A,)} if n % 2 else {}, lesions, haemorrhage=n / 40))  # type: ignore[arg-type]
    return scorecard(rows, ("haemorrhage",), Told())


def test_pictures_are_drawn_and_show_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    pictures = []
    for name, draw in (("froc", draw_froc), ("calibration", draw_calibration)):
        draw(card(found=True), tmp_path / f"{name}.png", "drawn")
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert min(picture.size) > 400
            pictures.append(np.asarray(picture.convert("RGB")))
    red = [(np.abs(one.astype(int) - (0xB2, 0x22, 0x22)).sum(axis=2) < 20).sum() for one in pictures]
    assert min(red) > 200, "the curve has the colour of its class"


@pytest.mark.parametrize("draw", [draw_froc, draw_calibration])
def test_nothing_found_or_nothing_to_compare_is_drawn_too(tmp_path: Path, draw: object) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    for name, one in (("none", card(found=False)), ("no images", card(found=True) | {"image_level": {}, "classes": {}})):
        draw(one, tmp_path / f"{name}.png")  # type: ignore[operator]
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_an_interval_of_a_share_stays_within_bounds_and_narrows() -> None:
    for count in (1, 8, 1000):
        for share in (0.0, 0.3, 1.0):
            low, high = wilson(share, count)
            assert 0 <= low <= share <= high <= 1
    assert np.diff(wilson(0.5, 1000)) < np.diff(wilson(0.5, 10))
