"""What other people's detectors call things."""

from __future__ import annotations

from typing import get_args

import pytest

from agent.errors import LocalizerError
from agent.imaging import LesionLabel
from tools.localizer.card import LESIONS
from tools.localizer.names import LABELS, label_of, labels_of


@pytest.mark.parametrize(
    ("names", "label"),
    [
        ("optic_disc OD disc Optic-Disk OPTIC.DISC", "optic_disc"),
        ("hard_exudate hard_exudates EX HE HardExudates", "hard_exudate"),
        ("haemorrhage hemorrhage HEM Haemorrhages", "haemorrhage"),
        ("microaneurysm microaneurysms MA MAs", "microaneurysm"),
        ("soft_exudate cotton_wool_spot SE CWS Cotton-Wool-Spots", "soft_exudate"),
        ("drusen Druse", "drusen"),
        ("neovascularisation neovascularization NV", "neovascularisation"),
        ("fovea macula", "fovea"),
    ],
)
def test_usual_spellings(names: str, label: str) -> None:
    assert {label_of(name) for name in names.split()} == {label}


@pytest.mark.parametrize("name", ["", "s", "cat", "optic", "exudative", "class0", "0", "od2"])
def test_other_words_mean_nothing(name: str) -> None:
    assert label_of(name) is None


def test_fovea_knows_its_own_labels_and_those_of_its_cards() -> None:
    assert all(label_of(label) == label for label in LABELS)
    assert set(LABELS) == {"optic_disc", "fovea", *get_args(LesionLabel)}
    assert all(label_of(name) == label for name, label in LESIONS.items())


def test_unknown_names_are_told_with_what_is_accepted() -> None:
    with pytest.raises(LocalizerError) as caught:
        labels_of(["optic_disc", "person", "car"], "own.pt")
    message = str(caught.value)
    assert message.startswith("own.pt: classes 'person', 'car' are unknown")
    assert "cws" in message
    assert "'optic_disc'" not in message.partition(";")[0]
    assert "\n" not in message


@pytest.mark.parametrize(("names", "words"), [((), "no class names"), (("EX", "hard_exudates"), "'EX', 'hard_exudates' all mean hard_exudate")])
def test_names_must_be_there_and_differ_in_meaning(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(LocalizerError, match=words):
        labels_of(names, "own.onnx")
