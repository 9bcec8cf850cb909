"""The service under load, beside the same cases walked in a warm process.

    python -m evals.bench_service [--seconds 120] [--clients 64]

Latency: three example cases through `fovea serve` and through `agent.walk`, in turn, medians of several. Load: so many clients, each with one
case after another; a case is one of the written narratives with a mark of its own, and its answer must be the one that the same narrative
gets alone. Overload: more clients than the service takes; the refused are told when to come back, the accepted are answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from agent.container import build
from agent.domain import CaseReport, CaseRequest
from agent.imaging import ImageInput
from agent.settings import Dial, Knowledge, Settings
from agent.walk import walk
from evals.bench import EXAMPLES
from evals.vignette_sets import WRITTEN

CASES = ("clear", "uncertain", "red_flag")
DISTINCT = 24
"""Narratives the load is made of."""


@dataclass
class Load:
    """What came back: seconds of each answered case, what was wrong, and how many were refused."""

    seconds: list[float] = field(default_factory=list)
    mixed: int = 0
    lost: int = 0
    refused: int = 0
    untold: int = 0

    def rows(self, elapsed: float) -> dict[str, Any]:
        ordered = sorted(self.seconds)
        return {
            "answered": len(ordered),
            "cases a second": round(len(ordered) / elapsed, 2),
            "median s": round(statistics.median(ordered), 2) if ordered else None,
            "p95 s": round(ordered[int(0.95 * (len(ordered) - 1))], 2) if ordered else None,
            "lost": self.lost,
            "mixed up": self.mixed,
            "refused (429)": self.refused,
            "refused without a time": self.untold,
        }


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[tuple[str, int]]:
    """A `fovea serve` process: its address and its process id."""
    environment = {
        **os.environ,
        "FOVEA_DATA_DIRECTORY": str(folder),
        "FOVEA_KNOWLEDGE__DIRECTORY": str(Settings().data_directory / "index"),
        "FOVEA_SERVICE__PORT": "0",
        "FOVEA_DIAL__ADAPTIVE": "false",
        **settings,
    }
    log = folder / "serve.log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "agent.cli", "serve"], env=environment, stdout=file, stderr=file)
        try:
            while "http://" not in log.read_text():
                if process.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.1)
            yield "http://" + log.read_text().rpartition("http://")[2].split()[0], process.pid
        finally:
            process.terminate()
            process.wait(60)


async def latency(client: httpx.AsyncClient, rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds by example: through the service, walked here, and until the first stage is told; medians."""
    deps = build(Settings(data_directory=folder, dial=Dial(adaptive=False), knowledge=Knowledge(directory=Settings().data_directory / "index")))
    found: dict[str, dict[str, float]] = {}
    for name in CASES:
        text, photograph = (EXAMPLES / f"{name}.txt").read_text("utf-8"), EXAMPLES / f"{name}.jpg"
        sha256 = (await client.post("/api/images", content=photograph.read_bytes())).json()["sha256"]
        served, walked, first = [], [], []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            opened = (await client.post("/api/cases", json={"text": text, "images": [sha256]})).json()
            async with client.stream("GET", opened["events"]) as events:
                told = 0.0
                async for line in events.aiter_lines():
                    told = told or (time.perf_counter() - started if line.startswith("event: stage_started") else 0.0)
            served.append(time.perf_counter() - started)
            first.append(told)
            started = time.perf_counter()
            await walk(CaseRequest(narrative=text, images=(ImageInput(path=str(photograph)),)), deps)
            walked.append(time.perf_counter() - started)
        found[name] = {
            "service s": statistics.median(served[1:]),
            "walk s": statistics.median(walked[1:]),
            "ratio": statistics.median(served[1:]) / statistics.median(walked[1:]),
            "first stage s": statistics.median(first[1:]),
        }
    deps.thresholds.close()
    return found


async def alone(narratives: list[str], folder: Path) -> list[tuple[str, str]]:
    """What each narrative is answered when it is walked alone."""
    deps = build(Settings(data_directory=folder, dial=Dial(adaptive=False), knowledge=Knowledge(directory=Settings().data_directory / "index")))
    answers = [_essence((await walk(CaseRequest(narrative=text), deps))["report"]) for text in narratives]
    deps.thresholds.close()
    return answers


def _essence(report: CaseReport | dict[str, Any]) -> tuple[str, str]:
    """What tells one case's answer from another's: its differential and its findings' own words."""
    told = report.model_dump(mode="json") if isinstance(report, CaseReport) else report
    differential = [f"{e['concept_id']} {e['probability']:.3f}" for e in told["differential"]]
    return "|".join(differential), "|".join(f["quote"] for f in told["findings"])


async def loaded(client: httpx.AsyncClient, narratives: list[str], expected: list[tuple[str, str]], clients: int, seconds: float) -> Load:
    """`clients` at once for `seconds`; who was refused waits as long as it was told."""
    load, end = Load(), time.perf_counter() + seconds

    async def one(number: int) -> None:
        turn = number
        while time.perf_counter() < end:
            chosen = turn % len(narratives)
            turn += clients
            started = time.perf_counter()
            answer = await client.post("/api/cases?wait=true", json={"text": narratives[chosen]})
            if answer.status_code == 429:
                load.refused += 1
                load.untold += "retry-after" not in answer.headers
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
                continue
            reply = answer.json().get("reply") if answer.status_code == 202 else None
            if reply is None:
                load.lost += 1
                continue
            load.seconds.append(time.perf_counter() - started)
            load.mixed += _essence(reply["report"]) != expected[chosen]

    await asyncio.gather(*(one(number) for number in range(clients)))
    return load


def memory(pid: int) -> float:
    """Resident memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def bench(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    told = [entry["text"] for entry in yaml.safe_load(WRITTEN.read_text("utf-8"))["vignettes"]][:DISTINCT]
    narratives = [f"{text} Mark {number:03d}." for number, text in enumerate(told)]
    expected = await alone(narratives, folder / "alone")
    assert max(Counter(expected).values()) == 1, "two of the narratives are answered alike: they cannot be told apart"
    found: dict[str, Any] = {}
    (folder / "one").mkdir()
    with service(folder / "one") as (url, pid):
        async with httpx.AsyncClient(base_url=url, timeout=600, limits=httpx.Limits(max_connections=None)) as client:
            found["latency"] = await latency(client, arguments.rounds, folder / "walk")
            await loaded(client, narratives, expected, arguments.clients, arguments.seconds / 6)  # warm: every thread has its models
            before, started = memory(pid), time.perf_counter()
            load = await loaded(client, narratives, expected, arguments.clients, arguments.seconds)
            found["load"] = load.rows(time.perf_counter() - started) | {"MiB before": round(before), "MiB after": round(memory(pid))}
    (folder / "two").mkdir()
    with service(folder / "two", FOVEA_SERVICE__TURNS_WAITING="4", FOVEA_SERVICE__TURNS_AT_ONCE="2") as (url, _):
        async with httpx.AsyncClient(base_url=url, timeout=600, limits=httpx.Limits(max_connections=None)) as client:
            started = time.perf_counter()
            load = await loaded(client, narratives, expected, 32, arguments.seconds / 4)
            found["overload: 32 clients, 2 walked, 4 waiting"] = load.rows(time.perf_counter() - started)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(bench(arguments, Path(folder))), indent=2))


if __name__ == "__main__":
    main()
