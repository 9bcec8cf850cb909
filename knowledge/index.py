"""Builds the knowledge index: once, by one writer, into a directory named after its content, then renamed into place.

A directory holds `library.json` (the checked knowledge) and `patterns.json` (its compiled phrases), both fast to load,
`statements.sqlite` (FTS5 for BM25, and the ranked statements of every condition, which need no model to read) and `chroma/` (dense
vectors of statements and findings). `manifest.json` holds the sha256 of each of them, so that a damaged index is noticed before it is
read. Readers never write: the directory may lie on a read-only file system.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from agent.citations import content_key
from agent.errors import KnowledgeError
from agent.evidence import Evidence
from knowledge import library as library_files
from knowledge.embedding import Embedder
from knowledge.library import Library
from knowledge.matching import Pattern
from knowledge.reading import patterns_of
from knowledge.redflags import source_of
from knowledge.schema import Condition, Statement

FORMAT = 4
KEPT_VERSIONS = 3
LIBRARY, PATTERNS, STATEMENTS, CHROMA, MANIFEST = "library.json", "patterns.json", "statements.sqlite", "chroma", "manifest.json"
_COMPILER = ("text.py", "matching.py", "reading.py")
"""The sources that decide what patterns.json holds."""
_SCRATCH = "building-"
CHROMA_BATCH = 2000
"""Rows per write; Chroma refuses more than some five thousand."""
EMBEDDED_PHRASES = 3
CHROMA_STATEMENTS = "statements"
CHROMA_FINDINGS = "findings"
_VIEW_ORDER = ("time_frame", "diagnosis", "management", "monitoring", "screening", "risk")
_SCHEMA = """
CREATE TABLE passage (key TEXT PRIMARY KEY, evidence TEXT NOT NULL);
CREATE VIRTUAL TABLE lexical USING fts5 (key UNINDEXED, text, tokenize = 'porter unicode61');
CREATE TABLE concept_view (concept TEXT NOT NULL, rank INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (concept, rank));
"""


def version(model: str, root: Path = library_files.HERE) -> str:
    """The name of the index directory for this embedding model and the knowledge files, and their compiler, as they are now."""
    here = Path(__file__).parent
    compiler = hashlib.sha256(b"\0".join((here / name).read_bytes() for name in _COMPILER)).hexdigest()
    return f"v{FORMAT}-{hashlib.sha256(f'{library_files.digest(root)}|{compiler}|{model}'.encode()).hexdigest()[:16]}"


def ensure(directory: Path, embedder: Embedder, root: Path = library_files.HERE, *, verified: bool = False) -> Path:
    """The index directory for the current knowledge, built when it is not there yet. Any number of processes may call this.

    With `verified` every file of it is checked, and a damaged index is built again. Raises `KnowledgeError`.
    """
    target = directory / version(embedder.name, root)
    usable: Callable[[Path], bool] = is_sound if verified else Path.is_dir
    if not usable(target):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with FileLock(str(directory / "build.lock"), timeout=600):
                if not usable(target):
                    _remove_scratch(directory)
                    _build(directory, target, embedder, root)
                    _prune(directory, target)
        except OSError as error:
            raise KnowledgeError(f"cannot build the knowledge index in {directory}: {error}") from error
    return target


def is_sound(target: Path) -> bool:
    """Whether every file of an index is there and as it was written."""
    try:
        for name in (LIBRARY, PATTERNS, STATEMENTS):
            content(target, name)
        check_dense(target, target / CHROMA)
    except KnowledgeError:
        return False
    return True


def load_library(target: Path) -> Library:
    """The compiled library of an index directory. Raises `KnowledgeError` when it is damaged."""
    return Library.model_validate_json(content(target, LIBRARY))


def load_patterns(target: Path) -> list[Pattern]:
    """The library's phrases, compiled when the index was built. Raises `KnowledgeError` when they are damaged."""
    return [Pattern(name, tuple(stems), literal) for name, stems, literal in json.loads(content(target, PATTERNS))]


def content(target: Path, name: str) -> bytes:
    """The bytes of one file of an index, as they were written. Raises `KnowledgeError` when they are others, or none."""
    return _checked(target, name, target / name)


def check_dense(target: Path, chroma: Path) -> None:
    """Raises `KnowledgeError` unless `chroma`, the dense index or a copy of it, holds what was written."""
    names = [name for name in _manifest(target) if name.startswith(f"{CHROMA}/")]
    if not names:
        raise damaged(target, MANIFEST)
    for name in names:
        _checked(target, name, chroma / name.removeprefix(f"{CHROMA}/"))


def damaged(target: Path, name: str) -> KnowledgeError:
    """The one thing to say about any damage."""
    return KnowledgeError(f"{target / name} is missing or damaged: delete {target} and run `fovea knowledge build`")


def _checked(target: Path, name: str, place: Path) -> bytes:
    try:
        data = place.read_bytes()
    except OSError as error:
        raise damaged(target, name) from error
    if hashlib.sha256(data).hexdigest() != _manifest(target).get(name):
        raise damaged(target, name)
    return data


