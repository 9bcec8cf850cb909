"""Labels read from disk, lesions against false alarms, and the figures of a localizer that sees what it is told to."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from agent.errors import InputError, LocalizerError
from agent.imaging import Box, Gradability, ImageFindings, ImageRef, Lesion, LesionLabel
from tests.unit.test_assembly import Told
from tools.localizer.evaluate import Scored
from tools.localizer.froc import RATES, auroc_interval, froc, froc_by_centre
from tools.localizer.labelled import Labelled, read_labelled, read_names
from tools.localizer.scorecard import Read, scorecard

A, B, C = (0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7), (0.8, 0.0, 0.9, 0.1)
NAMES = ("optic_disc", "hard_exudate", "haemorrhage")


def folders(tmp_path: Path, **labels: str) -> tuple[Path, Path]:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for name, text in labels.items():
        (tmp_path / "images" / f"{name}.jpg").write_bytes(b"x")
        (tmp_path / "labels" / f"{name}.txt").write_text(text)
    return tmp_path / "images", tmp_path / "labels"


def test_labels_are_read_with_their_names(tmp_path: Path) -> None:
    images, labels = folders(tmp_path, one="0 0.5 0.5 0.2 0.4\n\n1 0.05 0.5 0.2 0.1\n", two="")
    (images / "three.jpg").write_bytes(b"x")
    (images / "deep").mkdir()
    (images / "deep" / "four.png").write_bytes(b"x")
    (labels / "four.txt").write_text("2 0.5 0.5 0.1 0.1 0.93\n")
    four, one, three, two = read_labelled(images, labels, NAMES)
    assert [label for label, _ in one.boxes] == ["optic_disc", "hard_exudate"]
    assert one.of("optic_disc")[0] == pytest.approx((0.4, 0.3, 0.6, 0.7))
    assert one.of("hard_exudate")[0] == pytest.approx((0.0, 0.45, 0.15, 0.55)), "cut off at the picture's edge"
    assert [(label, len(box)) for label, box in four.boxes] == [("haemorrhage", 4)], "found by name; the sixth value is a score"
    assert (two.stated, two.boxes) == (True, ())
    assert (three.stated, three.boxes) == (False, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0.5 0.5 0.2\n", "line 1"),
        ("0 0.5 0.5 0.2 0.2\n1 0.5 x 0.2 0.2\n", "line 2"),
        ("1.5 0.5 0.5 0.2 0.2\n", "line 1"),
        ("0 0.5 0.5 0.2 nan\n", "fractions"),
        ("0 0.5 0.5 0.2 0\n", "above 0"),
        ("0 500 300 20 20\n", "fractions"),
        ("0 0.5 0.5 0.2 0.2 0.9 1\n", "line 1"),
        ("\n3 0.5 0.5 0.2 0.2\n", "line 2: class 3, but there are only 3 class names (0 to 2): optic_disc, hard_exudate, haemorrhage"),
        ("-1 0.5 0.5 0.2 0.2\n", "class -1"),
        ("\udcff\udcfe", "UTF-8"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, text: str, words: str) -> None:
    images, labels = folders(tmp_path, good="")
    (images / "bad.jpg").write_bytes(b"x")
    (labels / "bad.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as caught:
        read_labelled(images, labels, NAMES)
    assert str(labels / "bad.txt") in str(caught.value)
    assert words in str(caught.value)


def test_missing_folders_and_missing_labels_are_told(tmp_path: Path) -> None:
    images, labels = folders(tmp_path)
    with pytest.raises(InputError, match="holds no files"):
        read_labelled(images, labels, NAMES)
    (images / "one.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="holds no label file"):
        read_labelled(images, labels, NAMES)
    with pytest.raises(InputError, match=r"--images .*: no such directory"):
        read_labelled(tmp_path / "gone", labels, NAMES)
    with pytest.raises(InputError, match=r"--labels .*: no such directory"):
        read_labelled(images, images / "one.jpg", NAMES)


def test_names_are_read_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("EX\n\nOD\nCotton-Wool-Spots\n")
    assert read_names(file) == ("hard_exudate", "optic_disc", "soft_exudate")
    assert read_names(None) == NAMES
    file.write_text("EX\ncat\n")
    with pytest.raises(LocalizerError, match="'cat' are unknown"):
        read_names(file)
    with pytest.raises(InputError, match="cannot read"):
        read_names(tmp_path / "gone.txt")


def test_froc_by_hand() -> None:
    # best first: hit A, false, hit B, false, false; three drawn, two photographs
    photographs = [Scored(((0.9, A), (0.6, B), (0.5, C)), (A, B)), Scored(((0.8, A), (0.4, B)), (C,))]
    curve = froc(photographs)
    assert curve.alarms.tolist() == [0.0, 0.5, 0.5, 1.0, 1.5]
    assert curve.found == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert [curve.sensitivity(rate) for rate in (1 / 8, 1 / 2, 8)] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert curve.mean == pytest.approx((2 * 1 / 3 + 5 * 2 / 3) / len(RATES))


def test_froc_at_its_ends() -> None:
    assert froc([Scored((), (A,))]).sensitivity(8) == 0
    assert math.isnan(froc([Scored(((0.9, A),), ())]).sensitivity(1))
    assert froc_by_centre([Scored((), (A,))]).sensitivity(8) == 0
    tied = froc([Scored(((0.5, A), (0.5, B), (0.5, C)), (A,))])
    assert (tied.alarms.tolist(), tied.found.tolist()) == ([2.0], [1.0]), "no threshold tells boxes of one score apart"
    assert tied.sensitivity(1) == 0


def test_by_centre_a_bundle_is_found_by_any_of_its_specks_once() -> None:
    bundle, specks = (0.1, 0.1, 0.5, 0.5), [(0.9 - n / 10, (0.1 + n / 10, 0.2, 0.15 + n / 10, 0.25)) for n in range(4)]
    curve = froc_by_centre([Scored((*specks, (0.1, C)), (bundle,))])
    assert curve.found.tolist() == [1.0] * 5
    assert curve.alarms.tolist() == [0.0] * 4 + [1.0]
    assert froc_by_centre([Scored(((0.9, bundle),), ((0.25, 0.25, 0.35, 0.35), (0.2, 0.2, 0.3, 0.3)))]).found.tolist() == [0.5], (
        "one box finds one lesion"
    )
    assert froc([Scored(tuple(specks), (bundle,))]).sensitivity(8) == 0


def test_auroc_and_its_interval() -> None:
    rng = np.random.default_rng(1)
    truth = [bool(n % 2) for n in range(200)]
    scores = [float(rng.normal(1.0 if one else 0.0)) for one in truth]
    value, low, high = auroc_interval(scores, truth)
    wins = [(a > b) + 0.5 * (a == b) for a, t in zip(scores, truth, strict=True) if t for b, u in zip(scores, truth, strict=True) if not u]
    assert value == pytest.approx(np.mean(wins))
    assert low < value < high
    # Hanley and McNeil 1982: the standard error of an area of this size
    error = math.sqrt((value * (1 - value) + 99 * (value / (2 - value) - value**2) + 99 * (2 * value**2 / (1 + value) - value**2)) / 1e4)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.2)
    assert auroc_interval(scores, truth) == (value, low, high), "the same photographs, the same interval"
    assert auroc_interval([0.1, 0.9], [False, True]) == (1.0, 1.0, 1.0)
    assert all(math.isnan(one) for one in auroc_interval([0.1, 0.9], [True, True]))


def read(
    drawn: dict[str, tuple[tuple[float, float, float, float], ...]],
    lesions: tuple[tuple[LesionLabel, float, tuple[float, float, float, float]], ...] = (),
    disc: tuple[float, float, float, float] | None = None,
    **image_level: float,
) -> Read:
    def box(bounds: tuple[float, float, float, float]) -> Box:
        return Box(x1=bounds[0], y1=bounds[1], x2=bounds[2], y2=bounds[3])

    image = ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=100, height=100)
    seen = ImageFindings(
        image=image,
        modality="cfp",
        gradability=Gradability(status="gradable"),
        optic_disc=box(disc) if disc else None,
        optic_disc_score=0.1 if disc else None,
        lesions=tuple(Lesion(number=n, label=label, score=score, box=box(b)) for n, (label, score, b) in enumerate(lesions, start=1)),
        image_level=image_level,
    )
    return Read(Labelled("x.jpg", tuple((label, b) for label, boxes in drawn.items() for b in boxes), stated=True), seen)


def test_a_scorecard_by_hand() -> None:
    rows = [
        read({"hard_exudate": (A,), "optic_disc": (B,)}, (("hard_exudate", 0.9, A), ("hard_exudate", 0.35, C)), B, hard_exudate=0.9),
        read({"haemorrhage": (A,), "optic_disc": (B,)}, (("microaneurysm", 0.8, A),), A, hard_exudate=0.2, no_visible_lesion=0.1),
        read({}, (), None, hard_exudate=0.1, no_visible_lesion=0.8),
    ]
    card = scorecard(rows, NAMES, Told())
    assert (card["photographs"], card["passed_over"], card["gradability"]) == (3, 0, {"gradable": 3})
    assert [card["classes"][name]["ap50"] for name in NAMES] == [0.5, 1.0, 1.0], "microaneurysms count as the haemorrhages they are drawn as"
    assert card["map50"] == pytest.approx(2.5 / 3)
    exudate = card["classes"]["hard_exudate"]
    assert (exudate["threshold"], exudate["recall"], exudate["precision"]) == (0.3, 1.0, 0.5)
    assert exudate["froc"]["iou50"]["curve"] == [[0.0, 1.0], [0.3333, 1.0]]
    assert card["image_level"]["hard_exudate"]["auroc"] == 1.0
    assert card["image_level"]["no_visible_lesion"]["auroc"] == 1.0
    assert "haemorrhage" in card["image_level"]
    assert card["image_level"]["hard_exudate"]["brier"] == pytest.approx((0.1**2 + 0.2**2 + 0.1**2) / 3, abs=1e-6)
    assert card["image_level"]["hard_exudate"]["calibration"] == [{"photographs": 3, "chance": pytest.approx(0.4), "share": pytest.approx(1 / 3)}]
    disc = card["optic_disc"]
    assert (disc["drawn"], disc["held"], disc["shown"], disc["share_held"]) == (2, 1, 0, 0.5)


def test_calibration_in_groups_of_equal_size() -> None:
    chances = np.linspace(0, 1, 160)
    rows = [read({"haemorrhage": (A,)} if n % 4 == 0 else {}, haemorrhage=float(chance)) for n, chance in enumerate(chances)]
    signal = scorecard(rows, ("haemorrhage",), Told())["image_level"]["haemorrhage"]
    assert [one["photographs"] for one in signal["calibration"]] == [16] * 10
    assert all(one["share"] == 0.25 for one in signal["calibration"])
    assert signal["calibration_error"] == pytest.approx(np.mean([abs(one["chance"] - 0.25) for one in signal["calibration"]]), abs=1e-5)


def test_microaneurysms_drawn_apart_are_a_class_apart() -> None:
    rows = [read({"haemorrhage": (A,)}, (("microaneurysm", 0.8, A),))]
    card = scorecard(rows, ("haemorrhage", "microaneurysm"), Told())
    assert card["classes"]["haemorrhage"]["ap50"] == 0
    assert card["classes"]["microaneurysm"]["ap50"] is None
    assert (card["optic_disc"], card["image_level"]["microaneurysm"]["auroc"]) == (None, None)
