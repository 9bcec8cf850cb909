"""One contract for every saver of conversations, over SQLite and a real PostgreSQL that the test starts itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver

from agent.conversation.conversations import Conversations
from agent.conversation.saver import FILE, open_saver, open_sqlite, serializer
from agent.conversation.state import Statement
from agent.conversation.values import Event, StageEnded, TurnInput
from agent.deps import Deps
from agent.errors import ConversationError, SettingsError
from agent.imaging import ImageInput
from agent.settings import Conversation, Settings
from tests.doubles import ScriptedReasoner
from tests.integration.postgres import running

Make = Callable[..., Deps]
MARKER = "zebrafinch"
TEXT = f"A 71-year-old woman with a new headache and sudden loss of vision in the right eye, told by {MARKER}."
SPLIT = [("giant_cell_arteritis", 0.5), ("nonarteritic_aion", 0.45)]


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that keep conversations in the one or the other."""
    checkpoints = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    return Settings(data_directory=tmp_path / "data", conversation=Conversation(checkpoints=checkpoints))


@pytest.fixture
async def saver(kept: Settings) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    async with open_saver(kept) as opened:
        yield opened


@pytest.fixture
def case(request: pytest.FixtureRequest) -> str:
    """A name of its own for each test: the PostgreSQL is shared."""
    return f"case-{abs(hash(request.node.nodeid)):x}"


async def test_a_conversation_outlives_its_process(doubled: Make, kept: Settings, case: str) -> None:
    deps = doubled(reasoner=ScriptedReasoner(SPLIT))
    async with open_saver(kept) as one:
        first = await Conversations(deps, one).say(case, TurnInput(text=TEXT))
    assert first.question is not None
    async with open_saver(kept) as other:
        again = Conversations(deps, other)
        view = await again.view(case)
        assert view.pending == first.question
        assert view.replies == (first,)
        second = await again.say(case, TurnInput(unknown=True))
        assert second.turn == 2
        assert (await again.view(case)).replies == (first, second)


async def test_a_turn_leaves_one_checkpoint(doubled: Make, saver: BaseCheckpointSaver[Any], case: str) -> None:
    conversations = Conversations(doubled(reasoner=ScriptedReasoner(SPLIT)), saver)
    for text in (TEXT, "Why urgent?", "She has jaw claudication."):
        await conversations.say(case, TurnInput(text=text))
        held = [saved async for saved in saver.alist({"configurable": {"thread_id": case}})]
        assert len(held) == 1
        assert held[0].config["configurable"]["checkpoint_ns"] == ""
    assert len((await conversations.view(case)).replies) == 3


async def test_while_a_case_is_walked_its_stages_are_kept(doubled: Make, saver: BaseCheckpointSaver[Any], case: str) -> None:
    conversations = Conversations(doubled(), saver)
    stages: set[str] = set()

    def hear(event: Event) -> None:
        if isinstance(event, StageEnded):
            stages.add(event.stage)
            if event.stage == "assess":
                turn.cancel()

    turn = asyncio.ensure_future(conversations.say(case, TurnInput(text=TEXT), hear))
    with contextlib.suppress(asyncio.CancelledError):
        await turn
    assert (await conversations.view(case)).interrupted
    inner = [s async for s in saver.alist({"configurable": {"thread_id": case}}) if s.config["configurable"]["checkpoint_ns"]]
    assert any("assessment" in saved.checkpoint["channel_values"] for saved in inner)
    later: list[str] = []
    reply = await conversations.resume(case, lambda e: later.append(e.stage) if isinstance(e, StageEnded) else None)
    assert not {"intake", "localize", "screen", "assess"} & set(later)
    assert [record for record in reply.report.path] == ["intake", "localize", "screen", "assess", "retrieve", "compose", "verify"]


async def test_of_a_step_that_was_stopped_nothing_is_kept_but_that_it_was(doubled: Make, saver: BaseCheckpointSaver[Any], case: str) -> None:
    """Half of its writes beside its error would be taken for all of them, and the walk would end where it stood."""
    await Conversations(doubled(reasoner=ScriptedReasoner(SPLIT)), saver).say(case, TurnInput(text=TEXT))
    saved = await saver.aget_tuple({"configurable": {"thread_id": case}})
    assert saved is not None
    await saver.aput_writes(saved.config, [("number", 7), ("__error__", "cancelled")], "half-a-step")
    await saver.aput_writes(saved.config, [("number", 8)], "a-whole-step")
    again = await saver.aget_tuple(saved.config)
    assert again is not None
    assert again.pending_writes is not None
    written = {(task, channel) for task, channel, _ in again.pending_writes}
    assert ("half-a-step", "__error__") in written
    assert ("half-a-step", "number") not in written
    assert ("a-whole-step", "number") in written


async def test_cases_do_not_mix(doubled: Make, saver: BaseCheckpointSaver[Any], case: str) -> None:
    conversations = Conversations(doubled(), saver)
    texts = {f"{case}-{n}": f"A {30 + n}-year-old woman with pain on eye movement." for n in range(8)}
    replies = dict(zip(texts, await asyncio.gather(*(conversations.say(c, TurnInput(text=t)) for c, t in texts.items())), strict=True))
    for name, text in texts.items():
        assert replies[name].report.case_id == name
        view = await conversations.view(name)
        assert [turn.text for turn in view.inputs] == [text]


