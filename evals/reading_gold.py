"""The annotated sample for reading: vignettes by file, record and character span (never their text), and sentences of our own.

A mention names every finding id that would be right there, each with its presence; a side or course that the text leaves open is None
and is not scored. Courses: acute up to 14 days, subacute to 90, chronic beyond or lifelong, past when over, current when seen at the
examination; the bounds are ours, the last one after the SUN working group (Am J Ophthalmol 2005).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evals.narratives import FOLDER, digest, narrative, split_of

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class GoldMention:
    """`ids` and `presence` go together; an id `free:...` has no entry in the lexicon. Offsets are into the text."""

    start: int
    end: int
    ids: tuple[str, ...]
    presence: tuple[str, ...]
    side: str | None
    course: str | None
    subject: str

    @property
    def in_lexicon(self) -> bool:
        return any(not name.startswith("free:") for name in self.ids)


@dataclass(frozen=True, slots=True)
class GoldQuantity:
    """A measured value in the unit of `knowledge.reading.measurements`."""

    start: int
    end: int
    kind: str
    value: float
    side: str | None


@dataclass(frozen=True, slots=True)
class GoldText:
    name: str
    about: str
    text: str
    split: str
    mentions: tuple[GoldMention, ...]
    quantities: tuple[GoldQuantity, ...]
    unscored: tuple[tuple[int, int], ...] = ()
    who: dict[str, Any] = field(default_factory=dict)


def vignettes(folder: Path = FOLDER) -> Iterator[GoldText]:
    """The annotated vignettes; one whose text has changed is left out and named on the error stream."""
    for record in json.loads((_DATA / "reading_vignettes.json").read_text(encoding="utf-8")):
        name = f"{record['file']} {record['record']}"
        text = narrative(record["file"], record["record"], folder)
        if digest(text) != record["sha256"]:
            print(f"{name}: the text is not the annotated one; left out", file=sys.stderr)
            continue
        mentions = (GoldMention(a, b, tuple(ids), tuple(p), side, course, who) for a, b, ids, p, side, course, who in record["mentions"])
        yield GoldText(
            name, record["file"], text, split_of(record["sha256"]), tuple(mentions),
            tuple(GoldQuantity(*row) for row in record["quantities"]), tuple((a, b) for a, b in record["unscored"]),
            {"age": record["age"], "sex": record["sex"]},
        )  # fmt: skip


def sentences() -> Iterator[GoldText]:
    """Our own sentences, `about` the phenomenon each was written for."""
    for number, row in enumerate(yaml.safe_load((_DATA / "reading_sentences.yaml").read_text(encoding="utf-8"))):
        text = row["text"]
        mentions = (
            GoldMention(*_place(text, m["words"]), tuple(m["ids"]), tuple(m["presence"]), m["side"], m["course"], m["subject"])
            for m in row.get("mentions", ())
        )
        measured = (GoldQuantity(*_place(text, q["words"]), q["kind"], q["value"], q["side"]) for q in row.get("quantities", ()))
        yield GoldText(f"sentence {number}", row["about"], text, split_of(digest(text)), tuple(mentions), tuple(measured))


def _place(text: str, words: str) -> tuple[int, int]:
    start = text.find(words)
    if start < 0:
        raise ValueError(f"{words!r} does not stand in {text!r}")
    return start, start + len(words)
