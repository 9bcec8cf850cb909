"""Speed, as ratios within one run: `make bench`.

cold      one process per case: `fovea consult` on the fast path beside importing and running its detector alone
warm      one process, many cases with one 1600 px photograph each, beside the detector alone on the same files
overhead  the graph with every port replaced by an instant double, beside the same stages called as plain functions
folder    `fovea localize` over a folder beside the bare network, beside ultralytics, and its memory (`evals.localizer_bench`)
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageEnhance
from rich.console import Console
from rich.table import Table

from agent.container import build
from agent.deps import Deps
from agent.domain import CaseRequest
from agent.imaging import ImageInput
from agent.settings import Dial, Knowledge, Settings
from agent.walk import consult
from evals import localizer_bench

EXAMPLES = Path(__file__).parent.parent / "examples"
DETECTOR_ALONE = """
import sys
from pathlib import Path
from agent.settings import Settings
from tools.images import MemoryImageStore, read_image_file
from tools.localizer.detector import OnnxLocalizer
settings = Settings()
store = MemoryImageStore(settings.intake)
image = store.put(read_image_file(sys.argv[1], settings.intake), 1)
OnnxLocalizer(None, settings.localizer.threads).localize(image, store.pixels(image.sha256))
"""


def cold(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each process, alternating: detector alone, consult."""
    image, text = str(EXAMPLES / "clear.jpg"), str(EXAMPLES / "clear.txt")
    fovea = [sys.executable, "-m", "agent.cli", "consult", "--image", image, "--text-file", text, "--json"]
    alone = [sys.executable, "-c", DETECTOR_ALONE, image]
    for command in (alone, fovea):
        subprocess.run(command, check=True, capture_output=True)
    pairs = [(_seconds_of(alone), _seconds_of(fovea)) for _ in range(rounds)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _seconds_of(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def photographs(folder: Path, count: int) -> list[Path]:
    """Distinct 1600 px photographs made from the rendered examples."""
    sources = [Image.open(EXAMPLES / f"{name}.jpg").convert("RGB") for name in ("clear", "uncertain", "red_flag", "normal")]
    paths = []
    for n in range(count):
        picture = ImageEnhance.Brightness(sources[n % 4]).enhance(0.85 + 0.3 * n / count)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        path = folder / f"{n:04d}.jpg"
        path.write_bytes(buffer.getvalue())
        paths.append(path)
    return paths


def warm(deps: Deps, paths: list[Path], workers: int) -> tuple[float, float]:
    """Seconds for all files with `workers` at a time: detector alone, whole consultations."""
    from tools.images import MemoryImageStore, read_image_file

    text = (EXAMPLES / "clear.txt").read_text()
    limits = deps.settings.intake

    def detect(path: Path) -> None:
        store = MemoryImageStore(limits)
        image = store.put(read_image_file(str(path), limits), 1)
        deps.localizer.localize(image, store.pixels(image.sha256))

    def case(path: Path) -> None:
        own = replace(deps, images=MemoryImageStore(limits))
        asyncio.run(consult(CaseRequest(narrative=text, images=(ImageInput(path=str(path)),)), own))

    for function in (detect, case):
        function(paths[0])
    return _seconds_for(detect, paths, workers), _seconds_for(case, paths, workers)


def _seconds_for(function: Callable[[Path], None], paths: list[Path], workers: int) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(function, paths))
    return time.perf_counter() - started


def overhead(deps: Deps, cases: int) -> tuple[float, float]:
    """Milliseconds a case: plain calls of the stages, the graph. All ports are instant doubles."""
    from agent.nodes import assess, compose, intake, localize, retrieve, screen, verify
    from agent.routing import after_retrieve, after_screen
    from agent.state import CaseState
    from tests.doubles import ScriptedReasoner, ShelfRetriever, StillClock, StillLocalizer

    doubled = replace(
        deps, clock=StillClock(), localizer=StillLocalizer(), retriever=ShelfRetriever(), reasoner=ScriptedReasoner([("optic_neuritis", 0.95)])
    )
    request = CaseRequest(narrative="A 30-year-old woman with pain on eye movement and loss of vision in the left eye.")
    stages = (
        intake.intake, localize.localize, screen.screen, assess.assess, retrieve.retrieve, compose.compose, verify.verify,
    )  # fmt: skip

    async def plain() -> None:
        state: CaseState = {"request": request, "stages": (), "routes": ()}
        for stage in stages:
            update = await stage(state, doubled)
            state = {**state, **update}  # type: ignore[typeddict-item]
            if stage is screen.screen:
                after_screen(state)
            if stage is retrieve.retrieve:
                after_retrieve(state)

    async def graph() -> None:
        await consult(request, doubled)

    async def timed(function: Callable[[], object]) -> float:
        started = time.perf_counter()
        for _ in range(cases):
            await function()  # type: ignore[misc]
        return (time.perf_counter() - started) / cases * 1000

    async def both() -> tuple[float, float]:
        await timed(plain), await timed(graph)
        return await timed(plain), await timed(graph)

    return asyncio.run(both())


def _consultations(table: Table, paths: list[Path], rounds: int) -> None:
    alone, fovea = cold(rounds)
    ratio = statistics.median(b / a for a, b in zip(alone, fovea, strict=True))
    table.add_row("cold, s a case", f"{statistics.median(alone):.2f}", f"{statistics.median(fovea):.2f}", f"{ratio:.2f}", "<= 3")
    settings = Settings(
        data_directory=paths[0].parent / "data",
        dial=Dial(initial_threshold=10.0, adaptive=False),
        knowledge=Knowledge(directory=Settings().data_directory / "index"),
    )
    deps = build(settings)
    for workers in (1, 2):
        runs = [warm(deps, paths, workers) for _ in range(3)]
        seconds_alone, seconds_fovea = (statistics.median(r[i] for r in runs) for i in (0, 1))
        share = statistics.median(a / b for a, b in runs)
        rate = f"{len(paths) / seconds_alone:.1f}", f"{len(paths) / seconds_fovea:.1f}"
        table.add_row(f"warm, cases a second, {workers} at a time", *rate, f"{share:.2f}", ">= 0.8")
    pairs = [overhead(deps, 100) for _ in range(rounds)]
    plain, graph = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    table.add_row("overhead, ms a case (plain calls / graph)", f"{plain:.2f}", f"{graph:.2f}", f"{graph / plain:.2f}", "reported")


def _folders(table: Table, folder: Path, rounds: int, stream: int) -> None:
    speeds = localizer_bench.speeds(folder, rounds)
    bare, own = (f"{statistics.median(rates):.1f}" for rates in (speeds.bare, speeds.fovea))
    table.add_row("folder, images a second (bare network)", bare, own, f"{speeds.ratio(speeds.bare):.2f}", ">= 0.9")
    name = "folder, images a second (ultralytics)"
    if speeds.ultralytics:
        table.add_row(name, f"{statistics.median(speeds.ultralytics):.1f}", own, f"{speeds.ratio(speeds.ultralytics):.2f}", "> 1")
    else:
        table.add_row(name, "not importable", own, "-", "> 1")
    settled, end, count = localizer_bench.memory(folder, stream)
    first = f"{settled:.0f} at {min(localizer_bench.SETTLED, count)}"
    table.add_row("folder, resident MB along a stream of files", first, f"{end:.0f} at {count}", f"{end / settled:.2f}", "<= 1.05")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions, the median counts")
    parser.add_argument("--cases", type=int, default=100, help="photographs in the warm bench")
    parser.add_argument("--stream", type=int, default=localizer_bench.STREAM, help="files in the memory bench")
    parser.add_argument("--only", choices=("consult", "folder"), help="half of the bench")
    arguments = parser.parse_args()
    table = Table("measure", "alone", "fovea", "ratio", "target", title=f"Fovea bench, {os.cpu_count()} cores, medians")
    with tempfile.TemporaryDirectory() as folder:
        paths = photographs(Path(folder), arguments.cases)
        if arguments.only != "folder":
            _consultations(table, paths, arguments.rounds)
        if arguments.only != "consult":
            _folders(table, Path(folder), arguments.rounds, arguments.stream)
    Console().print(table)


if __name__ == "__main__":
    main()
