"""`fovea serve`: opens everything, listens, and on SIGTERM stops in order.

In order means: readiness says no, new turns are refused, walks stop at the end of their stage and are kept, and only then the sockets
close. A second signal stops at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from agent import spans
from agent.container import build
from agent.conversation.conversations import Conversations
from agent.conversation.saver import open_saver
from agent.deps import Deps
from agent.errors import SettingsError
from agent.service.app import create_app
from agent.service.database import Database
from agent.service.guard import loopback
from agent.service.keys import Keys
from agent.service.page.attaching import attach
from agent.service.stateless import Stateless, in_memory
from agent.settings import Settings

log = logging.getLogger("fovea.service")
CLOSING_SECONDS = 5
"""For answers under way to be finished once no turn is walked any more."""


def check_address(host: str, keys: Keys) -> None:
    """Raises `SettingsError` for an address other machines can reach while no valid key exists: every case would be open to them."""
    if not loopback(host) and not keys.any_valid():
        raise SettingsError(
            f"{host} can be reached from other machines, and no valid API key exists: `fovea key add NAME` first, or listen on 127.0.0.1"
        )


def with_images(settings: Settings) -> Settings:
    """The settings with images on disk under the data directory, unless they say where: a case outlives the process."""
    if settings.intake.image_directory is not None:
        return settings
    intake = settings.intake.model_copy(update={"image_directory": settings.data_directory / "images"})
    return settings.model_copy(update={"intake": intake})


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application with everything behind it; closed in reverse. Raises `SettingsError`, `KnowledgeError` or `LocalizerError`."""
    settings = with_images(settings)
    spans.configure()
    deps = await asyncio.to_thread(build, settings, settings.service.reasoner)
    built = [deps]
    try:
        models = {f"fovea-{kind}": await asyncio.to_thread(offered, kind, settings, deps, built) for kind in settings.service.models}
        async with open_saver(settings) as saver:
            app = create_app(deps, Conversations(deps, saver), settings, models)
            attach(app)
            yield app
    finally:
        for each in built:
            await each.reasoner.aclose()
            each.thresholds.close()


def offered(kind: Any, settings: Settings, deps: Deps, built: list[Deps]) -> Stateless:
    """A reasoner as /v1 offers it; what is built for it joins `built`, to be closed with the rest."""
    if kind == deps.reasoner.identity.kind and not deps.reasoner.identity.reads_images:
        return in_memory(deps)
    # What is sent to /v1 is not kept, so its images stay in memory, and a reasoner that reads images must look there.
    forgetful = settings.model_copy(update={"intake": settings.intake.model_copy(update={"image_directory": None})})
    other = build(forgetful, kind, localizer=deps.localizer)
    built.append(other)
    return Stateless(other)


class Server(uvicorn.Server):
    """uvicorn, but a signal first lets the turns end. Its own way would close the sockets first, and exit with the signal's number."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Any]) -> None:
        super().__init__(config)
        self._drain, self._stopping = drain, False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def serve(self, sockets: Any = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's name and shape
        if self._stopping or self._loop is None:
            self.force_exit = self.should_exit = True
            return
        self._stopping = True
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._stop())

    async def _stop(self) -> None:
        try:
            await self._drain()
        finally:
            self.should_exit = True


async def serve(settings: Settings, told: Callable[[str], None]) -> None:
    """Listens until told to stop. `told` hears the address once it is listened on. Raises `SettingsError` when it cannot be."""
    service = settings.service
    database = Database(settings.data_directory)
    try:
        check_address(service.host, Keys(database))
    finally:
        database.close()
    async with opened(settings) as app:
        config = uvicorn.Config(
            app, host=service.host, port=service.port, log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=CLOSING_SECONDS, lifespan="on",
        )  # fmt: skip
        sockets = [_listening(config)]
        host, port = sockets[0].getsockname()[:2]
        server = Server(config, lambda: app.state.house.pool.drain(service.drain_seconds))
        told(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await server.serve(sockets)
        if not server.started:
            raise SettingsError("the service could not start: its log says why")


def _listening(config: uvicorn.Config) -> Any:
    """A socket that listens. Raises `SettingsError` where uvicorn would end the process."""
    import socket

    host = config.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, config.port))
        listening.listen(config.backlog)
    except OSError as error:
        listening.close()
        raise SettingsError(f"cannot listen on {host}, port {config.port}: {error.strerror or error}. Set FOVEA_SERVICE__PORT") from error
    return listening
