import os
import sqlite3
import threading
from pathlib import Path

import pytest

from agent.citations import content_key
from agent.errors import DocumentError, KnowledgeError
from agent.settings import Ingestion
from knowledge.ingest.document import PageText
from knowledge.ingest.evidence import evidence
from knowledge.ingest.parsing import parse
from knowledge.ingest.passages import CitableDocument, citable
from knowledge.ingest.sources import SourceFile
from knowledge.ingest.store import FILE, DocumentStore

FILLER = " ".join(["and so the lids are looked at again"] * 9) + "."


def source(name: str, text: str) -> SourceFile:
    return SourceFile(f"file:///notes/{name}", "text/plain", text.encode())


def read(text: str) -> CitableDocument:
    return citable(parse(text.encode(), "text/plain", Ingestion()))


def put(store: DocumentStore, name: str, *sentences: str) -> tuple[int, int, int]:
    text = "\n\n".join(f"{sentence} {FILLER}" for sentence in sentences)
    change = store.ingest(source(name, text), read(text), name.partition(".")[0], 1)
    return change.added, change.removed, change.unchanged


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    return DocumentStore(tmp_path)


def test_reading_an_empty_store_creates_nothing(store: DocumentStore) -> None:
    assert store.documents() == store.passages() == []
    assert store.document("file:///a") is None
    assert len(store.digest()) == 64
    with pytest.raises(DocumentError, match="no page 1"):
        store.page("a", 1)
    assert not store.path.exists()


def test_only_what_changed_changes(store: DocumentStore) -> None:
    assert put(store, "a.txt", "Refer today.", "Wait a week.", "Ask again.") == (3, 0, 0)
    keys = [stored.key for stored in store.passages()]
    assert put(store, "a.txt", "Refer today.", "Wait two weeks.", "Ask again.") == (1, 1, 2)
    after = [stored.key for stored in store.passages()]
    assert [keys[0], keys[2]] == [after[0], after[2]]
    assert keys[1] != after[1]
    assert len(store.documents()) == 1


def test_a_passage_that_only_moved_keeps_its_key_and_has_its_new_place(store: DocumentStore) -> None:
    put(store, "a.txt", "Refer today.")
    (before,) = store.passages()
    put(store, "a.txt", "Something new stands first.", "Refer today.")
    _, moved = store.passages()
    assert moved.key == before.key
    assert moved.passage.start > before.passage.start
    assert store.page("a", 1)[moved.passage.start : moved.passage.end].startswith("Refer today.")


def test_keys_are_content_keys_and_the_same_words_twice_are_one_passage(store: DocumentStore) -> None:
    assert put(store, "a.txt", "Refer today.", "Refer today.") == (1, 0, 0)
    (stored,) = store.passages("a")
    assert stored.key == content_key("a", stored.passage.text)
    assert stored.passage.start == 0
    assert put(store, "b.txt", "Refer today.") == (1, 0, 0)
    assert len({stored.key for stored in store.passages()}) == 2


def test_removing_takes_passages_pages_and_only_that_document(store: DocumentStore) -> None:
    put(store, "a.txt", "Refer today.")
    put(store, "b.txt", "Wait a week.")
    change = store.remove("a")
    assert (change.added, change.removed) == (0, 1)
    assert [document.id for document in store.documents()] == ["b"]
    assert {stored.document for stored in store.passages()} == {"b"}
    with pytest.raises(DocumentError, match="no page"):
        store.page("a", 1)
    with pytest.raises(DocumentError, match="no document 'a'"):
        store.remove("a")


def test_the_digest_changes_with_what_an_index_holds_and_only_then(store: DocumentStore) -> None:
    empty = store.digest()
    put(store, "a.txt", "Refer today.")
    one = store.digest()
    put(store, "a.txt", "Refer today.")
    assert store.digest() == one
    put(store, "a.txt", "Refer tomorrow.")
    assert store.digest() not in (one, empty)
    store.remove("a")
    assert store.digest() == empty


def test_a_passage_becomes_evidence_with_its_place(store: DocumentStore) -> None:
    put(store, "dry-eye_2024.txt", "Refer today.")
    (document,), (stored,) = store.documents(), store.passages()
    found = evidence(document, stored, 0.5)
    assert document.title == "dry eye 2024"
    assert found.locator is not None
    assert (found.key, found.text, found.source.title, found.source.year) == (stored.key, stored.passage.text, "dry eye 2024", None)
    assert store.page(found.locator.document, found.locator.page)[found.locator.start : found.locator.end] == stored.passage.text
    assert found.locator.sha256 == document.sha256


def test_pages_and_sentences_come_back_as_they_were(store: DocumentStore) -> None:
    document = citable(parse(b"Refer today if vision falls. Wait a week otherwise, and ask again.", "text/plain", Ingestion()))
    store.ingest(source("a.txt", "x"), CitableDocument("T", "text/plain", (*document.pages, PageText(2, "blank")), document.passages, ("note",), "en"), "a", 1)
    assert store.passages()[0].passage == document.passages[0]
    assert store.page("a", 2) == "blank"
    (kept,) = store.documents()
    assert (kept.title, kept.pages, kept.notes, kept.language) == ("T", 2, ("note",), "en")


def test_two_writers_take_turns(store: DocumentStore) -> None:
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for round_ in range(5):
                put(DocumentStore(store.path.parent), name, f"Round {round_} is written here.")
        except BaseException as error:  # noqa: BLE001  a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=write, args=(f"{n}.txt",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [document.id for document in store.documents()] == ["0", "1", "2", "3"]
    assert all("Round 4" in stored.passage.text for stored in store.passages())


def test_a_failure_in_the_middle_of_a_write_leaves_the_document_as_it_was(store: DocumentStore) -> None:
    put(store, "a.txt", "Refer today.")
    before = store.digest()
    document = read(f"Wait. {FILLER}")
    twice = CitableDocument(document.title, document.media_type, document.pages * 2, document.passages)
    with pytest.raises(KnowledgeError, match="cannot be written"):
        store.ingest(source("a.txt", "Wait."), twice, "a", 1)
    assert store.digest() == before
    assert len(store.passages()) == 1


def test_a_damaged_file_and_another_format_say_what_to_do(store: DocumentStore) -> None:
    put(store, "a.txt", "Refer today.")
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for use in (store.documents, lambda: put(store, "a.txt", "Wait a week.")):
        with pytest.raises(KnowledgeError, match=r"format 99.*ingest them again"):
            use()
    store.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(KnowledgeError, match="cannot be read"):
        store.documents()


def test_a_store_that_cannot_be_written_to_can_be_read(store: DocumentStore) -> None:
    put(store, "a.txt", "Refer today.")
    (store.path.parent / f"{FILE}.lock").unlink(missing_ok=True)
    store.path.chmod(0o444)
    store.path.parent.chmod(0o555)
    try:
        assert len(store.passages()) == 1
        if os.geteuid():  # root writes everywhere
            with pytest.raises(KnowledgeError, match="cannot be written"):
                put(store, "b.txt", "Wait a week.")
    finally:
        store.path.parent.chmod(0o755)
