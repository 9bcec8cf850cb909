"""/healthz, /readyz, /metrics: for whoever runs the service."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import cast

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from agent.service.access import reading
from agent.service.house import House
from agent.service.problems import responses
from agent.service.schemas import Health

router = APIRouter(tags=["state"])


@router.get("/healthz", responses=responses(403))
async def healthy() -> Health:
    """The process runs and its event loop answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "No new turns: the service stops, or cannot write."}, **responses(403)})
async def ready(request: Request, response: Response) -> Health:
    """New turns are accepted."""
    house = cast(House, request.app.state.house)
    if house.pool.draining:
        response.status_code = 503
        return Health(status="draining")
    try:
        await asyncio.to_thread(house.database.writable)
    except sqlite3.Error:
        response.status_code = 503
        return Health(status="failing")
    return Health(status="ok")


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(reading)],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **responses(401, 403, 429)},
)
async def metrics(request: Request) -> Response:
    """Counts and durations for Prometheus; nothing of any case. Where keys are needed, one is needed here."""
    house = cast(House, request.app.state.house)
    return Response(house.metrics.text(), media_type=CONTENT_TYPE_LATEST)
