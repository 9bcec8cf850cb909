"""The knowledge index on disk: versions, one writer, an atomic swap, and a check of every byte before it is read.

An index directory is named after its content. It holds `about.json` (what it was built from), `library.json` (the checked knowledge) and
`patterns.json` (its compiled phrases), both fast to load, `passages.sqlite` (BM25, and the ranked passages of every condition, which need
no model to read) and `chroma/` (dense vectors of passages and findings; on a Chroma server instead where one is set). `manifest.json`
holds the sha256 of each of them, so that a damaged index is noticed before it is read. It is built beside the others and renamed into
place; the file `current` then names it, and that file is replaced in one step. Readers never write: the directory may lie on a read-only
file system.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from agent.errors import FoveaError, KnowledgeError
from knowledge import library as library_files
from knowledge.library import Library
from knowledge.reading.matching import Pattern
from knowledge.retrieval import building
from knowledge.retrieval.building import CHROMA, LIBRARY, PASSAGES, PATTERNS
from knowledge.retrieval.dense import ServerDense
from knowledge.retrieval.embedding import CachedEmbedder, Embedder
from knowledge.retrieval.passages import OwnPassages
from knowledge.schema import Entry

FORMAT = 7
KEPT_VERSIONS = 3
MANIFEST, ABOUT, CURRENT = "manifest.json", "about.json", "current"
CODE = Path(__file__).parents[1]
COMPILER = ("reading/text.py", "reading/matching.py", "reading/narrative.py", "retrieval/passages.py")
"""The sources that decide what patterns.json holds, and the words passages are found by."""
_SCRATCH = "building-"
_LOG = logging.getLogger(__name__)


class About(Entry):
    """What an index was built from. `library` and `documents` are digests; `documents` is empty where there are none."""

    format: int
    embedding_model: str
    library: str
    documents: str
    passages: int
    built: datetime


def version(model: str, root: Path = library_files.HERE, documents: str = "", server: str | None = None) -> str:
    """The name of the index directory for this embedding model, the knowledge files and their compiler as they are now, the user's
    documents by their digest, and the Chroma server, if any, that holds the vectors."""
    compiler = hashlib.sha256(b"\0".join((CODE / name).read_bytes() for name in COMPILER)).hexdigest()
    content = f"{library_files.digest(root)}|{compiler}|{model}|{documents}|{server or ''}"
    return f"v{FORMAT}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def ensure(
    directory: Path,
    embedder: Embedder,
    root: Path = library_files.HERE,
    *,
    own: OwnPassages | None = None,
    server: str | None = None,
    verified: bool = False,
) -> Path:
    """The index directory for the current knowledge, built when it is not there yet. Any number of processes may call this.

    With `verified` every file of it is checked, and a damaged index is built again. Where it cannot be built, the one that `current`
    names keeps serving if it was built with the same model, with a warning; with `verified`, and where there is none, the error is
    raised: `KnowledgeError` or `SettingsError`.
    """
    usable: Callable[[Path], bool] = (lambda path: is_sound(path, server)) if verified else Path.is_dir
    try:
        target = directory / version(embedder.name, root, own.digest() if own else "", server)
        if not usable(target):
            directory.mkdir(parents=True, exist_ok=True)
            with FileLock(str(directory / "build.lock"), timeout=600):
                if not usable(target):
                    _remove_scratch(directory)
                    _build(directory, target, embedder, root, own, server)
                    _point(directory, target)
                    _prune(directory, target, server)
        elif current(directory) != target and os.access(directory, os.W_OK):
            _point(directory, target)
    except (OSError, FoveaError) as error:
        trouble = error if isinstance(error, FoveaError) else KnowledgeError(f"cannot build the knowledge index in {directory}: {error}")
        older = current(directory)
        if verified or older is None or not _serves(older, embedder):
            raise trouble from error
        _LOG.warning("%s; the knowledge index %s of %s keeps serving", trouble, older.name, about(older).built.date())
        return older
    return target


def current(directory: Path) -> Path | None:
    """The index that was built or asked for last, if it is still there."""
    try:
        name = (directory / CURRENT).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return directory / name if name and (directory / name).is_dir() else None


def about(target: Path) -> About:
    """What an index was built from. Raises `KnowledgeError` when it does not say, or was built by another version of Fovea."""
    try:
        said = About.model_validate_json((target / ABOUT).read_bytes())
    except (OSError, ValidationError) as error:
        raise damaged(target, ABOUT) from error
    if said.format != FORMAT:
        raise KnowledgeError(f"{target} has index format {said.format}, and this version of Fovea reads {FORMAT}: run `fovea knowledge build`")
    return said


def is_sound(target: Path, server: str | None = None) -> bool:
    """Whether every file of an index is there and as it was written."""
    try:
        about(target)
        for name in (LIBRARY, PATTERNS, PASSAGES):
            content(target, name)
        if server:
            return ServerDense(server, target.name).is_complete()
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


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now().astimezone()


def seal(scratch: Path, said: About) -> None:
    """Says what an index was built from, and takes down the hash of every file of it."""
    (scratch / ABOUT).write_text(said.model_dump_json(indent=1), encoding="utf-8")
    files = sorted(path for path in scratch.rglob("*") if path.is_file())
    digests = {path.relative_to(scratch).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (scratch / MANIFEST).write_text(json.dumps(digests, indent=1))


def _build(directory: Path, target: Path, embedder: Embedder, root: Path, own: OwnPassages | None, server: str | None) -> None:
    library = library_files.read(root)
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=directory))
    remembering = CachedEmbedder(embedder, directory / "embeddings.sqlite")
    try:
        built = building.build(scratch, library, tuple(own.evidence()) if own else (), remembering)
        if server:
            ServerDense(server, target.name).write(built.vectors)
        else:
            building.write_dense(scratch, built)
        said = About(
            format=FORMAT,
            embedding_model=embedder.name,
            library=library.digest,
            documents=own.digest() if own else "",
            passages=built.passages,
            built=now(),
        )
        seal(scratch, said)
        remembering.forget_others()
        scratch.chmod(0o755)  # mkdtemp made it private; there is nothing of a patient in it, and others may share it
        if target.exists():  # it was found damaged
            os.replace(target, Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=directory)))
        os.replace(scratch, target)
        _remove_scratch(directory)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    finally:
        remembering.close()


def _point(directory: Path, target: Path) -> None:
    handle, name = tempfile.mkstemp(prefix=_SCRATCH, dir=directory)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{target.name}\n")
    Path(name).chmod(0o644)
    os.replace(name, directory / CURRENT)


def _serves(target: Path, embedder: Embedder) -> bool:
    try:
        return about(target).embedding_model == embedder.name
    except KnowledgeError:
        return False


def _remove_scratch(directory: Path) -> None:
    """What a killed build left behind. Called under the lock, when nobody else can be building."""
    for stale in directory.glob(f"{_SCRATCH}*"):
        if stale.is_dir():
            shutil.rmtree(stale, ignore_errors=True)
        else:
            stale.unlink(missing_ok=True)


def _prune(directory: Path, current: Path, server: str | None) -> None:
    """Keeps the newest few versions, so that a reader of an older one is not left without its files at once."""
    versions = sorted((p for p in directory.glob("v*-*") if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    kept = [*versions[:KEPT_VERSIONS], current]
    for old in versions:
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)
    if server:
        ServerDense(server, current.name).prune([path.name for path in kept])
