"""The vignettes as narratives: one text per record, made the same way every time, so that character spans can be kept without the text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path("../shared/data/vignettes")
_FIELD = {
    "pmc_case_reports_eye": "case_summary",
    "medqa_us_test_eye": "question",
    "medmcqa_dev_ophthalmology": "question",
}
_PARTS = ("Patient_Actor", "Physical_Examination_Findings", "Test_Results")
"""Parts of an AgentClinic record that a clinician learns; the objective and the diagnosis are never read."""


def narrative(name: str, record: int, folder: Path = FOLDER) -> str:
    """The narrative of one record of the file `name` (without suffix), counted from 0. Raises `OSError` where the file is missing."""
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number == record:
                return _text(name, json.loads(line))
    raise IndexError(f"{name}.jsonl has no record {record}")


def digest(text: str) -> str:
    """sha256 of a narrative, by which a span knows that it still fits."""
    return hashlib.sha256(text.encode()).hexdigest()


def split_of(key: str) -> str:
    """`development` or `test`, by the first digit of a sha256: about six in ten are development.

    >>> split_of("9"), split_of("a")
    ('development', 'test')
    """
    return "development" if key[0] in "0123456789" else "test"


def _text(name: str, record: dict[str, Any]) -> str:
    if name in _FIELD:
        return str(record[_FIELD[name]])
    examination = record["OSCE_Examination"]
    return "\n".join(line for part in _PARTS for line in _lines((), examination[part]))


def _lines(path: tuple[str, ...], value: object) -> Iterator[str]:
    """Leaves as "Visual Acuity, Right Eye: 20/120"."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines((*path, str(key).replace("_", " ")), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(path, inner)
    else:
        yield f"{', '.join(path[-2:])}: {value}"
