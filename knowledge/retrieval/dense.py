"""The dense side of an index: vectors in Chroma, in a directory of the index itself or on a Chroma server.

A directory has one writer, the build; readers open a private copy of it, because Chroma writes into whatever it opens, the files of its
vectors included. A server holds one set of collections per index version.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from agent.errors import KnowledgeError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
STATEMENTS, FINDINGS, PROFILES = "statements", "findings", "profiles"
COLLECTIONS = (STATEMENTS, FINDINGS, PROFILES)
BATCH = 2000
"""Rows per write; Chroma refuses more than some five thousand."""
COSINE = {"hnsw:space": "cosine"}
COMPLETE = "complete"
"""Metadata that a server's collection carries once all its rows are there."""


class DenseIndex(Protocol):
    """Nearest neighbours among the vectors of an index. Callable from any thread."""

    def nearest(self, collection: str, vectors: NDArray[np.float32], count: int) -> list[list[tuple[str, float]]]:
        """For each vector the `count` nearest (id, cosine similarity), nearest first."""
        ...

    def similarities(self, collection: str, vector: NDArray[np.float32], ids: Sequence[str]) -> dict[str, float]:
        """Cosine similarity of one vector to the rows with these ids; a row that is not there is left out."""
        ...


Collections = Mapping[str, tuple[Sequence[str], "NDArray[np.float32]"]]
"""What is written: collection name -> ids and unit vectors, row by row."""


def write_directory(path: Path, collections: Collections) -> None:
    """Writes a new Chroma directory and closes it."""
    import chromadb

    client = chromadb.PersistentClient(path=str(path), settings=_settings())
    for name, (ids, vectors) in collections.items():
        _fill(client.create_collection(name, embedding_function=None, metadata=COSINE), ids, vectors)
    client.close()  # type: ignore[attr-defined]


class DirectoryDense:
    """Reads the `chroma` directory of an index, which it leaves byte for byte as it is.

    `check` is given the private copy before it is opened and raises `KnowledgeError` when it is not what was written.
    """

    def __init__(self, chroma: Path, check: Callable[[Path], None]) -> None:
        self._chroma = chroma
        self._check = check
        self._client: Any = None
        self._lock = threading.Lock()

    def nearest(self, collection: str, vectors: NDArray[np.float32], count: int) -> list[list[tuple[str, float]]]:
        return _nearest(self._collection(collection), vectors, count)

    def similarities(self, collection: str, vector: NDArray[np.float32], ids: Sequence[str]) -> dict[str, float]:
        return _similarities(self._collection(collection), vector, ids)

    def _collection(self, name: str) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client.get_collection(name, embedding_function=None)

    def _open(self) -> Any:
        import chromadb

        try:
            copy = Path(tempfile.mkdtemp(prefix="fovea-index-"))
            weakref.finalize(self, shutil.rmtree, copy, ignore_errors=True)  # with the reader, at the latest with the process
            for source in sorted(self._chroma.rglob("*")):
                place = copy / source.relative_to(self._chroma)
                if source.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, place)  # the bytes alone: a copy must be writable where the original is not
        except OSError as error:
            raise KnowledgeError(f"the dense index cannot be opened in {tempfile.gettempdir()}: {error.strerror or error}") from error
        self._check(copy)
        return chromadb.PersistentClient(path=str(copy), settings=_settings())


