"""The knowledge files: complete, consistent, and damaged ones refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import KnowledgeError
from knowledge import library as library_files
from knowledge.library import Library

FINDING = "- {id: rapd, name: RAPD, kind: sign, phrases: [RAPD]}"
CONDITION = (
    "{id: optic_neuritis, name: Optic neuritis, synonyms: [ON], icd10: H46.9, system: optic_nerve, prior: uncommon, urgency: urgent, "
    "description: Inflammation of the nerve., findings: {hallmark: [rapd]}}"
)


def write(root: Path, finding: str = FINDING, condition: str = CONDITION) -> Path:
    for folder, text in (("lexicon", finding), ("atlas/optic_nerve", condition)):
        (root / folder).mkdir(parents=True)
        (root / folder / "file.yaml").write_text(text)
    return root


def test_the_shipped_knowledge_is_enough_and_sound(library: Library) -> None:
    assert list(library.problems()) == []
    assert len(library.conditions) >= 60
    assert len(library.statements) >= 80
    covered = {concept for statement in library.statements for concept in statement.concepts}
    assert {c.id for c in library.conditions if c.system != "normal"} <= covered
    assert all(condition.findings.get("hallmark") or condition.findings.get("common") for condition in library.conditions)


def test_abbreviations_are_not_booleans(tmp_path: Path) -> None:
    assert library_files.read(write(tmp_path)).conditions[0].synonyms == ("ON",)


@pytest.mark.parametrize(
    ("finding", "condition", "words"),
    [
        (FINDING, CONDITION.replace("[rapd]", "[no_such_finding]"), "no_such_finding"),
        (FINDING + "\n" + FINDING, CONDITION, "2 times"),
        (FINDING, CONDITION.replace("H46.9", "46"), "icd10"),
        (FINDING, CONDITION.replace("urgent", "whenever"), "urgency"),
        (FINDING, CONDITION + ", colour: red}".replace("}", ""), "YAML"),
        (FINDING.replace("kind: sign", "kind: sign, extra: 1"), CONDITION, "extra"),
    ],
)
def test_a_damaged_file_names_itself_and_the_fault(tmp_path: Path, finding: str, condition: str, words: str) -> None:
    with pytest.raises(KnowledgeError, match=words):
        library_files.read(write(tmp_path, finding, condition))


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    root = write(tmp_path)
    before = library_files.digest(root)
    assert library_files.digest(root) == before
    (root / "atlas/optic_nerve/file.yaml").write_text(CONDITION.replace("uncommon", "rare"))
    assert library_files.digest(root) != before
