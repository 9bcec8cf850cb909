"""What is said in a conversation about a case, and what it answers. Frozen; images by hash only. Information is in nats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from agent.domain import AnswerOption, CaseReport, DifferentialEntry, RuleHit, Urgency
from agent.evidence import Claim
from agent.imaging import ImageInput
from agent.values import Nats, Presence, Probability, Value


class TurnInput(Value):
    """What a user says in one turn. `unknown`: the answer to the pending question is "not known"."""

    text: str = ""
    images: tuple[ImageInput, ...] = ()
    options: tuple[AnswerOption, ...] = ()
    unknown: bool = False


class Question(Value):
    """What the case lacks and what knowing it would be worth.

    `expected_gain` is the expected fall of the differential's entropy, in nats; `because` are the candidates it would tell apart.
    """

    finding_id: str
    name: str
    text: str
    expected_gain: Nats
    because: tuple[str, ...] = ()


class Moved(Value):
    """A probability that changed from one walk to the next. None: the condition was not, or is no longer, in the differential."""

    concept_id: str
    name: str
    before: Probability | None
    after: Probability | None


class FindingChange(Value):
    """A finding that is new, or whose presence is another than before (`before` None: it was not known)."""

    finding_id: str
    name: str
    before: Presence | None
    after: Presence


class Change(Value):
    """What a walk changed against the one before it. `summary` says it in words."""

    diagnosis_before: DifferentialEntry | None
    diagnosis_after: DifferentialEntry | None
    probabilities: tuple[Moved, ...]
    urgency_before: Urgency
    urgency_after: Urgency
    time_frame_before: str
    time_frame_after: str
    findings: tuple[FindingChange, ...]
    rules: tuple[RuleHit, ...]
    summary: str


ReplyKind = Literal["walk", "answer", "noted"]
"""walk: the case was walked; answer: a question was answered from what is known; noted: nothing was said that changes the case."""


class Reply(Value):
    """What one turn is answered. `text` is Markdown whose marks [1], [2] … count the claims that carry a supported citation, in order."""

    turn: Annotated[int, Field(ge=1)]
    kind: ReplyKind
    text: str
    claims: tuple[Claim, ...]
    report: CaseReport
    change: Change | None = None
    question: Question | None = None


class Conversation(Value):
    """A case with all that was said. `interrupted`: a turn was stopped at a stage boundary and can be resumed; its input is the last."""

    case_id: str
    created: datetime
    updated: datetime
    inputs: tuple[TurnInput, ...]
    replies: tuple[Reply, ...]
    pending: Question | None = None
    interrupted: bool = False


class StageStarted(Value):
    event: Literal["stage_started"] = "stage_started"
    stage: str


class StageEnded(Value):
    """A stage has ended and what it wrote is saved: a walk stopped here goes on with the next stage."""

    event: Literal["stage_ended"] = "stage_ended"
    stage: str
    seconds: Annotated[float, Field(ge=0)]


class Text(Value):
    """All that a generating model has written of its answer so far."""

    event: Literal["text"] = "text"
    text: str


class RouteTaken(Value):
    """Where the walk goes after a stage, and why."""

    event: Literal["route_taken"] = "route_taken"
    stage: str
    next: str
    reason: str


Event = Annotated[StageStarted | StageEnded | Text | RouteTaken, Field(discriminator="event")]
OnEvent = Callable[[StageStarted | StageEnded | Text | RouteTaken], None]
