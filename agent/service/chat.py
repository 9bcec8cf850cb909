"""A chat as a case: which of its messages say what the patient has, and which ask about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.errors import InputError
from agent.service.schemas_openai import ChatRequest, Message
from agent.values import Value

SYSTEM_NOTE = "The system message was neither followed nor read as part of the case: say what the patient has in a user message."
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")


class Chat(Value):
    """What is to be said to a case: its facts, then a question if there is one. `images` are data URLs, each once, in order."""

    facts: str
    question: str
    images: tuple[str, ...]
    note: str


def read(request: ChatRequest) -> Chat:
    """The case a chat amounts to. Raises `InputError` for one that is none.

    All that users said in all messages is the case, and all their images are; what assistants said is ours or another's and no fact.
    A later message of questions alone asks about the case and states nothing: only the last is answered, the ones before it were.
    """
    if (request.n or 1) != 1:
        raise InputError("one answer is given to a case, not several: leave n out")
    if request.response_format is not None and request.response_format.get("type", "text") != "text":
        raise InputError("the answer is a report in Markdown: leave response_format out (POST /api/cases answers typed JSON)")
    users = [m for m in request.messages if m.role == "user"]
    if not any(m.text.strip() or m.images for m in users):
        raise InputError("no user message says anything: give a narrative, an image, or both")
    first, *later = users
    asks = later[-1] if later and _only_asks(later[-1]) else None
    facts = [m.text.strip() for m in (first, *later) if m is first or not _only_asks(m)]
    return Chat(
        facts="\n".join(text for text in facts if text),
        question=asks.text.strip() if asks is not None else "",
        images=_each_once(users),
        note=SYSTEM_NOTE if any(m.role in ("system", "developer") and m.text.strip() for m in request.messages) else "",
    )


def only_questions(text: str) -> bool:
    """Whether every sentence asks.

    >>> only_questions("Why not a vein occlusion?"), only_questions("The ESR is 80. Is it arteritis?"), only_questions("")
    (True, False, False)
    """
    sentences = [s.strip() for s in _SENTENCE.findall(text) if s.strip()]
    return bool(sentences) and all(s.endswith("?") for s in sentences)


def _only_asks(message: Message) -> bool:
    return not message.images and only_questions(message.text)


def _each_once(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url for message in messages for url in message.images))
