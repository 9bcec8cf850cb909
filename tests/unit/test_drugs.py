"""Drugs by name, brand and class."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import KnowledgeError
from knowledge.drugs import formulary, load


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Lucentis and Avastin", {"ranibizumab", "bevacizumab"}),
        ("ACYCLOVIR", {"aciclovir"}),
        ("an anti-VEGF agent", {"anti_vegf"}),
        ("5-FU", {"fluorouracil"}),
        ("methylprednisolone", {"methylprednisolone"}),
        ("steroids", {"steroid"}),
        ("no drug at all", set()),
    ],
)
def test_drugs_are_found_as_whole_words(text: str, found: set[str]) -> None:
    assert formulary().find(text) == found


def test_a_drug_is_in_every_wider_class() -> None:
    assert formulary().classes(["adalimumab"]) == {"adalimumab", "anti_tnf", "biologic", "immunosuppressant"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("classes: []\ndrugs: [{id: a, names: [x], within: [b]}]", "unknown class"),
        ("classes: []\ndrugs: [{id: a, names: [x]}, {id: a, names: [y]}]", "defined twice"),
        ("classes: []\ndrugs: [{id: a, names: [x]}, {id: b, names: [X]}]", "given twice"),
        ("drugs: []", "classes"),
    ],
)
def test_a_faulty_list_says_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "drugs.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KnowledgeError, match=problem):
        load(path)
