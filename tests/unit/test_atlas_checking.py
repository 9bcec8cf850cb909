"""`knowledge check`: each fault of content is found, and what is no fault is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge import library as library_files
from knowledge.checking import faults

FINDINGS = """
- {id: rubbing, name: Rubbing, kind: symptom, phrases: ['"poking eyes"', rubs eyes]}
- {id: injury, name: Injury, kind: exposure, phrases: ['"poked in the eye"', hit in eye]}
- {id: fluid, name: Fluid, kind: imaging, modality: oct, phrases: [subretinal fluid]}
"""
CONDITION = """
id: keratoconus
name: Keratoconus
synonyms: [conical cornea]
icd10: H18.6
system: cornea
prior: rare
urgency: routine
description: The cornea bulges.
findings: {hallmark: [rubbing, injury, fluid]}
"""


def found(root: Path, findings: str = FINDINGS, *conditions: str) -> list[str]:
    (root / "lexicon").mkdir()
    (root / "lexicon" / "file.yaml").write_text(findings)
    (root / "atlas" / "cornea").mkdir(parents=True)
    for number, text in enumerate(conditions or (CONDITION,)):
        (root / "atlas" / "cornea" / f"{number}.yaml").write_text(text)
    return list(faults(library_files.read(root)))


def test_a_sound_library_has_no_fault_and_two_literal_phrases_of_other_words_are_no_double(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("hit in eye", "poking eyes", "'rubbing' and 'injury' are both called"),
        ("'\"poked in the eye\"'", "'\"poking eyes\"'", "'rubbing' and 'injury' are both called"),
        (", modality: oct", "", "'fluid' of kind 'imaging' says no modality"),
        ("kind: symptom", "kind: symptom, modality: oct", "'rubbing' of kind 'symptom' has a modality"),
    ],
)
def test_a_fault_of_the_lexicon_is_named(tmp_path: Path, before: str, after: str, words: str) -> None:
    (only,) = found(tmp_path, FINDINGS.replace(before, after, 1))
    assert words in only


def test_findings_of_which_one_implies_the_other_may_share_words(tmp_path: Path) -> None:
    assert found(tmp_path, FINDINGS.replace("phrases: ['\"poked in the eye\"', hit in eye]", "implies: [rubbing], phrases: [rubs eyes]")) == []


def test_a_condition_that_says_too_little_a_double_name_and_an_unused_finding_are_named(tmp_path: Path) -> None:
    poor = CONDITION.replace("hallmark: [rubbing, injury, fluid]", "common: [rubbing], rare: [injury]").replace(
        "id: keratoconus", "id: pellucid"
    )
    problems = found(tmp_path, FINDINGS, poor)
    assert any("'pellucid' has 1 hallmark and common findings" in p for p in problems)
    assert any("'fluid' is had by no condition" in p for p in problems)


def test_two_conditions_of_one_name_are_named(tmp_path: Path) -> None:
    (only,) = found(tmp_path, FINDINGS, CONDITION, CONDITION.replace("id: keratoconus", "id: cone").replace("name: Keratoconus", "name: Cone"))
    assert "'keratoconus' and 'cone' are both called 'conical cornea'" in only
