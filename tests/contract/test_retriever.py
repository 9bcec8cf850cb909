"""What every retriever keeps to: the shelf and the built index."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.ports import Retriever
from knowledge.embedding import SentenceEmbedder
from knowledge.retrieval import IndexRetriever
from tests.doubles import ShelfRetriever


@pytest.fixture(params=["shelf", "index"])
def retriever(request: pytest.FixtureRequest, index_directory: Path, embedder: SentenceEmbedder) -> Retriever:
    return ShelfRetriever() if request.param == "shelf" else IndexRetriever(index_directory, embedder)


def test_statements_of_a_condition(retriever: Retriever) -> None:
    found = retriever.for_concepts(["optic_neuritis", "giant_cell_arteritis"], 1)
    assert [next(c for c in ("optic_neuritis", "giant_cell_arteritis") if c in e.concepts) for e in found] == [
        "optic_neuritis",
        "giant_cell_arteritis",
    ]


def test_no_statement_comes_twice(retriever: Retriever) -> None:
    found = retriever.for_concepts(["optic_neuritis", "optic_neuritis", "giant_cell_arteritis"], 5)
    assert len({e.key for e in found}) == len(found)


def test_an_unknown_condition_has_none(retriever: Retriever) -> None:
    assert retriever.for_concepts(["no_such_condition"], 3) == ()


def test_free_text_finds_what_it_speaks_of(retriever: Retriever) -> None:
    found = retriever.search("suspected giant cell arteritis same day treatment", 2)
    assert 1 <= len(found) <= 2
    assert any("giant_cell_arteritis" in e.concepts for e in found)


@pytest.mark.parametrize("query", ["", "   ", "\"'*()^:", "AND OR NOT NEAR", "a" * 5000])
def test_odd_queries_do_no_harm(retriever: Retriever, query: str) -> None:
    assert len(retriever.search(query, 2)) <= 2


def test_a_key_leads_back_to_its_passage(retriever: Retriever) -> None:
    for evidence in retriever.for_concepts(["optic_neuritis"], 2):
        passage = retriever.passage(evidence.key)
        assert passage is not None
        assert (passage.text, passage.source) == (evidence.text, evidence.source)
    assert retriever.passage("made-up-0000000000") is None
