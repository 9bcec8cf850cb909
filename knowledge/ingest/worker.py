"""A process that only parses: what it is fed may be hostile, so it has little memory, no files to write and no secrets in its environment.

The limits keep a bomb from taking the host down; they are no wall against a file that takes over the process. Requests and answers are
length-prefixed JSON and bytes over pipes, never pickles. One process reads many documents (it takes a third of a second to start) and is
replaced when it dies, or is ended because it took too long.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest.document import PageText
from knowledge.ingest.passages import CitableDocument, Passage

_LENGTH = struct.Struct("<Q")
_ROOT = Path(__file__).resolve().parents[2]
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "OPENBLAS_CORETYPE")
_BYTES_PER_CHARACTER = 12
"""JSON writes a character in at most six bytes, one beyond the basic plane in twelve."""
_STARTING_SECONDS = 60


class ReadingProcess:
    """Reads documents in a child process. A context manager; not for several threads at once."""

    def __init__(self, limits: Ingestion) -> None:
        self._limits = limits
        self.child: subprocess.Popen[bytes] | None = None
        """The process that runs at present."""

    def __enter__(self) -> ReadingProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self, data: bytes, media_type: str, charset: str | None = None) -> CitableDocument:
        """Parsed (`knowledge.ingest.parsing`) and cut into passages.

        Raises `DocumentError` for what cannot be read, also when reading takes too long or too much memory.
        """
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(self._limits.max_seconds, end)
        timer.daemon = True
        timer.start()
        try:
            _send(child.stdin, json.dumps({"media_type": media_type, "charset": charset}).encode())
            _send(child.stdin, data)
            answer = json.loads(_receive(child.stdout, self._limits.max_characters * _BYTES_PER_CHARACTER + 2**20))
        except (OSError, EOFError) as error:
            self.close()
            if late.is_set():
                raise DocumentError(f"it took longer than {self._limits.max_seconds:g} seconds to read (ingestion.max_seconds)") from error
            megabytes = self._limits.max_memory // 2**20
            raise DocumentError(f"reading it needs more than {megabytes:,} MB (ingestion.max_memory) or crashes the reader") from error
        except BaseException:
            self.close()  # an answer that was not read would be taken for the next document's
            raise
        finally:
            timer.cancel()
        if "error" in answer:
            raise DocumentError(answer["error"])
        return _document(answer)

    def close(self) -> None:
        child, self.child = self.child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # a pipe to a dead process has bytes left to write
                    pipe.close()
        child.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        if self.child is None or self.child.poll() is not None:
            self.close()
            environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
            environment |= {"PYTHONPATH": os.pathsep.join((str(_ROOT), *filter(None, sys.path))), "OMP_NUM_THREADS": "1"}
            self.child = subprocess.Popen(
                [sys.executable, "-m", "knowledge.ingest.worker", self._limits.model_dump_json()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, start_new_session=True,
            )  # fmt: skip
            self._await_start(self.child)
        return self.child

    def _await_start(self, child: subprocess.Popen[bytes]) -> None:
        """Waits until the child can read: starting is no part of a document's time."""
        assert child.stdout is not None
        timer = threading.Timer(_STARTING_SECONDS, child.kill)
        timer.daemon = True
        timer.start()
        try:
            _receive(child.stdout, 16)
        except EOFError as error:
            self.close()
            raise DocumentError("the process that reads documents does not start: is the installation complete?") from error
        finally:
            timer.cancel()


def _send(pipe: BinaryIO | Any, data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: BinaryIO | Any, most: int) -> bytes:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > most:
        raise EOFError
    data: bytes = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _document(answer: dict[str, Any]) -> CitableDocument:
    return CitableDocument(
        answer["title"],
        answer["media_type"],
        tuple(PageText(*page) for page in answer["pages"]),
        tuple(
            Passage(page, start, end, section, text, tuple((first, last) for first, last in sentences))
            for page, start, end, section, text, sentences in answer["passages"]
        ),
        tuple(answer["notes"]),
    )


def _answer(request: dict[str, Any], data: bytes, limits: Ingestion) -> dict[str, Any]:
    from knowledge.ingest.parsing import parse
    from knowledge.ingest.passages import citable

    try:
        document = citable(parse(data, request["media_type"], limits, request["charset"]))
    except DocumentError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"reading it needs more than {limits.max_memory // 2**20:,} MB (ingestion.max_memory)"}
    except Exception as error:  # noqa: BLE001  a parser's own defect is this document's failure, not the directory's
        return {"error": f"its reader failed ({type(error).__name__}: {str(error)[:200]})"}
    return {field.name: getattr(document, field.name) for field in fields(document)}


def _plain(value: Any) -> Any:
    """A dataclass as the list of its fields, for JSON."""
    return [getattr(value, field.name) for field in fields(value)]


def _confine(limits: Ingestion) -> None:
    """Limits of the operating system, where it has them (not on Windows; macOS does not keep the one on memory)."""
    try:
        import resource
    except ImportError:
        return
    for kind, value in (("RLIMIT_AS", limits.max_memory), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0), ("RLIMIT_NOFILE", 64)):
        with contextlib.suppress(ValueError, OSError):  # a stricter limit is in force already
            resource.setrlimit(getattr(resource, kind), (value, value))


def _cpu_until(seconds: float) -> None:
    """Ends this process by itself some time after the parent should have: the parent may have died."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 5, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main(settings: str) -> None:
    """Reads requests from standard input until it ends. What libraries print goes nowhere: standard output is the answers'."""
    limits = Ingestion.model_validate_json(settings)
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    _confine(limits)
    import knowledge.ingest.parsing  # noqa: F401  before the clock runs

    _send(answers, b"ready")
    while True:
        try:
            request = json.loads(_receive(sys.stdin.buffer, 2**16))
            data = _receive(sys.stdin.buffer, limits.max_bytes)
        except EOFError:
            return
        _cpu_until(limits.max_seconds)
        answer = json.dumps(_answer(request, data, limits), default=_plain).encode()
        del data
        _send(answers, answer)


if __name__ == "__main__":
    main(sys.argv[1])
