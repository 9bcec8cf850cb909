"""The channels of a conversation. One thread is one case; image bytes never enter, their hashes do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from agent.conversation.values import Change, Question, ReplyKind, TurnInput
from agent.domain import AnswerOption, CaseReport, Demographics, TriageDecision
from agent.errors import StageError
from agent.evidence import Claim
from agent.values import Value
from tools.language import READ_LANGUAGES, detect

SCHEMA_VERSION = 1
AskedAnswer = Literal["open", "known", "unknown"]


class Statement(Value):
    """Facts told in one turn, in the words in which they join the narrative."""

    turn: int
    told: datetime
    text: str


class Asked(Value):
    """A question that was put, and what became of it. What was asked once is not asked again."""

    question: Question
    answer: AskedAnswer = "open"


class Heard(Value):
    """What a turn was found to say. `facts` bear on the case; `unread` are statements in which nothing could be read.
    `numbers` are those among the facts that were read as no value; `answered`: the pending question was answered, `unknown`: with "not known".
    """

    facts: str = ""
    unread: str = ""
    numbers: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    options: bool = False
    answered: bool = False
    unknown: bool = False
    first: bool = False

    @property
    def walks(self) -> bool:
        """Whether something was said that the case must be walked for."""
        return self.first or bool(self.facts or self.images or self.options)


class Turn(Value):
    """A turn as it is kept. `walk` is the index of the report it was answered from: the report itself is kept once."""

    turn: int
    input: TurnInput
    kind: ReplyKind
    text: str
    claims: tuple[Claim, ...]
    walk: int
    change: Change | None = None
    question: Question | None = None


class ConversationInput(TypedDict):
    """All that a caller may set. `number` counts the turns of the case from 1, `told` is when this one was said."""

    case_id: str
    number: int
    turn: TurnInput
    told: datetime


class ConversationState(TypedDict, total=False):
    """`turn` is the one being worked on, the `number`-th of the case; `turns` are those that were answered; `reports` one per walk;
    `statements`, `images` and `options` are what the next walk is given; `floor` is the red-flag floor reached so far."""

    schema_version: int
    case_id: str
    created: datetime
    told: datetime
    number: int
    turn: TurnInput
    heard: Heard
    statements: tuple[Statement, ...]
    images: tuple[str, ...]
    options: tuple[AnswerOption, ...]
    demographics: Demographics
    floor: TriageDecision
    reports: tuple[CaseReport, ...]
    turns: tuple[Turn, ...]
    asked: tuple[Asked, ...]
    pending: Question | None


def narrative(statements: Sequence[Statement]) -> str:
    """What was told first, then each addition under the day it was told.

    Statements in a language that is not read are left out once there is one that is: together they would be taken for one text in that
    language, and nothing of the other would be read.
    """
    read = [each for each in statements if detect(each.text) in READ_LANGUAGES] or list(statements)
    first, later = read[:1], read[1:]
    return "\n\n".join((*(each.text for each in first), *(f"Added {each.told.day} {each.told:%B %Y}:\n{each.text}" for each in later)))


Update = dict[str, Any]
_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    channel: TypeAdapter(kind, config=None if isinstance(kind, type) and issubclass(kind, Value) else ConfigDict(strict=True))
    for channel, kind in get_type_hints(ConversationState).items()
}


def validated(node: str, update: Mapping[str, object]) -> Update:
    """The update, each value checked against its channel, as `agent.state.validated`. Raises `StageError` naming node and channel."""
    checked: Update = {}
    for channel, value in update.items():
        if channel not in _ADAPTERS:
            raise StageError(f"node {node!r} wrote to unknown channel {channel!r}")
        try:
            checked[channel] = _ADAPTERS[channel].validate_python(value)
        except ValidationError as error:
            problem = error.errors()[0]
            raise StageError(f"node {node!r} wrote a bad {channel!r}: {problem['msg']} at {problem['loc']!r}") from error
    return checked


def of(state: ConversationState, channel: str) -> tuple[Any, ...]:
    """A channel that grows, as a tuple: a checkpoint gives lists back."""
    return tuple(state.get(channel, ()))  # type: ignore[arg-type]
