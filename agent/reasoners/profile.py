"""A profile: the prompt contract, sampling and limits of one kind of model, kept as data in `profiles/*.yaml`."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from agent.errors import SettingsError
from agent.values import Value

QuestionKind = Literal["open", "single", "multiple"]
PLACEHOLDER = "{Question}"
Text = Annotated[str, Field(min_length=1)]


class Templates(Value):
    """The user's text for each kind of question; `{Question}` stands for the question."""

    open: Text
    single: Text
    multiple: Text

    @model_validator(mode="after")
    def _has_placeholder(self) -> Templates:
        for kind, template in self:
            if template.count(PLACEHOLDER) != 1:
                raise ValueError(f"template {kind!r} must contain {PLACEHOLDER} exactly once")
        return self


class Context(Value):
    """Headings of what is added to the question when a case is thought over again."""

    findings: Text
    candidates: Text
    evidence: Text
    argue: Annotated[str, Field(pattern=r"\{candidate\}", description="asks for one candidate to be argued for and against")]
    arguments: Text
    closeups: Text


class ImageTokens(Value):
    """How many tokens an image costs: `patches` of `side` pixels with `tokens` each, or up to `most` tiles and a thumbnail."""

    kind: Literal["patches", "tiles"]
    side: Annotated[int, Field(ge=1)]
    tokens: Annotated[int, Field(ge=1)] = 1
    most: Annotated[int, Field(ge=1)] = 1


class Serving(Value):
    """What `fovea model serve` needs to know of the model."""

    model: Annotated[str, Field(description="the published name, served unless a path is given; empty: none")]
    trust_remote_code: Annotated[bool, Field(description="the checkpoint brings its own Python, which the server would run")] = False
    max_model_len: Annotated[int, Field(ge=1024, description="tokens of prompt and answer together")]


class Profile(Value):
    """How to talk to one kind of model. The image parts follow the text part, as JPEG data URLs."""

    name: Text
    source: Annotated[str, Field(min_length=1, description="where the prompts come from")]
    system: Text
    templates: Templates
    context: Context
    option_line: Annotated[str, Field(pattern=r"\{key\}.*\{text\}", description="how one answer option is written")]
    empty_question: Annotated[str, Field(min_length=1, description="asked when the narrative is empty")]
    max_images: Annotated[int, Field(ge=0, description="images per prompt; further ones are not sent")]
    max_image_side: Annotated[int, Field(ge=28, description="longest side of an image sent, pixels")]
    temperature: Annotated[float, Field(ge=0, description="of the first pass")]
    sampling_temperature: Annotated[float, Field(gt=0, description="of the sampled answers of a deliberation round")]
    max_tokens: Annotated[int, Field(ge=1, description="new tokens per answer")]
    seed: int
    vocabulary: Annotated[int, Field(ge=2, description="tokens the model can choose from; too large keeps the upper bound a bound")]
    initial_threshold: Annotated[float, Field(gt=0, description="nats of mean answer-token entropy where deeper thinking starts")]
    image_tokens: ImageTokens
    boxes: Annotated[bool, Field(description="writes boxes as <ref>...</ref><box>[[x1, y1, x2, y2]]</box>, integers 0 to 999")] = False
    structured_output: Annotated[bool, Field(description="ask for thinking and answer as a JSON object instead of tags")] = False
    serving: Serving
    findings_in_first_pass: Annotated[bool, Field(description="tell the model the localizer's findings already in the first pass")]

    def user_text(self, kind: QuestionKind, question: str) -> str:
        """The template with the question in its place; braces in the question stay as they are."""
        template: str = getattr(self.templates, kind)
        return template.replace(PLACEHOLDER, question)

    @property
    def prompt_hashes(self) -> dict[str, str]:
        """sha256 (hex) of each prompt string, for the trace."""
        prompts = {"system": self.system, "empty_question": self.empty_question, "option_line": self.option_line}
        prompts |= {f"templates.{kind}": text for kind, text in self.templates}
        prompts |= {f"context.{part}": text for part, text in self.context}
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(prompts.items())}

    @property
    def prompt_fingerprint(self) -> str:
        """First 12 hex digits of a sha256 over all prompt hashes: it changes when any prompt does."""
        joined = "\n".join(f"{name} {digest}" for name, digest in self.prompt_hashes.items())
        return hashlib.sha256(joined.encode()).hexdigest()[:12]


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with Fovea, sorted."""
    files = resources.files("agent.reasoners").joinpath("profiles").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


@cache
def load_profile(name: str) -> Profile:
    """The profile of this name. Raises `SettingsError` for an unknown name, naming the known ones, and for a damaged file."""
    try:
        return Profile.model_validate({**_fields(name), "name": name})
    except (ValidationError, yaml.YAMLError) as error:
        raise SettingsError(f"profile file {name}.yaml is damaged: {error}") from error


def _fields(name: str) -> dict[str, Any]:
    if name not in profile_names():
        raise SettingsError(f"vllm.profile is {name!r}; known profiles: {', '.join(profile_names())}")
    text = resources.files("agent.reasoners").joinpath("profiles", f"{name}.yaml").read_text(encoding="utf-8")
    fields = yaml.safe_load(text)
    if not isinstance(fields, dict):
        raise SettingsError(f"profile file {name}.yaml is damaged: a mapping is expected, not {type(fields).__name__}")
    base = fields.pop("extends", None)
    return fields if base is None else {**_fields(base), **fields}
