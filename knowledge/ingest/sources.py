"""Where documents come from: a file, a directory of files, an address."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest.parsing import SUFFIXES, media_type_of


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The bytes of one document. `charset` is what a server says its text is encoded in."""

    uri: str
    media_type: str
    data: bytes
    charset: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def name(self) -> str:
        return name_of(self.uri)


def is_address(source: str) -> bool:
    """Whether a source is an address and not a path.

    >>> is_address("https://example.org/a.pdf"), is_address("notes/a.pdf")
    (True, False)
    """
    return "://" in source


def name_of(uri: str) -> str:
    """The file name in an address, else the host.

    >>> name_of("file:///notes/dry%20eye.txt"), name_of("https://example.org/")
    ('dry eye.txt', 'example.org')
    """
    parts = urlsplit(uri)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc


def uri_of(path: Path) -> str:
    """The address of a path, with links resolved: one file has one address."""
    return path.resolve().as_uri()


def is_gone(uri: str) -> bool:
    """Whether there is no file at a file's address any more; one that may not be looked at is not gone."""
    try:
        return not Path(unquote(urlsplit(uri).path)).exists()
    except OSError:
        return False


def load(source: str, limits: Ingestion) -> SourceFile:
    """One document from a file or an address. Raises `DocumentError`."""
    if is_address(source):
        from knowledge.ingest.web import fetch

        return fetch(source, limits)
    path = Path(source)
    data = _bytes(path, limits)
    return SourceFile(uri_of(path), media_type_of(data, path.name), data)


def files_of(directory: Path, limits: Ingestion) -> tuple[list[Path], int]:
    """The documents in a directory and below, in order, and how many files of other kinds there are.

    Hidden files are left out, and links that lead out of the directory. Raises `DocumentError` when there are too many.
    """
    root = directory.resolve()
    found: dict[Path, Path] = {}
    others = 0
    for path in _walk(directory):
        if path.suffix.lower() not in SUFFIXES:
            others += 1
            continue
        real = path.resolve()
        if real.is_relative_to(root):
            found.setdefault(real, path)
        if len(found) > limits.max_files:
            raise DocumentError(f"{directory} holds more than {limits.max_files:,} documents (ingestion.max_files)")
    return sorted(found), others


def _walk(directory: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise DocumentError(f"directory {error.filename} cannot be read: {error.strerror}") from error

    # Links to directories are not followed: they may lead out, or round in a circle.
    for parent, folders, names in os.walk(directory, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent) / name
            if not name.startswith(".") and path.is_file():
                yield path


def _bytes(path: Path, limits: Ingestion) -> bytes:
    try:
        if not path.exists():
            raise DocumentError("there is no such file")
        if not path.is_file():  # a pipe or a device would be waited for, or never end
            raise DocumentError("it is no regular file")
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    except OSError as error:
        raise DocumentError(f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the name
        raise DocumentError(f"it has no name that a file can have: {error}") from error
    if len(data) > limits.max_bytes:
        raise DocumentError(f"it is larger than {limits.max_bytes:,} bytes (ingestion.max_bytes)")
    return data