def _manifest(target: Path) -> dict[str, str]:
    try:
        return TypeAdapter(dict[str, str]).validate_json((target / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise damaged(target, MANIFEST) from error


def _write_manifest(scratch: Path) -> None:
    files = sorted(path for path in scratch.rglob("*") if path.is_file())
    digests = {path.relative_to(scratch).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (scratch / MANIFEST).write_text(json.dumps(digests, indent=1))


def evidence_of(library: Library, statement: Statement) -> Evidence:
    """The statement as evidence, with its content key and source; the score is filled in by a search."""
    document = library.document[statement.document]
    return Evidence(
        key=key_of(statement),
        text=statement.text,
        kind=statement.kind,
        concepts=statement.concepts,
        source=source_of(document, statement.section),
        score=0.0,
        strength=statement.strength,
        reviewed=document.reviewed,
        disputes=tuple(key_of(library.statement[other]) for other in library.disputes(statement.id)),
    )


def key_of(statement: Statement) -> str:
    """The statement's content key."""
    return content_key(statement.document, statement.text)


def finding_texts(library: Library) -> tuple[list[str], list[str]]:
    """Ids and texts of findings as they are embedded for a second reading: the name, and the first plain phrases."""
    ids, texts = [], []
    for entry in library.findings:
        for text in (entry.name, *[p for p in entry.phrases if not p.strip().startswith('"')][:EMBEDDED_PHRASES]):
            ids.append(entry.id)
            texts.append(text)
    return ids, texts


def _build(directory: Path, target: Path, embedder: Embedder, root: Path) -> None:
    library = library_files.read(root)
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=directory))
    try:
        (scratch / LIBRARY).write_bytes(library.model_dump_json().encode())
        (scratch / PATTERNS).write_text(json.dumps(patterns_of(library)))
        passages = [evidence_of(library, statement) for statement in library.statements]
        keys = [p.key for p in passages]
        if len(set(keys)) != len(keys):
            twice = next(k for k in keys if keys.count(k) > 1)
            raise KnowledgeError(f"two statements say the same in one document: {twice!r}")
        vectors = embedder.embed([f"{p.source.title}. {p.text}" for p in passages])
        _write_dense(scratch / CHROMA, library, passages, vectors, embedder)
        queries = embedder.embed([f"{c.name}: {c.description}" for c in library.conditions])
        ranks = {c.id: [keys[i] for i in (-(vectors @ queries[n])).argsort()] for n, c in enumerate(library.conditions)}
        _write_lexical(scratch / STATEMENTS, library, passages, ranks)
        _write_manifest(scratch)
        scratch.chmod(0o755)  # mkdtemp made it private; there is nothing of a patient in it, and others may share it
        if target.exists():  # it was found damaged
            os.replace(target, Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=directory)))
        os.replace(scratch, target)
        _remove_scratch(directory)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _write_dense(path: Path, library: Library, passages: Sequence[Evidence], vectors: object, embedder: Embedder) -> None:
    import chromadb
    from chromadb.config import Settings as ChromaSettings

    client = chromadb.PersistentClient(path=str(path), settings=ChromaSettings(anonymized_telemetry=False))
    statements = client.create_collection(CHROMA_STATEMENTS, embedding_function=None, metadata={"hnsw:space": "cosine"})
    statements.add(ids=[p.key for p in passages], embeddings=vectors)  # type: ignore[arg-type]
    ids, texts = finding_texts(library)
    vectors_of_findings = embedder.embed(texts)
    findings = client.create_collection(CHROMA_FINDINGS, embedding_function=None, metadata={"hnsw:space": "cosine"})
    for start in range(0, len(ids), CHROMA_BATCH):
        part = slice(start, start + CHROMA_BATCH)
        findings.add(
            ids=[str(n) for n in range(start, start + len(ids[part]))],
            embeddings=vectors_of_findings[part],
            metadatas=[{"finding": finding} for finding in ids[part]],
            documents=texts[part],
        )
    client.close()  # type: ignore[attr-defined]


def _write_lexical(path: Path, library: Library, passages: Sequence[Evidence], ranks: dict[str, list[str]]) -> None:
    by_key = {p.key: p for p in passages}
    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.executescript(_SCHEMA)
            connection.executemany("INSERT INTO passage VALUES (?, ?)", [(p.key, p.model_dump_json()) for p in passages])
            rows = [(p.key, f"{p.text} {p.source.title} {' '.join(_names(library, p.concepts))}") for p in passages]
            connection.executemany("INSERT INTO lexical VALUES (?, ?)", rows)
            for condition in library.conditions:
                ranked = _view(condition, [by_key[key] for key in ranks[condition.id]])
                rows_of_view = [(condition.id, rank, passage.key) for rank, passage in enumerate(ranked)]
                connection.executemany("INSERT INTO concept_view VALUES (?, ?, ?)", rows_of_view)
    finally:
        connection.close()


def _view(condition: Condition, nearest_first: Sequence[Evidence]) -> list[Evidence]:
    """The statements about a condition, nearest first within each kind, the kinds taken in turn; its parent's statements follow."""
    ranked: list[Evidence] = []
    for concept in (condition.id, condition.parent):
        own = [p for p in nearest_first if concept in p.concepts and p not in ranked]
        kinds = [[p for p in own if p.kind == kind] for kind in _VIEW_ORDER]
        ranked += [p for turn in zip_longest(*kinds) for p in turn if p is not None]
    return ranked


def _names(library: Library, concepts: Sequence[str]) -> list[str]:
    return [name for c in concepts for name in (library.condition[c].name, *library.condition[c].synonyms)]


def _remove_scratch(directory: Path) -> None:
    """What a killed build left behind. Called under the lock, when nobody else can be building."""
    for stale in directory.glob(f"{_SCRATCH}*"):
        shutil.rmtree(stale, ignore_errors=True)


def _prune(directory: Path, current: Path) -> None:
    """Keeps the newest few versions, so that a reader of an older one is not left without its files at once."""
    versions = sorted((p for p in directory.glob("v*-*") if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in versions[KEPT_VERSIONS:]:
        if old != current:
            shutil.rmtree(old, ignore_errors=True)
