"""Where conversations are kept: SQLite under the data directory, or PostgreSQL by one setting.

Both keep one checkpoint per conversation once its turn has ended; while a case is walked, one per stage. What is deleted is gone from
the file, not only from its index.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_args, get_type_hints, runtime_checkable

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent.conversation.half_steps import whole
from agent.conversation.state import ConversationState
from agent.errors import BusyError, SettingsError
from agent.settings import Settings
from agent.state import CaseState
from agent.values import Value

if TYPE_CHECKING:
    from agent.conversation.postgres import PostgresSaver

FILE = "conversations.sqlite"
BUSY_MILLISECONDS = 5000


@runtime_checkable
class Keeping(Protocol):
    """What a saver of ours can do beyond LangGraph's."""

    async def holds(self, needle: str, besides: str) -> bool:
        """Whether any thread but `besides` holds the text, such as the sha256 of an image."""
        ...


def serializer() -> JsonPlusSerializer:
    """Gives back our own values and nothing else: a file that was tampered with cannot name a class to be made."""
    classes = {kind for state in (ConversationState, CaseState) for hint in get_type_hints(state).values() for kind in _values(hint)}
    return JsonPlusSerializer(allowed_msgpack_modules=sorted((c.__module__, c.__name__) for c in classes))


def _values(hint: object) -> set[type[Value]]:
    if isinstance(hint, type) and issubclass(hint, Value):
        return {hint}
    return {kind for inner in get_args(hint) for kind in _values(inner)}


@asynccontextmanager
async def open_saver(settings: Settings) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """The saver that the settings ask for, ready to be used; closed at the end of the block.

    Raises `SettingsError` when it cannot be opened.
    """
    url = settings.conversation.checkpoints
    if url is not None:
        async with _postgres(url, settings.conversation.connections) as postgres:
            yield postgres
        return
    async with open_sqlite(settings.data_directory / FILE) as sqlite:
        yield sqlite


class SqliteSaver(AsyncSqliteSaver):
    """LangGraph's saver on one SQLite file, with pruning, with a deletion that leaves no byte, and without half a step."""

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        await super().aput_writes(config, whole(writes), task_id, task_path)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keeps the latest checkpoint of each thread, with its pending writes, and no stage of a walk. `delete`: keeps nothing."""
        await self.setup()
        for thread in map(str, thread_ids):
            if strategy == "delete":
                await self.adelete_thread(thread)
                continue
            async with self.lock:
                latest = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?1 AND checkpoint_ns = ''"
                for table in ("writes", "checkpoints"):
                    await self.conn.execute(
                        f"DELETE FROM {table} WHERE thread_id = ?1 AND (checkpoint_ns != '' OR checkpoint_id != ({latest}))",
                        (thread,),
                    )
                await self.conn.commit()
                await self._give_back()

    async def _give_back(self) -> None:
        """What a walk's stages took is given back to the disk; without it the file stays as large as it once was."""
        async with self.conn.executescript("PRAGMA incremental_vacuum"):  # `execute` would end after one page
            await self.conn.commit()

    async def adelete_thread(self, thread_id: str) -> None:
        """Deletes a thread. Freed pages are overwritten with zeros (secure_delete), and the write-ahead log is emptied, since it holds
        them still. Raises `BusyError` when another process reads the file just then: the rows are gone, the log is not yet."""
        await self.setup()
        await super().adelete_thread(thread_id)
        async with self.lock:
            await self._give_back()
        async with self.lock, self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
            row = await cursor.fetchone()
        if row is not None and row[0]:
            raise BusyError("the case is deleted, but the database's log is being read by another process and still holds it: delete it again")

    async def holds(self, needle: str, besides: str) -> bool:
        await self.setup()
        query = (
            "SELECT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id != ?1 AND instr(checkpoint, CAST(?2 AS BLOB))) "
            "OR EXISTS (SELECT 1 FROM writes WHERE thread_id != ?1 AND instr(value, CAST(?2 AS BLOB)))"
        )
        async with self.lock, self.conn.execute(query, (besides, needle)) as cursor:
            row = await cursor.fetchone()
        return bool(row is not None and row[0])


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteSaver]:
    """A saver on this file, which is its owner's alone. Raises `SettingsError` naming it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = await aiosqlite.connect(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be opened: {error.strerror}. Set FOVEA_DATA_DIRECTORY to a place you can write") from error
    try:
        await connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        # With a write-ahead log this loses nothing when the process dies; when the machine loses power, the last stages at most.
        await connection.execute("PRAGMA synchronous = NORMAL")
        await connection.execute("PRAGMA secure_delete = ON")
        await connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a new file only
        saver = SqliteSaver(connection, serde=serializer())
        await saver.setup()
    except aiosqlite.DatabaseError as error:
        await connection.close()
        raise SettingsError(f"{path} is no database of conversations ({error}): move it away, and a new one is made") from error
    try:
        yield saver
    finally:
        await connection.close()


@asynccontextmanager
async def _postgres(url: str, connections: int) -> AsyncIterator[PostgresSaver]:
    try:
        from agent.conversation.postgres import open_postgres
    except ImportError as error:
        raise SettingsError(
            "FOVEA_CONVERSATION__CHECKPOINTS names PostgreSQL, whose driver is not installed: pip install 'fovea[postgres]'"
        ) from error
    async with open_postgres(url, connections, serializer()) as saver:
        yield saver
