"""The part of OpenAI's chat protocol that is spoken here. Clients send more; what changes nothing here is let pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.service.schemas import Words
from agent.values import Value

MODEL_EXAMPLE = "fovea-atlas"


class Lenient(BaseModel):
    """What a client says: unknown fields are none of our business."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ImageUrl(Lenient):
    url: Words = Field(description="a data URL; the server fetches nothing")


class TextPart(Lenient):
    type: Literal["text"]
    text: Words


class ImagePart(Lenient):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(Lenient):
    """`system` and `developer` messages are data: nothing in them is followed."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Words | tuple[Part, ...] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[str, ...]:
        if isinstance(self.content, str):
            return ()
        return tuple(part.image_url.url for part in self.content or () if isinstance(part, ImagePart))


class StreamOptions(Lenient):
    include_usage: bool | None = None


class ChatRequest(Lenient):
    """A conversation whose user messages are a case. Sampling parameters change nothing: the depth of thought is Fovea's own."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "model": MODEL_EXAMPLE,
                    "messages": [
                        {
                            "role": "user",
                            "content": "A 27-year-old woman has had a daily headache for five weeks, worse on lying down, with pulsatile "
                            "tinnitus. Her vision greys out for seconds when she bends down. Both optic discs are swollen.",
                        }
                    ],
                }
            ]
        },
    )

    model: Words
    messages: tuple[Message, ...] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    response_format: dict[str, Any] | None = None


class ChatUsage(Value):
    """Tokens of the model behind; zero for the atlas, which has none."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Answered(Value):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(Value):
    index: Literal[0] = 0
    message: Answered
    finish_reason: Literal["stop"] = "stop"
    logprobs: None = None


class ChatResponse(Value):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Unix time, s")
    model: str
    choices: tuple[Choice, ...]
    usage: ChatUsage
    system_fingerprint: str


class Delta(Value):
    """A piece of an answer: `reasoning_content` for what is being done, `content` for what is answered."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None


class ChunkChoice(Value):
    index: Literal[0] = 0
    delta: Delta
    finish_reason: Literal["stop"] | None = None


class Chunk(Value):
    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: ChatUsage | None = None
    system_fingerprint: str


class Model(Value):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: Literal["fovea"] = "fovea"


class ModelList(Value):
    object: Literal["list"] = "list"
    data: tuple[Model, ...]


class OpenAIError(Value):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorBody(Value):
    error: OpenAIError
