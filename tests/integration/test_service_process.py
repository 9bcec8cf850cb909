"""`fovea serve` as a process of its own: what it says, what it refuses, how it stops, and what is there when it starts again."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.test_service_api import CLEAR, CLEAR_TEXT
from tests.integration.test_service_deletion import MARKER, NARRATIVE
from tests.serving import all_bytes, wait_for

Run = Callable[..., subprocess.CompletedProcess[str]]
STARTING = 90.0


@pytest.fixture
def environment(tmp_path: Path, index_directory: Path) -> dict[str, str]:
    return {
        **os.environ,
        "FOVEA_DATA_DIRECTORY": str(tmp_path / "data"),
        "FOVEA_KNOWLEDGE__DIRECTORY": str(index_directory.parent),
        "FOVEA_SERVICE__PORT": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


@pytest.fixture
def fovea(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent.cli", *args]
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=120, cwd=tmp_path, check=False)

    return run


class Process:
    """A running `fovea serve`."""

    def __init__(self, environment: dict[str, str], directory: Path, *args: str, **more: str) -> None:
        self.log = directory / f"log-{time.monotonic_ns()}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(args or ("agent.cli", "serve"))], stdout=log, stderr=log, env={**environment, **more}, cwd=directory
            )
        self.url = ""

    def listens(self) -> Process:
        def told() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            match = re.search(r"serving on (http://\S+)", self.log.read_text())
            self.url = match.group(1) if match else ""
            return bool(self.url)

        wait_for(told, STARTING)
        self.client = httpx.Client(base_url=self.url, timeout=60)
        wait_for(self._answers, STARTING)
        return self

    def _answers(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        self.process.send_signal(signal_)
        return self.process.wait(60)


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(*args: str, **more: str) -> Process:
        started.append(Process(environment, tmp_path, *args, **more))
        return started[-1].listens()

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()
        if hasattr(each, "client"):
            each.client.close()


@contextmanager
def _gate(directory: Path) -> Iterator[Path]:
    """A file that holds the reasoner of tests.slow_service back while it is there."""
    gate = directory / "gate"
    gate.touch()
    try:
        yield gate
    finally:
        gate.unlink(missing_ok=True)


def test_a_case_survives_a_restart(start: Callable[..., Process], tmp_path: Path) -> None:
    first = start()
    sha256 = first.client.post("/api/images", content=CLEAR).json()["sha256"]
    case_id = first.client.post("/api/cases?wait=true", json={"text": CLEAR_TEXT, "images": [sha256]}).json()["case_id"]
    before = first.client.get(f"/api/cases/{case_id}").json()
    assert first.stop() == 0, first.log.read_text()
    log = first.log.read_text()
    assert "Traceback" not in log
    assert "diabetes" not in log
    second = start()
    assert second.client.get(f"/api/cases/{case_id}").json() == before
    assert second.client.get(f"/api/images/{sha256}").content == CLEAR
    reply = second.client.post(f"/api/cases/{case_id}/turns?wait=true", json={"text": "Why not a central retinal vein occlusion?"}).json()["reply"]
    assert reply["turn"] == 2
    assert second.client.delete(f"/api/cases/{case_id}").status_code == 204
    assert second.stop() == 0, second.log.read_text()
    kept = all_bytes(tmp_path / "data")
    assert b"three months" not in kept
    assert CLEAR[1000:1200] not in kept


def test_a_signal_stops_walks_at_their_stage_and_the_next_process_takes_them_up(start: Callable[..., Process], tmp_path: Path) -> None:
    """One is walked and one waits when the signal comes. Readiness says no while new turns are refused; both are answered later."""
    slow = ("tests.slow_service", str(tmp_path / "gate"))
    with _gate(tmp_path) as gate:
        first = start(*slow, FOVEA_SERVICE__TURNS_AT_ONCE="1", FOVEA_SERVICE__DRAIN_SECONDS="30")
        walked, waits = (first.client.post("/api/cases", json={"text": NARRATIVE}).json()["case_id"] for _ in range(2))
        with first.client.stream("GET", f"/api/cases/{walked}/events") as events:
            lines = events.iter_lines()
            assert any('"stage":"assess"' in line for line in lines)
            first.process.send_signal(signal.SIGTERM)
            wait_for(lambda: httpx.get(f"{first.url}/readyz").status_code == 503)
            assert httpx.get(f"{first.url}/readyz").json() == {"status": "draining"}
            assert httpx.get(f"{first.url}/healthz").status_code == 200
            refused = httpx.post(f"{first.url}/api/cases", json={"text": NARRATIVE})
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            gate.unlink()
            rest = list(lines)
        assert first.process.wait(30) == 0
        assert any("event: stopped" in line for line in rest)
        assert not any("event: reply" in line for line in rest)
        assert "Traceback" not in first.log.read_text()
        assert MARKER not in first.log.read_text()
        gate.touch()
        second = start(*slow, FOVEA_SERVICE__TURNS_AT_ONCE="2")
        states = {c["case_id"]: c["state"] for c in second.client.get("/api/cases").json()["cases"]}
        assert set(states) == {walked, waits}
        assert set(states.values()) <= {"running", "waiting"}
        with second.client.stream("GET", f"/api/cases/{walked}/events") as events:
            gate.unlink()
            heard = [line for line in events.iter_lines() if line.startswith(("event: ", "data: "))]
    stages = [line for line in heard if '"stage_started"' in line]
    assert not any('"intake"' in line or '"screen"' in line for line in stages), "stages that had ended are not walked again"
    assert "event: reply" in heard
    wait_for(lambda: all(c["state"] == "idle" for c in second.client.get("/api/cases").json()["cases"]))
    for case_id in (walked, waits):
        (reply,) = second.client.get(f"/api/cases/{case_id}").json()["replies"]
        assert reply["report"]["case_id"] == case_id
    assert second.stop() == 0, second.log.read_text()


def test_a_walk_that_does_not_end_its_stage_is_stopped_in_time(start: Callable[..., Process], tmp_path: Path) -> None:
    slow = ("tests.slow_service", str(tmp_path / "gate"))
    with _gate(tmp_path):
        first = start(*slow, FOVEA_SERVICE__DRAIN_SECONDS="1")
        case_id = first.client.post("/api/cases", json={"text": NARRATIVE}).json()["case_id"]
        with first.client.stream("GET", f"/api/cases/{case_id}/events") as events:
            assert any('"stage":"assess"' in line for line in events.iter_lines())
        began = time.monotonic()
        assert first.stop() == 0, first.log.read_text()
        assert time.monotonic() - began < 10


def test_a_killed_process_loses_no_accepted_turn(start: Callable[..., Process], tmp_path: Path) -> None:
    slow = ("tests.slow_service", str(tmp_path / "gate"))
    with _gate(tmp_path):
        first = start(*slow, FOVEA_SERVICE__TURNS_AT_ONCE="1")
        ids = [first.client.post("/api/cases", json={"text": NARRATIVE}).json()["case_id"] for _ in range(3)]
        first.process.kill()
        first.process.wait()
    second = start(*slow)
    wait_for(lambda: {c["state"] for c in second.client.get("/api/cases").json()["cases"]} == {"idle"}, 60)
    for case_id in ids:
        assert len(second.client.get(f"/api/cases/{case_id}").json()["replies"]) == 1


def test_the_event_loop_stays_free_while_cases_are_walked(start: Callable[..., Process]) -> None:
    """Decoding, the detector and retrieval run in threads: a health check is answered meanwhile."""
    served = start()
    sha256 = served.client.post("/api/images", content=CLEAR).json()["sha256"]
    for _ in range(6):
        served.client.post("/api/cases", json={"text": CLEAR_TEXT, "images": [sha256]})
    waits = []
    while any(c["state"] in ("running", "waiting") for c in served.client.get("/api/cases").json()["cases"]):
        began = time.monotonic()
        assert served.client.get("/healthz").status_code == 200
        waits.append(time.monotonic() - began)
        time.sleep(0.01)
    assert len(waits) > 5
    assert sorted(waits)[len(waits) // 2] < 0.5
    assert max(waits) < 3


def test_it_binds_to_other_than_loopback_only_with_a_key(fovea: Run, start: Callable[..., Process], environment: dict[str, str]) -> None:
    refused = fovea("serve", "--host", "0.0.0.0")
    assert refused.returncode == 2
    assert "fovea key add" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert fovea("key", "add", "alice", "--role", "admin").returncode == 0
    served = start("agent.cli", "serve", "--host", "0.0.0.0")
    port = served.url.rpartition(":")[2]
    assert httpx.get(f"http://127.0.0.1:{port}/api/cases").status_code == 401
    key_id = fovea("key", "list", "--json").stdout.split('"key_id": "')[1].split('"')[0]
    assert fovea("key", "revoke", key_id).returncode == 0
    assert fovea("serve", "--host", "0.0.0.0").returncode == 2, "a revoked key is none"


def test_keys_and_the_audit_log_from_the_command_line(fovea: Run, start: Callable[..., Process], tmp_path: Path) -> None:
    served = start()
    assert served.client.get("/api/cases").status_code == 200
    added = fovea("key", "add", "alice", "--expires", "30d", "--requests", "1000")
    secret = added.stdout.strip()
    assert added.returncode == 0
    assert re.fullmatch(r"fov_[A-Za-z0-9_-]{43}", secret)
    assert served.client.get("/api/cases").status_code == 401, "a running service heeds it at once"
    bearer = {"Authorization": f"Bearer {secret}"}
    case_id = served.client.post("/api/cases?wait=true", json={"text": CLEAR_TEXT}, headers=bearer).json()["case_id"]
    listed = fovea("key", "list")
    assert "alice" in listed.stdout
    assert "valid until" in listed.stdout
    assert secret not in listed.stdout + listed.stderr + added.stderr
    key_id = listed.stdout.split()[0]
    assert fovea("key", "revoke", key_id).returncode == 0
    assert served.client.get("/api/cases", headers=bearer).status_code == 401
    assert "revoked" in fovea("key", "list").stdout
    printed = fovea("audit", "--case", case_id)
    assert printed.returncode == 0
    assert "case.open" in printed.stdout
    head = printed.stderr.strip().rpartition(" ")[2]
    assert fovea("audit", "--head", head).returncode == 0
    assert fovea("audit", "--head", "f" * 64).returncode == 1
    assert served.stop() == 0
    with sqlite3.connect(tmp_path / "data" / "service.sqlite") as database:
        database.execute("DROP TRIGGER audit_keeps_words")
        database.execute("UPDATE audit SET actor = 'nobody' WHERE number = 2")
    database.close()
    tampered = fovea("audit")
    assert tampered.returncode == 1
    assert "row 2" in tampered.stderr


@pytest.mark.parametrize("args", [("key", "add", "local"), ("key", "add", "a b"), ("key", "add", "x", "--expires", "soon"), ("key", "revoke", "key-0")])
def test_what_cannot_be_is_told_in_one_line(fovea: Run, args: tuple[str, ...]) -> None:
    done = fovea(*args)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("fovea: ")


def test_a_port_that_is_taken_is_told(fovea: Run, start: Callable[..., Process]) -> None:
    port = start().url.rpartition(":")[2]
    done = fovea("serve", "--port", port)
    assert done.returncode == 2
    assert "FOVEA_SERVICE__PORT" in done.stderr
