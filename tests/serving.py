"""A real uvicorn around the application, in a thread, and a reasoner that waits until a test lets it go on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from langgraph.checkpoint.memory import InMemorySaver

from agent.conversation.conversations import Conversations
from agent.conversation.saver import serializer
from agent.deps import Deps
from agent.evidence import Evidence
from agent.ports import Assessment, Dossier, Effort
from agent.service.app import create_app
from agent.service.house import House
from agent.settings import Service
from tests.doubles import ScriptedReasoner
from tools.images import DiskImageStore

TEXT = "A 30-year-old woman with pain on eye movement and loss of vision in the left eye."
PATIENCE = 30.0


class GatedReasoner(ScriptedReasoner):
    """Answers once its gate is open, from whichever thread it is opened; counts who stands before it."""

    def __init__(self, *differentials: Sequence[tuple[str, float]]) -> None:
        super().__init__(*differentials)
        self.gate = threading.Event()
        self.entered = 0

    async def assess(self, dossier: Dossier) -> Assessment:
        self.entered += 1
        while not self.gate.is_set():  # noqa: ASYNC110 - opened from the test's own thread
            await asyncio.sleep(0.005)
        return await super().assess(dossier)

    async def deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment:
        return await super().deliberate(dossier, previous, evidence, effort)


@dataclass
class Served:
    """A service that listens. `client` speaks to it without a key; `with_key` with one."""

    app: FastAPI
    url: str
    server: uvicorn.Server
    client: httpx.Client

    @property
    def house(self) -> House:
        return self.app.state.house

    def key(self, owner: str = "alice", role: Any = "clinician", **limits: Any) -> str:
        return self.house.keys.add(owner, role, **limits)[0]

    def with_key(self, secret: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE, headers={"Authorization": f"Bearer {secret}"})


Serve = Callable[..., Served]


def stored(deps: Deps) -> Deps:
    """The same with images on disk, as `fovea serve` has them."""
    return replace(deps, images=DiskImageStore(deps.settings.data_directory / "images", deps.settings.intake))


def application(deps: Deps, **service: Any) -> FastAPI:
    """The application on these parts; `service` are settings of its section."""
    changed = deps.settings.model_copy(update={"service": Service(**{"drain_seconds": 2, **service})})
    deps = stored(replace(deps, settings=changed))
    return create_app(deps, Conversations(deps, InMemorySaver(serde=serializer())), changed)


@contextmanager
def listening(app: FastAPI) -> Iterator[Served]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none", lifespan="on", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive())
    assert thread.is_alive(), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        try:
            yield Served(app, url, server, client)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def all_bytes(directory: Path) -> bytes:
    """Every byte of every file under it, names included."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)
