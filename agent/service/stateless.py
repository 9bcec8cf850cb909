"""Cases that are forgotten with their answer, for callers that keep the conversation themselves."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from langgraph.checkpoint.memory import InMemorySaver

from agent.conversation.conversations import Conversations
from agent.conversation.saver import serializer
from agent.conversation.values import OnEvent, Reply, TurnInput
from agent.deps import Deps
from agent.errors import ImageError
from agent.imaging import ImageInput
from tools.images import MemoryImageStore


class Stateless:
    """One reasoner behind conversations that live in memory, each as long as one request."""

    def __init__(self, deps: Deps) -> None:
        """`deps.images` is to keep images in memory, and is to be the store that its reasoner looks into."""
        self._deps = deps

    @property
    def fingerprint(self) -> str:
        return self._deps.reasoner.identity.fingerprint

    async def images(self, data: Sequence[bytes]) -> tuple[ImageInput, ...]:
        """The images in the store, each once, in order. Raises `ImageError` naming one by its number."""
        kept = []
        for number, each in enumerate(data, 1):
            kept.append((await asyncio.to_thread(self._deps.images.put, each, number)).sha256)
        return tuple(ImageInput(sha256=sha256) for sha256 in dict.fromkeys(kept))

    async def answer(self, turns: Sequence[TurnInput], hear: OnEvent) -> Reply:
        """The reply to the last of the turns; they are said one after another, to a case of their own."""
        # A saver of its own: what is left of a case when its caller goes away is garbage at once.
        conversations = Conversations(self._deps, InMemorySaver(serde=serializer()))
        case_id = f"case-{secrets.token_hex(16)}"
        *earlier, last = turns
        for turn in earlier:
            await conversations.say(case_id, turn, hear)
        return await conversations.say(case_id, last, hear)


def in_memory(deps: Deps, rebuild: Callable[[], Deps] | None = None) -> Stateless:
    """`deps` with images in memory. A reasoner that reads images itself holds on to their store: it needs a `rebuild`."""
    if rebuild is not None:
        return Stateless(rebuild())
    if deps.reasoner.identity.reads_images:
        raise ImageError("a reasoner that reads images looks into its own store: build it with one in memory")
    return Stateless(replace(deps, images=MemoryImageStore(deps.settings.intake)))
