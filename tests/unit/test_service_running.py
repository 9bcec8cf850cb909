"""The pool of turns and their events: places, waiting, stopping in time, and that nobody misses an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agent.conversation.values import OnEvent, Reply, StageEnded, StageStarted, Text
from agent.domain import CaseReport, ReasonerIdentity, TriageDecision, Usage
from agent.errors import ReasonerUnreachable
from agent.service.events import Run
from agent.service.limits import Limits
from agent.service.metrics import Metrics
from agent.service.problems import Conflict, Draining, Overloaded
from agent.service.running import Pool, Running

REPORT = CaseReport(
    case_id="case-1", outcome="refer_to_human", reasons=("unsure",), diagnosis=None, differential=(), answer=None, claims=(), uncertainty=None,
    path=(), routes=(), findings=(), images=(), steps=(), notes=(), triage=TriageDecision(urgency="soon", floor="soon", time_frame="soon"),
    grounded_report="", reasoner=ReasonerIdentity(kind="double", profile="x", fingerprint="0", statement="a double"),
    usage=Usage(prompt_tokens=7, completion_tokens=5),
)  # fmt: skip
REPLY = Reply(turn=1, kind="walk", text="An answer.", claims=(), report=REPORT)


class Bench:
    """A pool and the ends it told."""

    def __init__(self, at_once: int = 1, waiting: int = 1) -> None:
        self.metrics = Metrics()
        self.pool = Pool(at_once, waiting, 60, self.metrics)
        self.ended: list[str] = []
        self.gate = asyncio.Event()

    async def end(self, running: Running) -> None:
        await asyncio.sleep(0)
        self.ended.append(running.name)

    async def gated(self, hear: OnEvent) -> Reply:
        hear(StageStarted(stage="intake"))
        await self.gate.wait()
        return REPLY

    async def staged(self, hear: OnEvent) -> Reply:
        for stage in ("intake", "localize", "screen", "assess", "verify"):
            hear(StageStarted(stage=stage))
            await self.gate.wait()
            hear(StageEnded(stage=stage, seconds=0.5))
            await asyncio.sleep(0)
        return REPLY

    def start(self, name: str, work: Any = None) -> Running:
        return self.pool.start(name, work or self.gated, self.end)

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def names(run: Run, last_seen: str = "") -> list[str]:
    return [moment.name async for moment in run.listen(last_seen) if moment is not None]


async def settled(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("waited in vain")


async def test_so_many_at_once_so_many_waiting_no_more() -> None:
    bench = Bench(at_once=2, waiting=1)
    one, two, three = (bench.start(name) for name in "abc")
    await settled(lambda: bench.pool.busy == 2)
    assert bench.pool.waiting == 1
    with pytest.raises(Overloaded) as refused:
        bench.start("d")
    assert refused.value.retry_after > 0
    with pytest.raises(Conflict):
        bench.start("a")
    assert bench.counted("fovea_refused_total", reason="full") == 1
    bench.gate.set()
    assert [await r.reply() for r in (one, two, three)] == [REPLY] * 3
    assert sorted(bench.ended) == ["a", "b", "c"]
    assert (await names(three.run))[0] == "waiting"
    assert (await names(three.run))[-1] == "reply"
    assert bench.pool.busy == bench.pool.waiting == 0
    assert bench.counted("fovea_turns_total", kind="walk", outcome="refer_to_human") == 3
    assert bench.counted("fovea_tokens_total", kind="prompt") == 21
    assert bench.counted("fovea_turns_running") == 0


async def test_an_error_ends_the_run_and_is_told() -> None:
    async def failing(hear: OnEvent) -> Reply:
        raise ReasonerUnreachable("the model server does not answer")

    bench = Bench()
    running = bench.start("a", failing)
    with pytest.raises(ReasonerUnreachable):
        await running.reply()
    (moment,) = [m async for m in running.run.listen() if m is not None]
    assert moment.name == "failed"
    assert "does not answer" in moment.data
    assert bench.ended == ["a"]


async def test_a_defect_ends_the_run_without_its_words() -> None:
    async def defective(hear: OnEvent) -> Reply:
        raise KeyError("the narrative")

    bench = Bench()
    running = bench.start("a", defective)
    with pytest.raises(KeyError):
        await running.reply()
    (moment,) = [m async for m in running.run.listen() if m is not None]
    assert "narrative" not in moment.data
    assert bench.pool.running("a") is None


async def test_stopping_a_turn_that_runs_one_that_waits_and_one_that_never_began() -> None:
    bench = Bench()
    one, two = bench.start("a"), bench.start("b")
    assert await bench.pool.stop("b"), "cancelled before its task ever ran"
    await settled(lambda: one.started)
    assert await bench.pool.stop("a")
    assert not await bench.pool.stop("a")
    for running in (one, two):
        with pytest.raises(Conflict, match="resumed"):
            await running.reply()
        assert (await names(running.run))[-1] == "stopped"
    assert sorted(bench.ended) == ["a", "b"]
    assert bench.pool.busy == bench.pool.waiting == 0
    bench.gate.set()
    assert await bench.start("a").reply() == REPLY


async def test_draining_stops_walks_at_the_end_of_their_stage() -> None:
    bench = Bench(at_once=1, waiting=5)
    walked, waits = bench.start("a", bench.staged), bench.start("b", bench.staged)
    await settled(lambda: walked.started)
    draining = asyncio.create_task(bench.pool.drain(30))
    await settled(lambda: bench.ended == ["b"])
    with pytest.raises(Draining):
        bench.start("c")
    assert not draining.done(), "the stage is not over"
    bench.gate.set()
    assert await asyncio.wait_for(draining, 5) == 2
    assert await names(walked.run) == ["stage_started", "stage_ended", "stopped"]
    assert (await names(waits.run))[-1] == "stopped"
    assert walked.stopping == "draining"


async def test_draining_lets_the_last_stage_finish() -> None:
    async def last(hear: OnEvent) -> Reply:
        await bench.gate.wait()
        hear(StageEnded(stage="verify", seconds=0.1))
        await asyncio.sleep(0.01)
        return REPLY

    bench = Bench()
    running = bench.start("a", last)
    await settled(lambda: running.started)
    draining = asyncio.create_task(bench.pool.drain(30))
    await asyncio.sleep(0)
    bench.gate.set()
    assert await draining == 0
    assert await running.reply() == REPLY


async def test_draining_does_not_wait_for_ever() -> None:
    bench = Bench()
    running = bench.start("a")
    await settled(lambda: running.started)
    assert await asyncio.wait_for(bench.pool.drain(0.05), 5) == 1


async def test_late_and_returning_listeners_hear_all_of_it() -> None:
    run = Run()
    for stage in ("intake", "localize"):
        run.tell(StageStarted(stage=stage))
    listener = asyncio.create_task(names(run))
    await asyncio.sleep(0)
    run.tell(REPLY)
    run.tell(StageStarted(stage="never heard"))
    assert await listener == ["stage_started", "stage_started", "reply"]
    assert await names(run) == ["stage_started", "stage_started", "reply"]
    assert await names(run, f"{run.name}-2") == ["reply"]
    assert await names(run, f"{run.name}-3") == []
    for foreign in ("other-2", "-2", f"{run.name}-", f"{run.name}-x", f"{run.name}-²", "2"):
        assert len(await names(run, foreign)) == 3


async def test_a_growing_text_is_kept_once() -> None:
    run = Run()
    for length in range(1, 500):
        run.tell(Text(text="x" * length))
    run.tell(REPLY)
    kept = [m async for m in run.listen() if m is not None]
    assert [m.name for m in kept] == ["text", "reply"]
    assert len(kept[0].data) > 499


async def test_an_event_is_one_line_whatever_it_says() -> None:
    run = Run()
    run.tell(Text(text="a\n\ndata: forged\r\nid: 9\u2028"))
    run.tell(REPLY)
    moment = await anext(run.listen())
    assert moment is not None
    lines = run.wire(moment).decode().splitlines()
    assert lines[0] == f"id: {run.name}-1"
    assert [line for line in lines if line.startswith(("id:", "event:"))] == lines[:2]


async def test_silence_is_broken_by_a_heartbeat() -> None:
    run = Run()
    listening = run.listen(heartbeat=0.01)
    assert await anext(listening) is None
    run.tell(REPLY)
    moment = await anext(listening)
    assert moment is not None
    assert moment.name == "reply"


def test_a_key_that_asks_too_much_is_told_when_to_come_back() -> None:
    now = [0.0]
    limits = Limits(lambda: now[0])
    for _ in range(10):
        limits.ask("key-1", "requests", 10, 1)
    with pytest.raises(Overloaded) as refused:
        limits.ask("key-1", "requests", 10, 1)
    assert refused.value.retry_after == pytest.approx(6)
    limits.ask("key-2", "requests", 10, 1)
    now[0] = 6.0
    limits.ask("key-1", "requests", 10, 1)
    limits.count("key-1", "bytes", 600, 1200)
    with pytest.raises(Overloaded) as refused:
        limits.ask("key-1", "bytes", 600)
    assert refused.value.retry_after == pytest.approx(60.1)