class ServerDense:
    """Reads and writes the collections of one index version on a Chroma server. `url` as http(s)://host:port.

    Every method raises `KnowledgeError` when the server gives no answer or does not hold the version, after a few tries.
    """

    def __init__(self, url: str, version: str) -> None:
        self._url = url
        self._version = version

    def is_complete(self) -> bool:
        """Whether the server holds this version, whole."""
        held = self._ask(lambda client: {c.name: c.metadata or {} for c in client.list_collections()})
        return all(held.get(self._name(name), {}).get(COMPLETE) is True for name in COLLECTIONS)

    def write(self, collections: Collections) -> None:
        """Writes this version. Two writers of one version write the same rows; it counts as complete only when all are there."""
        for name, (ids, vectors) in collections.items():
            collection = self._ask(partial(_made, name=self._name(name)))
            _fill(collection, ids, vectors)
            held = collection.count()
            if held != len(ids):
                raise KnowledgeError(f"the Chroma server at {self._url} holds {held} of {len(ids)} rows of {self._name(name)}")
            collection.modify(metadata={COMPLETE: True})

    def prune(self, kept: Sequence[str]) -> None:
        """Deletes the collections of every version of Fovea's that is not among `kept`."""
        for name in self._ask(lambda client: [c.name for c in client.list_collections()]):
            version = name.removeprefix("fovea-").rpartition("-")[0]
            if name.startswith("fovea-v") and version not in kept:
                self._ask(partial(_dropped, name=name))

    def nearest(self, collection: str, vectors: NDArray[np.float32], count: int) -> list[list[tuple[str, float]]]:
        name = self._name(collection)
        return self._ask(lambda client: _nearest(client.get_collection(name, embedding_function=None), vectors, count))

    def similarities(self, collection: str, vector: NDArray[np.float32], ids: Sequence[str]) -> dict[str, float]:
        name = self._name(collection)
        return self._ask(lambda client: _similarities(client.get_collection(name, embedding_function=None), vector, ids))

    def _name(self, collection: str) -> str:
        return f"fovea-{self._version}-{collection}"

    def _ask(self, question: Callable[[Any], T]) -> T:
        import httpx
        import tenacity
        from chromadb.errors import ChromaError, NotFoundError

        broken = tenacity.retry_if_exception_type(httpx.TransportError)  # a connection kept alive may have been closed
        again = tenacity.Retrying(retry=broken, stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_fixed(0.2), reraise=True)
        try:
            return again(lambda: question(_client(self._url)))
        except NotFoundError as error:
            lost = f"the Chroma server at {self._url} does not hold index {self._version}"
            raise KnowledgeError(f"{lost}: run `fovea knowledge build`") from error
        except (ChromaError, httpx.HTTPError, ValueError) as error:  # chromadb turns a refused connection into a plain ValueError
            words = (str(error).splitlines() or [type(error).__name__])[0]
            raise KnowledgeError(f"the Chroma server at {self._url} (knowledge.chroma_url) gives no answer: {words}") from error


@cache
def _client(url: str) -> Any:
    """One client a process and server: it holds the pool of connections."""
    import chromadb

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"knowledge.chroma_url {url!r} is not of the form http://host:port")
    secure = parts.scheme == "https"
    return chromadb.HttpClient(host=parts.hostname, port=parts.port or (443 if secure else 80), ssl=secure, settings=_settings())


def _made(client: Any, name: str) -> Any:
    return client.get_or_create_collection(name, embedding_function=None, metadata=COSINE)


def _dropped(client: Any, name: str) -> None:
    client.delete_collection(name)


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def _fill(collection: Any, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
    for start in range(0, len(ids), BATCH):
        collection.upsert(ids=list(ids[start : start + BATCH]), embeddings=vectors[start : start + BATCH])


def _nearest(collection: Any, vectors: NDArray[np.float32], count: int) -> list[list[tuple[str, float]]]:
    answer = collection.query(query_embeddings=vectors, n_results=count, include=["distances"])
    return [
        [(str(row), 1 - float(distance)) for row, distance in zip(ids, distances, strict=True)]
        for ids, distances in zip(answer["ids"], answer["distances"], strict=True)
    ]


def _similarities(collection: Any, vector: NDArray[np.float32], ids: Sequence[str]) -> dict[str, float]:
    import numpy as np

    if not ids:
        return {}
    held = collection.get(ids=list(ids), include=["embeddings"])
    return dict(zip(held["ids"], (np.asarray(held["embeddings"]) @ vector).tolist(), strict=True))
