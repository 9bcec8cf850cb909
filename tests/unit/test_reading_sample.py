"""The annotated sample for reading: it is sound in itself, and its development half is read well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from evals import reading_gold
from evals.narratives import FOLDER, narrative
from evals.reading import Tally, score
from evals.reading_gold import GoldText
from knowledge.library import NAMES_PREFIX, Library, read
from knowledge.reading.narrative import NarrativeReader
from knowledge.reading.quantity import Kind

RECORDS = json.loads((Path(reading_gold.__file__).parent / "data" / "reading_vignettes.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def library() -> Library:
    return read()


@pytest.fixture(scope="module")
def sentences() -> list[GoldText]:
    return list(reading_gold.sentences())


@pytest.fixture(scope="module")
def tally(library: Library, sentences: list[GoldText]) -> Tally:
    return score(sentences, NarrativeReader(library), library)


def test_every_label_is_one_the_knowledge_has(library: Library, sentences: list[GoldText]) -> None:
    known = set(library.finding) | {f"{NAMES_PREFIX}{name}" for name in library.condition}
    ids = {name for text in sentences for m in text.mentions for name in m.ids}
    ids |= {name for record in RECORDS for row in record["mentions"] for name in row[2]}
    assert {name for name in ids if name not in known and not name.startswith("free:")} == set()


def test_every_quantity_is_of_a_kind_that_is_read(sentences: list[GoldText]) -> None:
    kinds = {q.kind for text in sentences for q in text.quantities} | {row[2] for record in RECORDS for row in record["quantities"]}
    assert kinds <= set(get_args(Kind))


def test_the_vignettes_are_kept_as_spans_only() -> None:
    assert {key for record in RECORDS for key in record} == {"file", "record", "sha256", "age", "sex", "mentions", "quantities", "unscored"}
    assert all(len(row) == 7 and row[0] < row[1] and len(row[2]) == len(row[3]) for record in RECORDS for row in record["mentions"])


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the vignettes are not here")
def test_the_vignettes_are_those_that_were_annotated() -> None:
    texts = list(reading_gold.vignettes())
    assert len(texts) == len(RECORDS)
    assert all(m.end <= len(text.text) for text in texts for m in text.mentions)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the vignettes are not here")
def test_a_diagnosis_is_no_part_of_a_narrative() -> None:
    assert "rubella infection" not in narrative("agentclinic_medqa_osce_eye", 0).lower()


@pytest.mark.parametrize(
    ("measure", "least"),
    [("presence", 0.95), ("subject", 0.95), ("side", 0.95), ("course", 0.9), ("quantity recall", 0.95), ("quantity precision", 0.95), ("quantity side", 0.95)],
)
def test_the_development_sentences_are_read_well(tally: Tally, measure: str, least: float) -> None:
    share = tally.share(measure, "development")
    assert share is not None
    assert share >= least
