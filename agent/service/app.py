"""The application: its routes, who guards them, and what is opened before the first request and closed after the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI

from agent.conversation.conversations import Conversations
from agent.deps import Deps
from agent.service import retention, telling
from agent.service.cases import Cases
from agent.service.guard import Guard
from agent.service.house import House
from agent.service.routes_access import router as access_router
from agent.service.routes_cases import router as cases_router
from agent.service.routes_images import router as images_router
from agent.service.routes_openai import router as openai_router
from agent.service.routes_passages import router as passages_router
from agent.service.routes_state import router as state_router
from agent.service.stateless import Stateless, in_memory
from agent.service.uploads import FORM_ROOM
from agent.settings import Settings

DESCRIPTION = (
    "Cases and turns of Fovea, an agentic clinical reasoning workflow for eye care. Preliminary decision support, not a medical device: "
    "a clinician must review every case."
)


def create_app(
    deps: Deps, conversations: Conversations, settings: Settings, models: Mapping[str, Stateless] | None = None
) -> FastAPI:
    """The application on parts that are open already. `models`: what /v1 offers; None: the reasoner of `deps`.

    Raises `SettingsError` when the service's own files cannot be opened.
    """
    offered = models if models is not None else {f"fovea-{deps.reasoner.identity.kind}": in_memory(deps)}
    house = House.built(deps, conversations, offered, settings)
    cases = Cases(house)
    service = settings.service

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        behind = (
            asyncio.create_task(cases.take_up_later(await cases.take_up()), name="taking up"),
            asyncio.create_task(retention.keep_sweeping(house), name="retention"),
        )
        try:
            yield
        finally:
            for task in behind:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            # Drained already where the process was told to stop; a server that just ends loses no turn either.
            await house.pool.drain(service.drain_seconds)
            house.database.close()

    # No documentation page: FastAPI's loads its scripts from elsewhere. The schema itself is at /openapi.json.
    app = FastAPI(
        title="Fovea", version=version("fovea"), description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None,
        separate_input_output_schemas=False,
    )  # fmt: skip
    app.state.house, app.state.cases = house, cases
    for router in (cases_router, images_router, passages_router, access_router, openai_router, state_router):
        app.include_router(router)
    telling.install(app)

    def most(path: str) -> int:
        if path == "/api/images" or path.startswith("/_nicegui/"):  # the page's own uploads
            return settings.intake.max_image_bytes + FORM_ROOM
        if path in ("/v1/chat/completions", "/api/cases") or path.endswith("/turns"):
            return service.max_chat_bytes
        return service.max_json_bytes

    app.add_middleware(
        Guard,
        hosts=(service.host, *service.allowed_hosts),
        origins=service.allowed_origins,
        most=most,
        idle=service.idle_seconds,
        whole=service.upload_seconds,
    )
    return app
