"""The user's own documents: one SQLite file with their text and their passages.

One writer at a time (a file lock); any number of readers, also from a read-only file system. A document is replaced in one transaction, so
a reader sees the old one or the new one.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from agent.citations import content_key
from agent.errors import DocumentError, KnowledgeError
from knowledge.ingest.passages import CitableDocument, Passage
from knowledge.ingest.sources import SourceFile

FILE = "documents.sqlite"
FORMAT = 1
_LOCK_SECONDS = 600
_SCHEMA = """
CREATE TABLE document (
    id TEXT PRIMARY KEY, uri TEXT NOT NULL UNIQUE, title TEXT NOT NULL, sha256 TEXT NOT NULL, media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL, pages INTEGER NOT NULL, passages INTEGER NOT NULL, language TEXT NOT NULL, notes TEXT NOT NULL,
    reader INTEGER NOT NULL, digest TEXT NOT NULL, ingested_at TEXT NOT NULL);
CREATE TABLE page (
    document TEXT NOT NULL REFERENCES document ON DELETE CASCADE, number INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (document, number)) WITHOUT ROWID;
CREATE TABLE passage (
    key TEXT PRIMARY KEY, document TEXT NOT NULL REFERENCES document ON DELETE CASCADE, position INTEGER NOT NULL, page INTEGER NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, section TEXT NOT NULL, text TEXT NOT NULL, sentences TEXT NOT NULL);
CREATE INDEX passage_of_document ON passage (document, position);
"""
_DOCUMENT = "id, uri, title, sha256, media_type, bytes, pages, passages, language, notes, reader, digest, ingested_at"


@dataclass(frozen=True, slots=True)
class Document:
    """An ingested document. `digest` is the hash of all that an index takes from it; `reader` the version that read it."""

    id: str
    uri: str
    title: str
    sha256: str
    media_type: str
    bytes: int
    pages: int
    passages: int
    language: str
    notes: tuple[str, ...]
    reader: int
    digest: str
    ingested_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its key and its document's id. Of passages with the same words in one document the first is kept: one key, one place."""

    key: str
    document: str
    passage: Passage


@dataclass(frozen=True, slots=True)
class Change:
    """What ingesting a document did, in passages."""

    document: str
    added: int
    removed: int
    unchanged: int


