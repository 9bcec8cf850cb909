"""What every retriever keeps to: the shelf, the index in a directory, and the index on a Chroma server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from agent.errors import KnowledgeError, SettingsError
from agent.ports import Retriever, Scope
from knowledge import library as library_files
from knowledge.retrieval import index
from knowledge.retrieval.dense import ServerDense
from knowledge.retrieval.embedding import SentenceEmbedder
from knowledge.retrieval.passages import dated, key_of, statement_evidence
from knowledge.retrieval.retriever import IndexRetriever
from tests.chroma_server import chroma_server
from tests.doubles import ShelfRetriever
from tests.small_library import write_small_library

TODAY = date(2026, 3, 1)
LATER = date(2026, 7, 1)
"""After the review date of the worldwide guideline."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("chroma")) as url:
        yield url


@dataclass
class Kind:
    """Opens a retriever over the small library, as it is on a day."""

    name: str
    root: Path
    folder: Path
    embedder: SentenceEmbedder
    url: str | None

    def open(self, today: date = TODAY, scope: Scope | None = None) -> Retriever:
        if self.name == "shelf":
            library = library_files.read(self.root)
            return ShelfRetriever(*(dated(statement_evidence(library, s), today) for s in library.statements), scope=scope)
        target = index.ensure(self.folder, self.embedder, self.root, server=self.url)
        return IndexRetriever(target, self.embedder, scope, server=self.url, today=lambda: today)

    def key(self, statement: str) -> str:
        return key_of(library_files.read(self.root).statement[statement])


@pytest.fixture(scope="module", params=["shelf", "directory", "server"])
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, embedder: SentenceEmbedder) -> Kind:
    folder = tmp_path_factory.mktemp("small")
    url = request.getfixturevalue("server") if request.param == "server" else None
    return Kind(request.param, write_small_library(folder / "root"), folder / "index", embedder, url)


@pytest.fixture
def retriever(kind: Kind) -> Retriever:
    return kind.open()


def test_statements_of_a_condition(retriever: Retriever) -> None:
    found = retriever.for_concepts(["optic_neuritis", "giant_cell_arteritis"], 1)
    assert [e.concepts for e in found] == [("optic_neuritis",), ("giant_cell_arteritis",), ("giant_cell_arteritis",)]
    assert found[2].key in found[1].disputes, "what disputes a statement comes along, beyond the number asked for"


def test_no_statement_comes_twice(retriever: Retriever) -> None:
    found = retriever.for_concepts(["optic_neuritis", "optic_neuritis", "giant_cell_arteritis"], 5)
    assert len({e.key for e in found}) == len(found)


def test_an_unknown_condition_has_none(retriever: Retriever) -> None:
    assert retriever.for_concepts(["no_such_condition"], 3) == ()


def test_free_text_finds_what_it_speaks_of(retriever: Retriever) -> None:
    found = retriever.search("suspected giant cell arteritis same day treatment", 2)
    assert 1 <= len(found) <= 2
    assert any("giant_cell_arteritis" in e.concepts for e in found)


@pytest.mark.parametrize("query", ["", "   ", "\"'*()^:", "AND OR NOT NEAR", "a" * 5000, "\x00", "’“”", "word " * 3000])
def test_odd_queries_do_no_harm(retriever: Retriever, query: str) -> None:
    assert len(retriever.search(query, 2)) <= 2


@pytest.mark.parametrize("passages", [0, -1])
def test_none_asked_none_given(retriever: Retriever, passages: int) -> None:
    assert retriever.search("optic neuritis", passages) == ()


def test_a_key_leads_back_to_its_passage(retriever: Retriever) -> None:
    for evidence in retriever.for_concepts(["optic_neuritis"], 2):
        passage = retriever.passage(evidence.key)
        assert passage is not None
        assert (passage.text, passage.source) == (evidence.text, evidence.source)
    assert retriever.passage("made-up-0000000000") is None


def test_what_is_out_of_date_is_left_out_and_says_so_when_asked_for(kind: Kind, retriever: Retriever) -> None:
    old, gone = kind.key("gca_old"), kind.key("on_gone")
    everything = Scope(outdated=True)
    for found in (retriever.search("giant cell arteritis", 20), retriever.for_concepts(["giant_cell_arteritis", "optic_neuritis"], 20)):
        assert not {old, gone} & {e.key for e in found}
    for found in (
        retriever.search("giant cell arteritis weeks, optic neuritis patching", 20, everything),
        retriever.for_concepts(["giant_cell_arteritis", "optic_neuritis"], 20, everything),
    ):
        reasons = {e.key: e.outdated for e in found}
        assert reasons[old].startswith("superseded by")
        assert "Guideline british" in reasons[old]
        assert reasons[gone] == "withdrawn on 2019-02-01"
        assert sum(1 for reason in reasons.values() if reason) == 2
    passage = retriever.passage(old)
    assert passage is not None
    assert passage.outdated


