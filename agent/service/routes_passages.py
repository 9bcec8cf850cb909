"""/api/passages: what a citation stands on."""

from __future__ import annotations

import asyncio
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Request

from agent.service.access import Reading
from agent.service.house import House
from agent.service.problems import NotFound, responses
from agent.service.schemas import PassageView

router = APIRouter(prefix="/api/passages", tags=["passages"], responses=responses(401, 403, 404, 422, 429))


@router.get("/{key}")
async def get_passage(
    request: Request,
    _: Reading,
    key: Annotated[str, Path(max_length=200, description="the key of a citation")],
    quote: Annotated[str, Query(max_length=5000, description="a quotation, to be found in it")] = "",
) -> PassageView:
    """A passage with its source, its grading, whoever disagrees, and where a quote stands in it."""
    house = cast(House, request.app.state.house)
    passage = await asyncio.to_thread(house.deps.retriever.passage, key)
    if passage is None:
        raise NotFound("there is no passage with this key: it changes when the words change")
    start = passage.text.find(quote) if quote else -1
    return PassageView(passage=passage, span=(start, start + len(quote)) if start >= 0 else None)