class DocumentStore:
    """The store in a directory. Nothing is created before the first document is written."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE

    def ingest(self, source: SourceFile, document: CitableDocument, document_id: str, reader: int) -> Change:
        """Writes a document, or replaces the one with the same address. Raises `KnowledgeError`."""
        kept: dict[str, StoredPassage] = {}
        for passage in document.passages:
            key = content_key(document_id, passage.text)
            kept.setdefault(key, StoredPassage(key, document_id, passage))
        title = document.title or _title_of(source.name)
        rows = [_passage_row(stored, position) for position, stored in enumerate(kept.values())]
        digest = hashlib.sha256(json.dumps([source.uri, title, source.sha256, rows]).encode()).hexdigest()
        with self._writing() as connection:
            before = {key for (key,) in connection.execute("SELECT key FROM passage WHERE document = ?", (document_id,))}
            connection.execute("DELETE FROM document WHERE id = ? OR uri = ?", (document_id, source.uri))
            now = datetime.now(UTC).isoformat(timespec="seconds")
            connection.execute(
                f"INSERT INTO document ({_DOCUMENT}) VALUES ({', '.join('?' * 13)})",
                (document_id, source.uri, title, source.sha256, document.media_type, len(source.data), len(document.pages), len(rows),
                 document.language, json.dumps(document.notes), reader, digest, now),
            )  # fmt: skip
            connection.executemany("INSERT INTO page VALUES (?, ?, ?)", [(document_id, page.number, page.text) for page in document.pages])
            connection.executemany("INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return Change(document_id, len(kept.keys() - before), len(before - kept.keys()), len(before & kept.keys()))

    def remove(self, document_id: str) -> Change:
        """Removes a document. Raises `DocumentError` when there is none of that id."""
        with self._writing() as connection:
            (count,) = connection.execute("SELECT count(*) FROM passage WHERE document = ?", (document_id,)).fetchone()
            if not connection.execute("DELETE FROM document WHERE id = ?", (document_id,)).rowcount:
                raise DocumentError(f"there is no document {document_id!r}: `fovea knowledge documents` lists them")
        return Change(document_id, 0, count, 0)

    def documents(self) -> list[Document]:
        """All documents, by id."""
        with self._reading() as connection:
            return [_document(row) for row in connection.execute(f"SELECT {_DOCUMENT} FROM document ORDER BY id")] if connection else []

    def document(self, uri: str) -> Document | None:
        """The document of an address."""
        with self._reading() as connection:
            row = connection.execute(f"SELECT {_DOCUMENT} FROM document WHERE uri = ?", (uri,)).fetchone() if connection else None
        return _document(row) if row else None

    def passages(self, document_id: str | None = None) -> list[StoredPassage]:
        """All passages in the order of their documents, or those of one document."""
        where, values = ("WHERE document = ?", (document_id,)) if document_id is not None else ("", ())
        columns = 'key, document, page, start, "end", section, text, sentences'
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {columns} FROM passage {where} ORDER BY document, position", values) if connection else ()
            return [
                StoredPassage(key, document, Passage(page, start, end, section, text, tuple((a, b) for a, b in json.loads(sentences))))
                for key, document, page, start, end, section, text, sentences in rows
            ]

    def page(self, document_id: str, number: int) -> str:
        """The text of a page, into which the offsets of its passages point. Raises `DocumentError` when there is no such page."""
        with self._reading() as connection:
            sql = "SELECT text FROM page WHERE document = ? AND number = ?"
            row = connection.execute(sql, (document_id, number)).fetchone() if connection else None
        if row is None:
            raise DocumentError(f"there is no page {number} of a document {document_id!r}")
        return str(row[0])

    def digest(self) -> str:
        """A hash of everything an index takes from here; it changes exactly when an index has to be built anew."""
        with self._reading() as connection:
            rows = connection.execute("SELECT id, digest FROM document ORDER BY id").fetchall() if connection else []
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=_LOCK_SECONDS):
                connection = sqlite3.connect(self.path)
                try:
                    self._expect_format(connection)
                    connection.execute("PRAGMA foreign_keys = ON")
                    with connection:
                        yield connection
                finally:
                    connection.close()
        except Timeout as error:
            raise KnowledgeError(f"another process has been writing to {self.path} for {_LOCK_SECONDS} seconds") from error
        except (OSError, sqlite3.Error) as error:
            raise KnowledgeError(f"the documents in {self.path} cannot be written: {error}") from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection that cannot write, or None where no document was ever ingested."""
        if not self.path.exists():
            yield None
            return
        try:
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                connection.execute("BEGIN")  # all that is read here is of one moment
                self._expect_format(connection)
                yield connection
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise KnowledgeError(f"the documents in {self.path} cannot be read: {error}; remove the file and ingest them again") from error

    def _expect_format(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and not connection.in_transaction:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
        elif found != FORMAT:
            raise KnowledgeError(
                f"{self.path} holds documents of format {found}, this version of Fovea reads {FORMAT}: remove the file and ingest them again"
            )


def _title_of(name: str) -> str:
    stem = name.rpartition(".")[0] or name
    return " ".join(stem.replace("-", " ").replace("_", " ").split()) or name


def _passage_row(stored: StoredPassage, position: int) -> tuple[object, ...]:
    p = stored.passage
    return stored.key, stored.document, position, p.page, p.start, p.end, p.section, p.text, json.dumps(p.sentences)


def _document(row: tuple[str, ...]) -> Document:
    values = dict(zip(_DOCUMENT.split(", "), row, strict=True))
    values |= {"notes": tuple(json.loads(values["notes"])), "ingested_at": datetime.fromisoformat(values["ingested_at"])}  # type: ignore[dict-item]
    return Document(**values)  # type: ignore[arg-type]