def test_a_review_date_passes(kind: Kind) -> None:
    key = kind.key("on_world")
    assert key in {e.key for e in kind.open(TODAY).for_concepts(["optic_neuritis"], 9)}
    later = kind.open(LATER)
    assert key not in {e.key for e in later.for_concepts(["optic_neuritis"], 9)}
    assert key not in {e.key for e in later.search("magnetic resonance imaging in optic neuritis", 9)}
    passage = later.passage(key)
    assert passage is not None
    assert passage.outdated == "past its review date, 2026-06-30"


@pytest.mark.parametrize(
    ("places", "inside", "outside"),
    [
        (("England",), {"gca_british", "on_world"}, {"gca_american", "gca_scottish"}),
        (("United Kingdom",), {"gca_british", "gca_scottish", "on_world"}, {"gca_american"}),
        (("United States",), {"gca_american", "on_world"}, {"gca_british", "gca_scottish"}),
        (("Scotland", "United States"), {"gca_scottish", "gca_british", "gca_american"}, set()),
    ],
)
def test_jurisdictions(kind: Kind, places: tuple[str, ...], inside: set[str], outside: set[str]) -> None:
    for retriever, scope in ((kind.open(), Scope(jurisdictions=places)), (kind.open(scope=Scope(jurisdictions=places)), None)):
        for found in (
            retriever.for_concepts(["giant_cell_arteritis", "optic_neuritis"], 20, scope),
            retriever.search("giant cell arteritis, optic neuritis: treat, ultrasound, magnetic resonance imaging", 20, scope),
        ):
            keys = {e.key for e in found}
            assert {kind.key(s) for s in inside} <= keys
            assert not {kind.key(s) for s in outside} & keys


def test_documents_before_a_year(retriever: Retriever) -> None:
    found = retriever.search("giant cell arteritis", 20, Scope(since=2020))
    assert found
    assert all(e.source.year is not None and e.source.year >= 2020 for e in found)


def test_a_disputed_statement_names_its_opponent_which_stands_beside_it(kind: Kind, retriever: Retriever) -> None:
    british, american = kind.key("gca_british"), kind.key("gca_american")
    found = [e.key for e in retriever.for_concepts(["giant_cell_arteritis"], 9)]
    assert abs(found.index(british) - found.index(american)) == 1
    for one, other in ((british, american), (american, british)):
        passage = retriever.passage(one)
        assert passage is not None
        assert passage.disputes == (other,)


def test_a_scope_that_nobody_could_mean_is_refused(kind: Kind) -> None:
    with pytest.raises(SettingsError, match=r"'Atlantis'.*Scotland"):
        kind.open().search("optic neuritis", 1, Scope(jurisdictions=("Atlantis",)))


def test_a_server_that_lost_the_index_or_is_not_there(server: str, tmp_path: Path, embedder: SentenceEmbedder) -> None:
    root = write_small_library(tmp_path / "root")
    target = index.ensure(tmp_path / "index", embedder, root, server=server)
    retriever = IndexRetriever(target, embedder, server=server)
    assert retriever.search("optic neuritis", 1)
    ServerDense(server, target.name).prune([])
    with pytest.raises(KnowledgeError, match=r"does not hold index.*fovea knowledge build"):
        IndexRetriever(target, embedder, server=server).search("optic neuritis", 1)
    assert retriever.for_concepts(["optic_neuritis"], 1)
    assert not index.is_sound(target, server)
    assert index.ensure(tmp_path / "index", embedder, root, server=server, verified=True) == target
    assert IndexRetriever(target, embedder, server=server).search("optic neuritis", 1)
    with pytest.raises(KnowledgeError, match=r"http://127\.0\.0\.1:1 .*gives no answer"):
        IndexRetriever(target, embedder, server="http://127.0.0.1:1").search("optic neuritis", 1)
    with pytest.raises(SettingsError, match="chroma_url"):
        IndexRetriever(target, embedder, server="not an address").search("optic neuritis", 1)
