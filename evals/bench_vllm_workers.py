"""Whole walks against a vLLM server from several processes at once, as a queue of referrals is worked: for `evals.bench_vllm`.

Each worker builds its own agent, warms up, says `ready`, waits for a line on standard input and walks its share of the cases; it then prints,
as JSON, what it used. `python -m evals.bench_vllm_workers URL --cases ... --share 0/4 ...` is one worker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.container import build
from agent.deps import Deps
from agent.domain import Usage
from agent.settings import Dial, Knowledge, LocalizerSettings, Settings, Vllm
from agent.walk import walk
from evals.bench_vllm_cases import Case, cases

WARM_UP = 8


def agent(url: str, folder: Path, new_tokens: int, threads: int = 0, **dial: Any) -> Deps:
    """The whole agent against the server, with `new_tokens` an answer, the detector on `threads` threads, and this dial."""
    return build(
        Settings(
            data_directory=folder / "data",
            dial=Dial(adaptive=False, **dial),
            knowledge=Knowledge(directory=Settings().data_directory / "index"),
            localizer=LocalizerSettings(threads=threads),
            vllm=Vllm(base_url=url, max_tokens=new_tokens, finish_thoughts=False, deadline=600, connect_timeout=60),
        ),
        "vllm",
    )


def walked(url: str, count: int, new_tokens: int, in_flight: int, processes: int, threshold: float) -> dict[str, float]:
    """`count` cases walked by `processes` workers with `in_flight` under way in all: seconds, generated tokens and requests a case, and the
    median and the largest entropy."""
    command = [sys.executable, "-m", "evals.bench_vllm_workers", url, "--cases", str(count), "--new-tokens", str(new_tokens)]
    command += ["--in-flight", str(max(1, in_flight // processes)), "--threshold", str(threshold)]
    workers = [
        subprocess.Popen([*command, "--share", f"{n}/{processes}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        if worker.stdout.readline().strip() != "ready":
            raise RuntimeError("a worker did not start")
    started = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [json.loads(worker.communicate()[0]) for worker in workers]
    seconds = time.perf_counter() - started
    entropies = [h for t in told for h in t["entropies"]]
    return {
        "s a case": seconds / count,
        "generated tokens a case": sum(t["completion_tokens"] for t in told) / count,
        "requests a case": sum(t["requests"] for t in told) / count,
        "median entropy, nats": statistics.median(entropies),
        "largest entropy, nats": max(entropies),
    }


async def work(arguments: argparse.Namespace, folder: Path) -> None:
    number, of = (int(part) for part in arguments.share.split("/"))
    mine = cases(arguments.cases, folder)[number::of]
    dial = {"max_rounds": 1, "max_samples": 4, "max_tokens": arguments.new_tokens, "initial_threshold": arguments.threshold}
    deps = agent(arguments.url, folder, arguments.new_tokens, threads=1, **dial)
    used: list[Usage] = []
    entropies: list[float] = []
    gate = asyncio.Semaphore(arguments.in_flight)

    async def one(case: Case) -> None:
        async with gate:
            report = (await walk(case.request, deps))["report"]
        used.append(report.usage)
        if report.uncertainty is not None:
            entropies.append(report.uncertainty.initial_entropy)

    await asyncio.gather(*(one(case) for case in mine[:WARM_UP]))
    used.clear()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(one(case) for case in mine))
    await deps.reasoner.aclose()
    deps.thresholds.close()
    told = {"completion_tokens": sum(u.completion_tokens for u in used), "requests": sum(u.requests for u in used), "entropies": entropies}
    print(json.dumps(told), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--share", required=True)
    for name, kind in (("cases", int), ("new-tokens", int), ("in-flight", int), ("threshold", float)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(work(arguments, Path(folder)))


if __name__ == "__main__":
    main()
