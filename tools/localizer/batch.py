"""Many files through one localizer: decoding, preparing and reading overlap, results come in the order of the files, nothing is kept.

Measured on two cores against one session on all of them: a worker per core, each calling the one session that runs on a single thread,
is quicker than any pipeline of stages around a many-threaded session, because no core ever waits for another (`make bench`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from PIL.Image import Image

from agent.errors import ImageError
from agent.imaging import ImageFindings
from agent.ports import Localizer
from agent.settings import Intake
from tools.images import examine, read_image_file

AHEAD = 2
"""Files in the air for each worker: one that it reads, one that waits, so that a slow picture at the front stops nobody for long."""
Look = Callable[[str, ImageFindings, Image], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file: its findings, or in one line why it could not be read."""

    path: str
    findings: ImageFindings | None
    error: str = ""


def cores() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def files_of(place: str, leave_out: str | None = None) -> Iterator[str]:
    """`place` itself, or when it is a directory the files below it, sorted by name; hidden ones, links to directories and the directory
    `leave_out` are passed by. A directory that cannot be listed comes as itself.

    The paths begin with `place` as it was given.
    """
    if not os.path.isdir(place):
        yield place
        return
    try:
        names = sorted(name for name in os.listdir(place) if not name.startswith("."))
    except OSError:
        yield place  # is told like a file that cannot be read
        return
    for name in names:
        path = os.path.join(place, name)
        if not os.path.isdir(path):
            yield path
        elif not os.path.islink(path) and not (leave_out and os.path.samefile(path, leave_out)):  # a link may lead back up
            yield from files_of(path, leave_out)


def localize_files(
    paths: Iterable[str], localizer: Localizer, limits: Intake, workers: int | None = None, look: Look | None = None
) -> Iterator[Result]:
    """Findings of each file, in the order given; `workers` None means one per core.

    Holds `AHEAD` files per worker at most, whatever the number of files: `paths` is read as it is needed, and pixels are gone when
    their result is there. `look` sees path, findings and pixels in the worker's thread: for overlays. A file that cannot be read gives
    a result with `error`; what the localizer or `look` raise ends the run.
    """
    count = workers or cores()
    if count < 1:
        raise ValueError(f"{count} workers: at least one is needed")
    source = iter(paths)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="localize")
    try:
        while True:
            while len(waiting) < AHEAD * count and (path := next(source, None)) is not None:
                waiting.append(pool.submit(localize_file, path, localizer, limits, look))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:  # also when the reader stops early
        pool.shutdown(wait=True, cancel_futures=True)


def localize_file(path: str, localizer: Localizer, limits: Intake, look: Look | None = None) -> Result:
    """One file, decoded as a consultation would; see `localize_files`."""
    if os.path.isdir(path):
        return Result(path, None, "this directory cannot be listed")
    try:
        image, decoded = examine(read_image_file(path, limits), 1, limits)
    except ImageError as error:
        return Result(path, None, str(error).removeprefix(f"{path!r} ").removeprefix("image 1: "))
    findings = localizer.localize(image, decoded.pixels)
    if look is not None:
        look(path, findings, decoded.pixels)
    return Result(path, findings)
