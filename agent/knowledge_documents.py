"""What `fovea knowledge ingest`, `documents` and `remove` do: the user's own documents in and out, and the index after them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from agent.errors import DocumentError
from agent.output import dump, standard_output
from agent.settings import Settings
from knowledge.ingest.ingesting import Outcome, Report, ingest
from knowledge.retrieval.opening import build_index, documents_of


def ingest_documents(sources: Sequence[str], settings: Settings, *, json_output: bool) -> None:
    """Reads the sources, tells of each document as it is done, and builds the index when anything changed.

    Raises `DocumentError` at the end when any could not be read; the others are in by then.
    """
    with standard_output():
        report = ingest(sources, documents_of(settings), settings.ingestion, _tell_json if json_output else _tell)
        changed = any(report.of(state) for state in ("added", "changed", "removed"))
        target = build_index(settings)
        if not json_output:
            print(f"{_summary(report)}; knowledge index {target.name} {'is ready' if changed else 'stays'}")
    failed = report.of("failed")
    if failed:
        raise DocumentError(f"{len(failed)} of {len(report.outcomes)} documents could not be read: {failed[0].source}: {failed[0].reason}")


def list_documents(settings: Settings, *, json_output: bool) -> None:
    """One line a document."""
    documents = documents_of(settings).documents()
    for document in documents:
        row = {
            "id": document.id,
            "title": document.title,
            "uri": document.uri,
            "pages": document.pages,
            "passages": document.passages,
            "ingested_at": document.ingested_at.isoformat(),
            "notes": list(document.notes),
        }
        if json_output:
            dump(row, sys.stdout)
            sys.stdout.write("\n")
        else:
            notes = f"  ({'; '.join(document.notes)})" if document.notes else ""
            print(f"{document.id}  {document.title}: {document.passages} passages, {document.pages} pages, {document.uri}{notes}")
    if not documents and not json_output:
        print("No documents of your own: `fovea knowledge ingest FILE|DIR|URL` adds them.")


def remove_documents(ids: Sequence[str], settings: Settings) -> None:
    """Removes them and builds the index without them. Raises `DocumentError` for an id that is none, before anything is removed."""
    store = documents_of(settings)
    known = {document.id for document in store.documents()}
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise DocumentError(f"there is no document {unknown[0]!r}: `fovea knowledge documents` lists them")
    for name in dict.fromkeys(ids):
        print(f"{name}: {store.remove(name).removed} passages removed")
    print(f"knowledge index {build_index(settings).name} is ready")


def _summary(report: Report) -> str:
    counts = [(state, len(report.of(state))) for state in ("added", "changed", "unchanged", "removed", "failed")]
    over = f", {report.passed_over} files of other kinds passed over" if report.passed_over else ""
    return (", ".join(f"{count} {state}" for state, count in counts if count) or "nothing to read") + over


def _tell(outcome: Outcome) -> None:
    if outcome.state == "unchanged":
        return
    if outcome.state == "failed":
        print(f"failed: {outcome.source}: {outcome.reason}")
        return
    change = outcome.change
    counts = f": +{change.added} -{change.removed} ={change.unchanged} passages" if change else ""
    print(f"{outcome.state}: {outcome.document}{counts}" + "".join(f"; {note}" for note in outcome.notes))


def _tell_json(outcome: Outcome) -> None:
    change = outcome.change
    row = {
        "source": outcome.source,
        "state": outcome.state,
        "document": outcome.document,
        "passages": {"added": change.added, "removed": change.removed, "unchanged": change.unchanged} if change else None,
        "reason": outcome.reason,
        "notes": list(outcome.notes),
    }
    dump(row, sys.stdout)
    sys.stdout.write("\n")
