"""Ingesting: files, directories and addresses into the store, changing only what changed; one bad document stops no other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest import sources
from knowledge.ingest.parsing import READER, with_language
from knowledge.ingest.store import Change, DocumentStore
from knowledge.ingest.worker import ReadingProcess

State = Literal["added", "changed", "unchanged", "removed", "failed"]
_SLUG = 40


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document. `change` counts passages; `reason` says why it failed; `notes` what a reader should know of it."""

    source: str
    state: State
    document: str | None = None
    change: Change | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What ingesting did, document by document. `passed_over` counts files in directories that are of no kind that can be read."""

    outcomes: tuple[Outcome, ...]
    passed_over: int = 0

    def of(self, state: State) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.state == state)


def document_id(uri: str) -> str:
    """The id of the document at an address: readable, and its own even where another document has the same name.

    >>> document_id("file:///a/Dry Eye.pdf"), document_id("file:///b/dry_eye.pdf")
    ('dry_eye_9bb9b2', 'dry_eye_c004df')
    """
    name = sources.name_of(uri)
    stem = name.rpartition(".")[0] or name
    slug = "_".join(re.findall(r"[a-z0-9]+", stem.lower()))[:_SLUG].strip("_") or "document"
    return f"{slug}_{hashlib.sha256(uri.encode()).hexdigest()[:6]}"


def ingest(
    wanted: Iterable[str], store: DocumentStore, limits: Ingestion | None = None, told: Callable[[Outcome], object] = lambda _: None
) -> Report:
    """Ingests files, directories and http(s) addresses.

    A directory is read with all that lies below it, and documents of it whose files are gone are removed. A document whose bytes are as
    before is not read again. One that fails is reported with its reason, keeps the version it had, and the rest goes on. `told` hears of
    every outcome as it comes. Raises `KnowledgeError` when the store itself cannot be used.
    """
    limits = limits or Ingestion()
    outcomes: list[Outcome] = []
    passed_over = 0
    with ReadingProcess(limits) as process:
        for source in wanted:
            directory = _directory(source)
            if directory is None:
                found: Iterable[Outcome] = [_one(source, store, limits, process)]
            else:
                try:
                    files, others = sources.files_of(directory, limits)
                except DocumentError as error:
                    files, others, found = [], 0, [Outcome(source, "failed", reason=str(error))]
                else:
                    found = _all(directory, files, store, limits, process)
                passed_over += others
            for outcome in found:
                outcomes.append(outcome)
                told(outcome)
    return Report(tuple(outcomes), passed_over)


def _directory(source: str) -> Path | None:
    try:
        return Path(source) if source and not sources.is_address(source) and Path(source).is_dir() else None
    except (OSError, ValueError):
        return None


def _all(directory: Path, files: list[Path], store: DocumentStore, limits: Ingestion, process: ReadingProcess) -> Iterator[Outcome]:
    if not files:
        yield Outcome(str(directory), "failed", reason="there is no PDF, HTML, Markdown or text file in it")
    for path in files:
        yield _one(str(path), store, limits, process)
    root = f"{sources.uri_of(directory).rstrip('/')}/"
    there = {sources.uri_of(path) for path in files}
    for document in store.documents():
        if document.uri.startswith(root) and document.uri not in there and sources.is_gone(document.uri):
            yield Outcome(document.uri, "removed", document.id, store.remove(document.id))


def _one(source: str, store: DocumentStore, limits: Ingestion, process: ReadingProcess) -> Outcome:
    try:
        file = sources.load(source, limits)
        before = store.document(file.uri)
        if before is not None and before.sha256 == file.sha256 and before.reader == READER:
            return Outcome(source, "unchanged", before.id, Change(before.id, 0, 0, before.passages), notes=before.notes)
        document = with_language(process.read(file.data, file.media_type, file.charset))
        change = store.ingest(file, document, document_id(file.uri), READER)
        return Outcome(source, "changed" if before else "added", change.document, change, notes=document.notes)
    except DocumentError as error:
        kept = store.document(sources.uri_of(Path(source)) if not sources.is_address(source) and "\0" not in source else source)
        stays = f"; the version read before stays until `fovea knowledge remove {kept.id}`" if kept else ""
        return Outcome(source, "failed", kept.id if kept else None, reason=f"{error}{stays}")
