"""What goes in and out of the JSON API, with examples that work as they stand on the shipped example case."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from agent.conversation.values import Question, Reply
from agent.domain import AnswerOption, Urgency
from agent.evidence import Evidence
from agent.imaging import ImageRef
from agent.service.keys import Role
from agent.values import Value


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"is not Unicode text (character {error.start}): half of a surrogate pair") from error
    return text


Words = Annotated[str, AfterValidator(_encodable)]
"""JSON lets halves of surrogate pairs through; nothing can store or send them."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
State = Literal["new", "waiting", "running", "interrupted", "failed", "idle"]
"""new: no turn yet; interrupted: a turn was stopped and can be resumed; failed: the last turn was refused or broke, `problem` says why."""
SHIPPED_IMAGE = "2b7d6d6bf69ed87fb9791e552a2f38c609fadf0257fe20461d15a106ec1b0cce"
"""The hash of examples/clear.jpg."""
_CASE = "case-5f1c02b6a7d94e1f8b3a60c9d2e7f415"


def _shown(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class TurnGiven(Value):
    """What is said in one turn: words, images, answer options, or that the answer to the pending question is not known."""

    model_config = _shown(
        {
            "text": "A 61-year-old woman with type 2 diabetes for 18 years reports gradually blurred vision in the right eye over three "
            "months. VA 6/18 RE, 6/9 LE. Fundus of the right eye: microaneurysms, dot and blot haemorrhages and hard exudates close to "
            "the fovea.",
        },
        {"text": "The photograph of the right eye.", "images": [SHIPPED_IMAGE]},
        {
            "text": "A 27-year-old woman has had a daily headache for five weeks, worse on lying down. Both optic discs are swollen.",
            "options": [{"key": "A", "text": "Papilloedema"}, {"key": "B", "text": "Optic neuritis"}],
        },
        {"text": "Why not a central retinal vein occlusion?"},
    )

    text: Words = Field("", description="what the patient said and what was found; or a question about the case")
    images: tuple[Words, ...] = Field(
        (), description="images uploaded before, by sha256, or data URLs (data:image/jpeg;base64,...); the server fetches nothing"
    )
    options: tuple[AnswerOption, ...] = Field((), description="answer options of a multiple-choice question")
    unknown: bool = Field(False, description="the answer to the pending question is not known")


    @field_validator("options")
    @classmethod
    def _readable(cls, options: tuple[AnswerOption, ...]) -> tuple[AnswerOption, ...]:
        for option in options:
            _encodable(option.text)
        return options


class CaseSummary(Value):
    """A case from outside."""

    model_config = _shown(
        {
            "case_id": _CASE,
            "owner": "alice",
            "created": "2026-03-02T09:14:07.512000Z",
            "updated": "2026-03-02T09:14:08.030000Z",
            "state": "idle",
            "turns": 1,
            "headline": "Diabetic macular oedema",
            "urgency": "soon",
            "problem": "",
        }
    )

    case_id: str
    owner: str
    created: datetime
    updated: datetime
    state: State
    turns: int = Field(description="turns answered so far")
    headline: str = Field(description="the last report in a few words")
    urgency: Urgency | None
    problem: str = Field(description="why the last turn failed; empty when it did not")


class CaseList(Value):
    cases: tuple[CaseSummary, ...] = Field(description="the last changed first")


class Said(Value):
    """What was said in a turn; images by their sha256."""

    text: str
    images: tuple[str, ...]
    options: tuple[AnswerOption, ...]
    unknown: bool


class CaseView(Value):
    """A case with all that was said and answered."""

    summary: CaseSummary
    inputs: tuple[Said, ...]
    replies: tuple[Reply, ...]
    pending: Question | None = Field(description="the question the system waits for; answer it in the next turn, or say unknown")


class TurnAccepted(Value):
    """The turn was accepted. `reply` is there when the caller waited for it (`?wait=true`)."""

    model_config = _shown({"case_id": _CASE, "events": f"/api/cases/{_CASE}/events"})

    case_id: str
    events: str = Field(description="where its events are heard, as server-sent events")
    reply: Reply | None = None


class Uploaded(Value):
    """An image the store now holds."""

    model_config = _shown(
        {"sha256": SHIPPED_IMAGE, "size": 116163, "media_type": "image/jpeg", "width": 1600, "height": 1067, "laterality": "unknown"}
    )

    sha256: Sha256
    size: int = Field(description="bytes handed in")
    media_type: str = Field(description="what the bytes are, whatever the request called them")
    width: int = Field(description="pixels, upright")
    height: int = Field(description="pixels, upright")
    laterality: str

    @classmethod
    def of(cls, ref: ImageRef, size: int) -> Uploaded:
        return cls(sha256=ref.sha256, size=size, media_type=ref.media_type, width=ref.width, height=ref.height, laterality=ref.laterality)


class PassageView(Value):
    """A passage of the library or of an ingested document. `span`: first and past-the-last character of the asked quote in `text`."""

    passage: Evidence
    span: tuple[int, int] | None = None


class Who(Value):
    """Who is asking. `csrf`: the token that goes with every change made under a sign-in, in the header x-fovea-csrf."""

    model_config = _shown({"owner": "alice", "role": "clinician"})

    owner: str
    role: Role
    csrf: str = ""
    expires: datetime | None = None


class SignInGiven(Value):
    """The key to sign in with."""

    key: str = Field(max_length=200)


class Health(Value):
    model_config = _shown({"status": "ok"})

    status: Literal["ok", "draining", "failing"]
