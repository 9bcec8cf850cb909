"""How long a turn takes and how large a conversation is on disk after ten turns with four images: `python -m evals.bench_conversation`."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agent.container import build
from agent.conversation.conversations import Conversations
from agent.conversation.saver import FILE, open_saver
from agent.conversation.values import TurnInput
from agent.imaging import ImageInput
from agent.settings import load_settings
from tools.images import DiskImageStore

EXAMPLES = Path(__file__).parents[1] / "examples"
IMAGES = ("clear.jpg", "uncertain.jpg", "red_flag.jpg", "normal.jpg")


def turns() -> Iterator[TurnInput]:
    """Ten turns: four bring an image, five a fact, four ask."""
    told = (
        (EXAMPLES / "clear.txt").read_text(),
        "Why not a vein occlusion?",
        "Here is the other eye.",
        "not known",
        "HbA1c 9.1 %. Why is it urgent?",
        "Blood pressure 165/95.",
        "Where are the lesions?",
        "She has cotton-wool spots.",
        "How is this treated?",
        "She takes pioglitazone. Why are you unsure?",
    )
    pictures = {0: IMAGES[0], 2: IMAGES[1], 5: IMAGES[2], 7: IMAGES[3]}
    for number, text in enumerate(told):
        images = (ImageInput(path=str(EXAMPLES / pictures[number])),) if number in pictures else ()
        yield TurnInput(text=text, images=images)


async def measured() -> None:
    """Prints one line a turn, then the sizes."""
    with tempfile.TemporaryDirectory() as directory:
        settings = load_settings()
        knowledge = settings.knowledge if settings.knowledge.directory else settings.knowledge.model_copy(
            update={"directory": settings.data_directory / "index"}
        )  # fmt: skip
        settings = settings.model_copy(update={"data_directory": Path(directory), "knowledge": knowledge})
        deps = build(settings)
        deps = replace(deps, images=DiskImageStore(Path(directory) / "images", settings.intake))
        try:
            async with open_saver(settings) as saver:
                conversations = Conversations(deps, saver)
                for turn in turns():
                    started = time.perf_counter()
                    reply = await conversations.say("bench", turn)
                    spent = time.perf_counter() - started
                    size = _size(Path(directory), FILE)
                    print(f"turn {reply.turn:2}  {reply.kind:6}  {spent:6.2f} s  files {size / 1024:8.0f} KiB")
                kept = [saved.checkpoint async for saved in saver.alist({"configurable": {"thread_id": "bench"}})]
                thread = sum(len(saver.serde.dumps_typed(checkpoint)[1]) for checkpoint in kept)
        finally:
            deps.thresholds.close()
        print(f"thread: {thread / 1024:.0f} KiB in its checkpoint; database {_size(Path(directory), FILE) / 1024:.0f} KiB after closing; "
              f"images {_size(Path(directory) / 'images', '') / 1024:.0f} KiB")  # fmt: skip


def _size(directory: Path, prefix: str) -> int:
    return sum(path.stat().st_size for path in directory.rglob(f"{prefix}*") if path.is_file())


if __name__ == "__main__":
    asyncio.run(measured())
