"""Everything one running service shares, and what needs several parts of it at once: keeping an image, removing a case."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from agent.conversation.conversations import Conversations
from agent.deps import Deps
from agent.errors import BusyError, ConversationError, ImageError
from agent.imaging import ImageRef
from agent.service.access import Caller, Gate
from agent.service.audit import Audit
from agent.service.database import Database
from agent.service.keys import Keys
from agent.service.limits import Limits
from agent.service.metrics import Metrics
from agent.service.register import Register
from agent.service.running import Pool
from agent.service.sessions import Sessions, signing_secret
from agent.service.stateless import Stateless
from agent.settings import Settings


@dataclass(frozen=True)
class House:
    """The parts of the service. `decoding` bounds how many images are decoded at once; `changing_images` is held while it is decided
    whose bytes stay; `going` are the cases being deleted, which no turn may start in."""

    settings: Settings
    deps: Deps
    conversations: Conversations
    models: Mapping[str, Stateless]
    database: Database
    register: Register
    keys: Keys
    sessions: Sessions
    audit: Audit
    gate: Gate
    metrics: Metrics
    pool: Pool
    decoding: asyncio.Semaphore
    changing_images: asyncio.Lock
    going: set[str] = field(default_factory=set)

    @classmethod
    def built(cls, deps: Deps, conversations: Conversations, models: Mapping[str, Stateless], settings: Settings) -> House:
        """Opens the service's database. Raises `SettingsError` when it cannot be."""
        service = settings.service
        database = Database(settings.data_directory)
        keys = Keys(database, deps.clock.now)
        secret = signing_secret(settings.data_directory)
        sessions = Sessions(database, keys, secret, timedelta(hours=service.session_hours), deps.clock.now)
        audit, metrics = Audit(database, deps.clock.now), Metrics()
        return cls(
            settings=settings,
            deps=deps,
            conversations=conversations,
            models=models,
            database=database,
            register=Register(database, deps.clock.now),
            keys=keys,
            sessions=sessions,
            audit=audit,
            gate=Gate(keys, sessions, Limits(), audit, metrics, service),
            metrics=metrics,
            pool=Pool(service.turns_at_once, service.turns_waiting, service.events_kept_seconds, metrics),
            decoding=asyncio.Semaphore(service.uploads_at_once),
            changing_images=asyncio.Lock(),
        )

    async def keep_image(self, caller: Caller, data: bytes) -> ImageRef:
        """Validates, decodes and keeps an image as the caller's. Raises `ImageError`, or `Overloaded` for one byte too many."""
        self.gate.may_upload(caller)
        self.gate.uploaded(caller, len(data))
        sha256 = hashlib.sha256(data).hexdigest()
        async with self.changing_images:
            # Held before it is there: whoever deletes the same picture at this moment then leaves its bytes alone.
            await asyncio.to_thread(self.register.uploaded, sha256, caller.owner)
        try:
            async with self.decoding:
                ref = await asyncio.to_thread(self.deps.images.put, data)
        except ImageError:
            await asyncio.to_thread(self.register.not_uploaded, sha256, caller.owner)
            raise
        await self.gate.note(caller, "image.put", ref.sha256)
        return ref

    async def remove(self, case_id: str) -> None:
        """Removes a case: its turn is stopped, its checkpoints, its rows, and the bytes of images that nobody else holds."""
        self.going.add(case_id)
        try:
            await self.pool.stop(case_id)
            self.pool.forget(case_id)
            try:
                await self.conversations.delete(case_id, images=False)
            except BusyError:
                raise
            except ConversationError:
                pass  # no turn of it was ever walked
            await self.remove_images(lambda: self.register.forget(case_id))
        finally:
            self.going.discard(case_id)

    async def remove_images(self, unheld: Callable[[], Sequence[str]]) -> None:
        """Deletes the bytes of the images that `unheld` let go of."""
        async with self.changing_images:
            for sha256 in await asyncio.to_thread(unheld):
                await asyncio.to_thread(self.deps.images.remove, sha256)
