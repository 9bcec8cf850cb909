"""The agent's speed against a vLLM server, as ratios within one run, and what measuring its uncertainty costs there.

Usage: python -m evals.bench_vllm URL [--cases 384] [--in-flight 256] [--new-tokens 300] [--rounds 2] [--processes 8]
       [--parts requests,accuracy,latency,agent]

Every case is a written narrative and one rendered photograph, put in the profile's words; the model's answers play no part, so random weights
of the true geometry will do. Rounds alternate between the ways of asking; ratios are of medians. The loop is how the published evaluation
asks: sixteen at a time, the next sixteen when all have come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import openai
from rich.console import Console
from rich.table import Table

from agent.deps import Deps
from agent.reasoners.responses import responses
from agent.reasoners.tap import ASK
from agent.token_entropy import entropy_bounds
from agent.walk import walk
from evals.bench_vllm_cases import Case, cases
from evals.bench_vllm_workers import agent, walked

LOOP = 16
PARTS = ("requests", "accuracy", "latency", "agent")


class Bench:
    """Asks one server in several ways."""

    def __init__(self, url: str, made: Sequence[Case], new_tokens: int, in_flight: int) -> None:
        self._client = openai.AsyncOpenAI(base_url=url, api_key="EMPTY", max_retries=3, timeout=600)
        self._cases, self._tokens, self._in_flight = made, new_tokens, in_flight
        self.model = ""

    async def open(self) -> None:
        self.model = (await self._client.models.list()).data[0].id

    async def ask(self, case: Case, body: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """The server's JSON, as the agent itself takes it; log-probabilities are read as the agent reads them."""
        extra = {"ignore_eos": True, **(body or {})}
        asked = {"temperature": 0, "seed": 3702, "max_tokens": self._tokens, **fields}
        raw = await self._client.chat.completions.with_raw_response.create(
            model=self.model, messages=case.messages, extra_body=extra, **asked
        )
        answer: dict[str, Any] = json.loads(raw.http_response.content)
        responses(answer, 0.0 if ASK.items() <= extra.items() else None)
        return answer

    async def all_at_once(self, one: Callable[[Case], Awaitable[Any]], made: Sequence[Case] | None = None) -> float:
        """Seconds a case with `in_flight` cases under way."""
        gate = asyncio.Semaphore(self._in_flight)

        async def held(case: Case) -> None:
            async with gate:
                await one(case)

        chosen = self._cases if made is None else made
        started = time.perf_counter()
        await asyncio.gather(*(held(case) for case in chosen))
        return (time.perf_counter() - started) / len(chosen)

    async def in_loops(self, made: Sequence[Case]) -> float:
        """Seconds a case the way the published evaluation asks."""
        started = time.perf_counter()
        for first in range(0, len(made), LOOP):
            await asyncio.gather(*(self.ask(case) for case in made[first : first + LOOP]))
        return (time.perf_counter() - started) / len(made)

    async def probed(self, case: Case) -> None:
        """The answer, then a short request over the finished text for the likeliest tokens of its end."""
        answer = await self.ask(case)
        text = answer["choices"][0]["message"]["content"] or "."
        begun = [*case.messages, {"role": "assistant", "content": text}]
        body = {"add_generation_prompt": False, "continue_final_message": True}
        await self._client.chat.completions.create(
            model=self.model, messages=begun, extra_body=body, temperature=0, max_tokens=1, logprobs=True, top_logprobs=20
        )

    def ways(self) -> dict[str, Callable[[], Awaitable[float]]]:
        """What is compared, by name."""

        def plain(body: dict[str, Any] | None = None, **fields: Any) -> Callable[[], Awaitable[float]]:
            return lambda: self.all_at_once(lambda case: self.ask(case, body, **fields))

        return {
            "all at once, no log-probabilities": plain(),
            "loop of 16": lambda: self.in_loops(self._cases[: max(LOOP * 2, len(self._cases) // 4)]),
            "top 0, tap not asked": plain(logprobs=True, top_logprobs=0),
            "entropy tap": plain(ASK, logprobs=True, top_logprobs=0),
            "top 5 of every token": plain(logprobs=True, top_logprobs=5),
            "top 20 of every token": plain(logprobs=True, top_logprobs=20),
            "probe after the answer": lambda: self.all_at_once(self.probed),
        }

    async def compared(self, rounds: int) -> dict[str, list[float]]:
        """Seconds a case, `rounds` of each way in turn after a warm-up."""
        await self.all_at_once(lambda case: self.ask(case, ASK, logprobs=True, top_logprobs=0), self._cases[: self._in_flight])
        found: dict[str, list[float]] = {name: [] for name in self.ways()}
        for _ in range(rounds):
            for name, way in self.ways().items():
                found[name].append(await way())
        return found

    async def accuracy(self, made: Sequence[Case]) -> dict[str, float]:
        """How far the bounds from k tokens are from the tap's entropy of the same token, and whether the tap changed any token."""
        errors: dict[str, list[float]] = {"top 5 with bounds": [], "top 20 with bounds": [], "top 5 alone": [], "top 20 alone": []}
        inside, tokens, same = 0, 0, 0
        for case in made:
            tapped = await self.ask(case, {**ASK, "return_token_ids": True}, logprobs=True, top_logprobs=20)
            untapped = await self.ask(case, {"return_token_ids": True}, logprobs=True, top_logprobs=0)
            same += tapped["choices"][0]["token_ids"] == untapped["choices"][0]["token_ids"]
            for token in responses(tapped, 0.0)[0].tokens:
                known = sorted((p for _, p in token.alternatives), reverse=True)
                for k in (5, 20):
                    bounds = entropy_bounds(known[:k], 151936, known[k - 1])
                    alone = entropy_bounds(known[:k], k)
                    errors[f"top {k} with bounds"].append(abs(bounds.decision - (token.entropy or 0.0)))
                    errors[f"top {k} alone"].append(abs(alone.lower - (token.entropy or 0.0)))
                inside += bounds.lower - 0.06 <= (token.entropy or 0.0) <= bounds.upper + 0.06
                tokens += 1
        means = {f"mean error of {name}, nats": statistics.fmean(values) for name, values in errors.items()}
        return {**means, "within the bounds of 20": inside / tokens, "answers with the same tokens": same / len(made), "tokens": tokens}

    async def latency(self, deps: Deps, made: Sequence[Case]) -> dict[str, float]:
        """One case at a time: medians of the first token and of the end, bare and through the whole agent (localizer and all)."""
        bare: list[tuple[float, float]] = []
        agent: list[tuple[float, float]] = []
        for case in made:
            started, first = time.perf_counter(), 0.0
            stream = await self._client.chat.completions.create(
                model=self.model, messages=case.messages, temperature=0, seed=3702, max_tokens=self._tokens, stream=True,
                extra_body={"ignore_eos": True},
            )  # fmt: skip
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content and not first:
                    first = time.perf_counter() - started
            bare.append((first, time.perf_counter() - started))
            heard: list[float] = []
            started = time.perf_counter()
            await walk(case.request, deps, on_text=lambda _, heard=heard: heard.append(time.perf_counter()))  # type: ignore[misc]
            agent.append((heard[0] - started if heard else 0.0, time.perf_counter() - started))
        return {
            "bare, first token": statistics.median(f for f, _ in bare), "bare, end": statistics.median(e for _, e in bare),
            "agent, first token": statistics.median(f for f, _ in agent), "agent, end": statistics.median(e for _, e in agent),
        }  # fmt: skip


def whole_walks(arguments: argparse.Namespace) -> dict[str, Any]:
    """Whole walks from several processes: first pass only, by a dial set to the median entropy, and always deep (a round of four samples)."""
    few = max(32, arguments.cases // 4)

    def way(count: int, threshold: float) -> dict[str, float]:
        return walked(arguments.url, count, arguments.new_tokens, arguments.in_flight, arguments.processes, threshold)

    first = way(arguments.cases, 1e6)
    rows = {"first pass only": first, "always deep": way(few, 0.0)}
    if first["median entropy, nats"] < first["largest entropy, nats"]:  # else nothing was measured: random weights name no diagnosis
        rows["by the dial, threshold at the median"] = way(few, first["median entropy, nats"])
    return rows


def show(title: str, rows: dict[str, Any], base: float | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("", "s a case" if base else "", "of plain submission" if base else ""):
        table.add_column(heading)
    for name, value in rows.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value), f"{base / value:.2f}" if base and value else "")
    return table


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    console, found = Console(width=120), dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        made = cases(arguments.cases, Path(folder))
        bench = Bench(arguments.url, made, arguments.new_tokens, arguments.in_flight)
        await bench.open()
        base: float | None = None
        if "requests" in arguments.parts:
            found["requests"] = await bench.compared(arguments.rounds)
            medians = {name: statistics.median(times) for name, times in found["requests"].items()}
            base = next(iter(medians.values()))
            console.print(show(f"{arguments.cases} cases, {arguments.in_flight} in flight, {arguments.new_tokens} new tokens", medians, base))
        if "accuracy" in arguments.parts:
            found["accuracy"] = await bench.accuracy(made[:24])
            console.print(show("entropy from the likeliest tokens against the tap", found["accuracy"]))
        if "latency" in arguments.parts:
            deps = agent(arguments.url, Path(folder), arguments.new_tokens, initial_threshold=1e6)
            found["latency"] = await bench.latency(deps, made[:12])
            console.print(show("one case alone, seconds", found["latency"]))
        if "agent" in arguments.parts:
            found["agent"] = await asyncio.to_thread(whole_walks, arguments)
            for name, row in found["agent"].items():
                console.print(show(f"whole walks, {name}", row))
            if base:
                share = base / found["agent"]["first pass only"]["s a case"]
                console.print(f"first pass through the whole agent against plain submission: {share:.2f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--cases", type=int, default=384)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--new-tokens", type=int, default=300)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="workers of the whole walks")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS))
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    arguments = parser.parse_args()
    found = asyncio.run(run(arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
