"""Conversations in PostgreSQL, for several processes. Needs the extra `postgres`: imported only where the settings name a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncConnection, Error
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from agent.conversation.half_steps import whole
from agent.errors import SettingsError

CONNECT_SECONDS = 10.0


class PostgresSaver(AsyncPostgresSaver):
    """LangGraph's saver, which can also say who else holds a text, and keeps no half of a step."""

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        await super().aput_writes(config, whole(writes), task_id, task_path)

    async def holds(self, needle: str, besides: str) -> bool:
        query = (
            "SELECT EXISTS (SELECT 1 FROM checkpoint_blobs WHERE thread_id != %(t)s AND position(%(n)s IN blob) > 0) "
            "OR EXISTS (SELECT 1 FROM checkpoint_writes WHERE thread_id != %(t)s AND position(%(n)s IN blob) > 0) AS held"
        )
        async with self._cursor() as cursor:
            await cursor.execute(query, {"t": besides, "n": needle.encode()})
            row = await cursor.fetchone()
        return bool(row is not None and row["held"])


@asynccontextmanager
async def open_postgres(url: str, connections: int, serializer: JsonPlusSerializer) -> AsyncIterator[PostgresSaver]:
    """A saver on this database, its tables made where they are missing. Raises `SettingsError`, which never shows the URL's password."""
    options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row, "connect_timeout": int(CONNECT_SECONDS)}
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        url, min_size=1, max_size=connections, kwargs=options, open=False, timeout=CONNECT_SECONDS, check=AsyncConnectionPool.check_connection
    )
    try:
        try:
            await pool.open(wait=True, timeout=CONNECT_SECONDS)
            saver = PostgresSaver(pool, serde=serializer)
            await saver.setup()
        except (Error, PoolTimeout) as error:
            raise SettingsError(
                f"the database of FOVEA_CONVERSATION__CHECKPOINTS cannot be used ({type(error).__name__}): "
                "check that it runs, its name and its user"
            ) from None
        yield saver
    finally:
        await pool.close()
