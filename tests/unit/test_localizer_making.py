"""How the weights are made and measured: split, crops, average precision, thresholds, fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.localizer.calibrate import fit, imitated, lesion_threshold, signals
from tools.localizer.card import NO_VISIBLE_LESION, Card, ClassCard, Signal, strength
from tools.localizer.dataset import fold_of, prepare, read
from tools.localizer.evaluate import Scored, average_precision, matches, recall_precision, summary
from tools.renderer import Scene, render

A, B, C = (0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7), (0.8, 0.0, 0.9, 0.1)


def write_photographs(folder: Path, ids: list[str], pairs: str = "") -> Path:
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    picture = render(Scene(width=300), seed=1).image
    for one in ids:
        picture.save(folder / "images" / f"{one}.jpg")
        (folder / "labels" / f"{one}.txt").write_text("0 0.5 0.5 0.2 0.4\n\n1 0.25 0.5 0.1 0.1\n")
    (folder / "exact_duplicates.csv").write_text("a,b\n" + pairs)
    return folder


def test_twins_share_a_fold_and_folds_are_stable(tmp_path: Path) -> None:
    train, val = "0001", next(f"{n:04}" for n in range(2, 100) if fold_of(f"{n:04}", {}) != fold_of("0001", {}))
    alone = read(write_photographs(tmp_path / "alone", [train, val]))
    twins = read(write_photographs(tmp_path / "twins", [train, val], f"{train},{val}\n"))
    assert len({one.fold for one in alone}) == 2
    assert len({one.fold for one in twins}) == 1
    (disc, disc_box), (exudate, exudate_box) = alone[0].boxes
    assert (disc, exudate) == (0, 1)
    assert (*disc_box, *exudate_box) == pytest.approx((0.4, 0.3, 0.6, 0.7, 0.2, 0.45, 0.3, 0.55))


def test_prepared_labels_follow_the_crop(tmp_path: Path) -> None:
    data = write_photographs(tmp_path / "data", ["0001"])
    fold = read(data)[0].fold
    out = prepare(data, tmp_path / "out", long_side=128)
    with Image.open(out / "images" / fold / "0001.jpg") as picture:
        assert max(picture.size) == 128
        ratio = picture.width / picture.height
    label, x, y, width, height = (float(v) for v in (out / "labels" / fold / "0001.txt").read_text().splitlines()[0].split())
    assert label == 0
    assert (x, y) == pytest.approx((0.5, 0.5), abs=0.03), "the renderer's field is centred, so the crop is"
    assert width >= 0.2
    assert height >= 0.4
    assert width * ratio / height == pytest.approx(0.2 * 300 / (0.4 * 200), rel=0.05), "the box keeps its shape in pixels"


def test_average_precision_by_hand() -> None:
    # best first: hit A, miss, hit B, miss; three drawn. Precision at the hits 1 and 2/3, recall steps of 1/3: (1 + 2/3) / 3
    photographs = [Scored(((0.9, A), (0.6, B), (0.5, A)), (A, B)), Scored(((0.8, A),), (C,))]
    assert average_precision(photographs) == pytest.approx((1 + 2 / 3) / 3)
    assert recall_precision(photographs, 0.6) == pytest.approx((2 / 3, 2 / 3))
    scores, hits = matches(photographs)
    assert scores.tolist() == [0.9, 0.8, 0.6, 0.5]
    assert hits.tolist() == [True, False, True, False], "a drawn box is found once"


def test_average_precision_at_its_ends() -> None:
    assert average_precision([Scored(((0.3, A),), (A,))]) == 1
    assert average_precision([Scored((), (A,))]) == 0
    assert np.isnan(average_precision([Scored(((0.9, A),), ())]))
    assert average_precision([Scored(((0.9, (0.0, 0.0, 0.2, 0.1)),), (A,))]) == 1, "an overlap of exactly one half counts"
    assert average_precision([Scored(((0.9, (0.0, 0.0, 0.2, 0.09)),), (A,))]) == 0


def test_summary_counts_whole_photographs() -> None:
    table = {"haemorrhage": [Scored(((0.9, A),), (A,)), Scored(((0.2, B),), (A,)), Scored(((0.6, B),), ()), Scored((), ())]}
    row = summary(table, {"haemorrhage": 0.5})["haemorrhage"]
    assert (row["sensitivity"], row["specificity"], row["auroc"]) == (0.5, 0.5, 0.75)


def test_a_lesion_threshold_keeps_nine_in_ten_clear_photographs_clear() -> None:
    ill = [Scored(((0.3, A),), (A,)) for _ in range(20)]
    clear = [Scored(((0.02 * n, B),), ()) for n in range(20)]
    threshold = lesion_threshold([*ill, *clear])
    assert sum(one.best < threshold for one in clear) >= 18


def test_the_fit_is_monotone_and_stays_finite_when_classes_separate() -> None:
    logits = np.array([-6.9] * 40 + [2.2] * 40)
    slope, offset = fit(np.stack([logits, np.ones(80)], axis=1), [False] * 40 + [True] * 40, (1, 0))
    assert 0 < slope < 10
    assert abs(offset) < 10


def test_signals_speak_for_a_lesion_and_against_none() -> None:
    """Exudates tell themselves apart; 'no visible lesion' falls with either lesion."""
    ill, clear = Scored(((0.9, A), (0.8, B)), (A,)), Scored(((0.05, A),), ())
    table = {"hard_exudate": [ill, clear, clear] * 20, "haemorrhage": [clear, ill, clear] * 20}
    fitted = signals(table)
    strong, weak = strength([0.9, 0.8]), strength([0.05])
    assert fitted["hard_exudate"].chance({"hard_exudate": strong}) > 0.9 > 0.1 > fitted["hard_exudate"].chance({"hard_exudate": weak})
    none = fitted[NO_VISIBLE_LESION]
    assert none.chance({"hard_exudate": weak, "haemorrhage": weak}) > 0.85
    assert none.chance({"hard_exudate": strong, "haemorrhage": weak}) < 0.15
    assert none.chance({"hard_exudate": weak, "haemorrhage": strong}) < 0.15


def test_an_imitated_photograph_is_reproducible_and_another_picture() -> None:
    picture = render(Scene(width=300), seed=3).image
    once, again, other = imitated(picture, 5), imitated(picture, 5), imitated(picture, 6)
    assert once.size == picture.size
    assert once.tobytes() == again.tobytes() != other.tobytes()


def test_no_visible_lesion_never_contradicts_a_lesion() -> None:
    sure = Signal(weights={}, offset=3.0)
    classes = (ClassCard(name="optic_disc", slope=1, offset=0, threshold=0.1),)
    card = Card(name="c", sha256="0" * 64, image_size=64, overlap=0.5, max_boxes=9, classes=classes,
                signals={"haemorrhage": sure, NO_VISIBLE_LESION: sure})  # fmt: skip
    table = card.image_level({})
    assert table["haemorrhage"] > 0.9
    assert table["haemorrhage"] + table[NO_VISIBLE_LESION] <= 1
