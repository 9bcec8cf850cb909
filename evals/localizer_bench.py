"""How fast and in how much memory folders of photographs are read: `fovea localize` beside the bare network and beside ultralytics.

Each contender is a process of its own (`python -m evals.localizer_bench NAME FOLDER`), because thread pools of one would disturb the
other; they take turns, and the ratios of the rounds count. Loading and one warm-up photograph are outside the time.

bare         one ONNX Runtime session with its default options and input already prepared, one run after another: nothing but the network
fovea        `localize_files`: decoding, judging, preparing, the network, boxes, anatomy
ultralytics  `YOLO.predict` on the same weights and files, by its defaults
memory       resident bytes along a long stream of files
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from agent.imaging import ImageFindings, ImageRef
from agent.settings import Intake
from tools.localizer.batch import localize_files
from tools.localizer.detector import SHIPPED, OnnxLocalizer
from tools.quality import judge

if TYPE_CHECKING:
    from PIL.Image import Image

STREAM = 10_000
SETTLED = 500
"""Files after which caches and arenas have their size, and growth is counted from."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """Images a second of each round; `ultralytics` is empty where it cannot be imported."""

    bare: tuple[float, ...]
    fovea: tuple[float, ...]
    ultralytics: tuple[float, ...]

    def ratio(self, other: tuple[float, ...]) -> float:
        return statistics.median(own / one for own, one in zip(self.fovea, other, strict=True))


def speeds(folder: Path, rounds: int) -> Speeds:
    """Images a second over the files of `folder`, the contenders taking turns."""
    contenders = ["bare", "fovea"] + (["ultralytics"] if importable() else [])
    table: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in contenders:
            table[name].append(float(_child(name, folder)))
    return Speeds(tuple(table["bare"]), tuple(table["fovea"]), tuple(table.get("ultralytics", ())))


def importable() -> bool:
    """Whether ultralytics can be imported here: torchvision may be missing or built for another torch."""
    check = "import torchvision, ultralytics"
    return subprocess.run([sys.executable, "-c", check], capture_output=True, check=False, env=_quiet()).returncode == 0


def memory(folder: Path, count: int = STREAM) -> tuple[float, float, int]:
    """Resident MB after `SETTLED` files and after `count`, and that count; the network is replaced by an instant double."""
    settled, end = json.loads(_child("memory", folder, str(count)))
    return settled, end, count


def _child(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "evals.localizer_bench", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8", env=_quiet())
    return done.stdout.strip().splitlines()[-1]


def _quiet() -> dict[str, str]:
    return {**os.environ, "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


def _rate(files: list[str], function: Callable[[list[str]], None]) -> float:
    function(files[:1])
    started = time.perf_counter()
    function(files)
    return len(files) / (time.perf_counter() - started)


def bare(files: list[str]) -> float:
    import onnxruntime

    from tools.decoding import decode

    localizer = OnnxLocalizer(threads=1)
    squares = [localizer.preprocess(decode(Path(path).read_bytes(), Intake()).pixels).pixels for path in files[:8]]
    session = onnxruntime.InferenceSession(str(SHIPPED), providers=["CPUExecutionProvider"])

    def run(chosen: list[str]) -> None:
        for index in range(len(chosen)):
            session.run(None, {"images": squares[index % len(squares)]})

    return _rate(files, run)


def fovea(files: list[str]) -> float:
    localizer = OnnxLocalizer(threads=1)

    def run(chosen: list[str]) -> None:
        for result in localize_files(chosen, localizer, Intake()):
            assert result.findings is not None, result.error

    return _rate(files, run)


def ultralytics(files: list[str]) -> float:
    from tools.localizer.ultralytics_localizer import load

    model = load(SHIPPED).model

    def run(chosen: list[str]) -> None:
        for _ in model.predict(chosen, stream=True, verbose=False, device="cpu", save=False):
            pass

    return _rate(files, run)


class Instant:
    """A localizer whose network takes no time: judges the picture as the real one does, then sees nothing."""

    identity = "instant"

    def localize(self, image: ImageRef, pixels: Image) -> ImageFindings:
        judgement = judge(pixels)
        return ImageFindings(
            image=image, modality=judgement.modality, gradability=judgement.gradability, field_of_view=judgement.field_of_view
        )


def stream(files: list[str], count: int) -> tuple[float, float]:
    """Resident MB after `SETTLED` of `count` files and at the end."""

    def endless() -> Iterator[str]:
        while True:
            yield from files

    settled = 0.0
    for number, _ in enumerate(localize_files(islice(endless(), count), Instant(), Intake()), start=1):
        if number == min(SETTLED, count):
            settled = resident()
    return settled, resident()


def resident() -> float:
    """Resident memory of this process in MB (10^6 bytes), from Linux's own account of it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(name: str, folder: str, count: str = str(STREAM)) -> None:
    files = sorted(str(path) for path in Path(folder).glob("*.jpg"))
    if name == "memory":
        print(json.dumps(stream(files, int(count))))
    else:
        print({"bare": bare, "fovea": fovea, "ultralytics": ultralytics}[name](files))


if __name__ == "__main__":
    main(*sys.argv[1:])