async def test_what_is_deleted_is_gone_and_the_others_stay(doubled: Make, saver: BaseCheckpointSaver[Any], case: str) -> None:
    conversations = Conversations(doubled(), saver)
    await conversations.say(case, TurnInput(text=TEXT))
    await conversations.say(f"{case}-other", TurnInput(text="A 30-year-old man with a red eye."))
    await conversations.delete(case)
    with pytest.raises(ConversationError, match="no such case"):
        await conversations.view(case)
    with pytest.raises(ConversationError, match="no such case"):
        await conversations.delete(case)
    assert len((await conversations.view(f"{case}-other")).replies) == 1


async def test_an_image_goes_with_the_last_case_that_uses_it(
    doubled: Make, saver: BaseCheckpointSaver[Any], png: Callable[..., bytes], case: str
) -> None:
    deps = doubled()
    conversations = Conversations(deps, saver)
    shared, own = deps.images.put(png()).sha256, deps.images.put(png(colour=(9, 9, 9))).sha256
    await conversations.say(case, TurnInput(text=TEXT, images=(ImageInput(sha256=shared), ImageInput(sha256=own))))
    await conversations.say(f"{case}-other", TurnInput(images=(ImageInput(sha256=shared),)))
    await conversations.delete(case)
    assert deps.images.reference(shared)
    with pytest.raises(Exception, match="holds no image"):
        deps.images.reference(own)
    await conversations.delete(f"{case}-other")
    with pytest.raises(Exception, match="holds no image"):
        deps.images.reference(shared)


async def test_images_are_left_where_the_caller_keeps_account_of_them(doubled: Make, saver: BaseCheckpointSaver[Any], png: Callable[..., bytes], case: str) -> None:
    deps = doubled()
    conversations = Conversations(deps, saver)
    sha256 = deps.images.put(png()).sha256
    await conversations.say(case, TurnInput(text=TEXT, images=(ImageInput(sha256=sha256),)))
    await conversations.delete(case, images=False)
    assert deps.images.reference(sha256)


def test_nothing_of_a_deleted_case_is_left_in_the_file(doubled: Make, tmp_path: Path) -> None:
    """The bytes on disk are searched, before and after: database, log and shared memory."""

    def holding(directory: Path) -> list[str]:
        return [path.name for path in directory.glob(f"{FILE}*") if MARKER.encode() in path.read_bytes()]

    async def talk() -> tuple[list[str], list[str]]:
        async with open_sqlite(tmp_path / FILE) as saver:
            conversations = Conversations(doubled(reasoner=ScriptedReasoner(SPLIT)), saver)
            await conversations.say("one", TurnInput(text=TEXT))
            await conversations.say("one", TurnInput(text=f"She has jaw claudication, says {MARKER}. Why not glaucoma?"))
            await conversations.say("two", TurnInput(text="A 30-year-old man with a red eye."))
            before = holding(tmp_path)
            await conversations.delete("one")
            return before, holding(tmp_path)

    before, after = asyncio.run(talk())
    assert before
    assert after == []
    assert holding(tmp_path) == []
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert {row[0] for row in connection.execute("SELECT DISTINCT thread_id FROM checkpoints")} == {"two"}


async def test_nothing_of_a_deleted_case_is_left_in_postgresql(doubled: Make, postgres_url: str) -> None:
    from psycopg import AsyncConnection

    async def rows() -> int:
        async with await AsyncConnection.connect(postgres_url) as connection:
            total = 0
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
                cursor = await connection.execute(f"SELECT count(*) FROM {table} WHERE thread_id = 'to-go'")
                total += (await cursor.fetchone() or (0,))[0]
            return total

    async with open_saver(Settings(conversation=Conversation(checkpoints=postgres_url))) as saver:
        conversations = Conversations(doubled(), saver)
        await conversations.say("to-go", TurnInput(text=TEXT))
        assert await rows() > 0
        await conversations.delete("to-go")
        assert await rows() == 0


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "new" / FILE):
        assert stat.S_IMODE(os.stat(tmp_path / "new" / FILE).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o700


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(SettingsError, match=FILE):
        async with open_sqlite(tmp_path / FILE):
            pass


async def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://fovea:topsecret@/postgres?host={tmp_path}&connect_timeout=1"
    with pytest.raises(SettingsError) as caught:
        async with open_saver(Settings(conversation=Conversation(checkpoints=url))):
            pass
    assert "FOVEA_CONVERSATION__CHECKPOINTS" in str(caught.value)
    assert "topsecret" not in str(caught.value)


async def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "agent.conversation.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)
    with pytest.raises(SettingsError, match=r"pip install 'fovea\[postgres\]'"):
        async with open_saver(Settings(conversation=Conversation(checkpoints="postgresql:///x"))):
            pass


def test_only_our_own_values_come_back() -> None:
    """A class that a tampered file names is not made: its fields come back as plain data."""
    from datetime import UTC, datetime

    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    from agent.settings import Intake

    own = Statement(turn=1, told=datetime(2026, 1, 1, tzinfo=UTC), text="a")
    ours = serializer()
    assert ours.loads_typed(ours.dumps_typed((own,))) == [own]
    foreign = JsonPlusSerializer(allowed_msgpack_modules=True).dumps_typed(Intake())
    assert not isinstance(ours.loads_typed(foreign), Intake)
