"""One OpenAI-compatible chat server: its address, its model, its failures. Knows nothing of medicine.

Failures become two errors. `ReasonerUnreachable`, retryable: no connection, a dropped one, 429 or 5xx after all attempts, the
deadline. `ReasonerError`: the server understood and refused (other 4xx), or answered something that is no chat completion.
The API key stands in neither, and library errors are not chained to them, because a server may echo the key in its message.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from opentelemetry.trace import SpanKind
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter

from agent.domain import Usage
from agent.errors import ContextOverflow, ReasonerError, ReasonerUnreachable
from agent.reasoners.circuit import Circuit
from agent.reasoners.listening import listener
from agent.reasoners.responses import Response, responses, usage
from agent.reasoners.streaming import BrokenStream, gathered
from agent.reasoners.tap import ASK, TapAnswer, detect
from agent.settings import Vllm
from agent.spans import span

log = logging.getLogger(__name__)
LONGEST_MESSAGE = 300
BROKEN_OFF = ("RemoteProtocolError", "ReadError")
"""What the client library names as the cause of a connection error when the server went away in the middle of its answer."""
IMAGE_LIMIT = re.compile(r"[Aa]t most (\d+) image")
"""How vLLM refuses a prompt with too many images."""
LONGEST_WAIT = 30.0
"""Seconds; a longer Retry-After is not waited for."""
T = TypeVar("T")
Completion = dict[str, Any]
"""A chat completion as the server's JSON, not validated."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the model. `top_logprobs` None asks for no log-probabilities at all; `tap` asks for the entropy tap besides.

    `schema`: a JSON schema that the answer must follow. `begun`: the messages end with the beginning of the model's own answer, which it goes
    on with.
    """

    messages: Sequence[ChatCompletionMessageParam]
    temperature: float
    max_tokens: int
    seed: int
    n: int = 1
    top_logprobs: int | None = None
    tap: bool = False
    schema: Mapping[str, Any] | None = None
    begun: bool = False

    def fields(self, model: str, limit: int | None) -> dict[str, Any]:
        """As the client library takes it; `limit` new tokens, None for what the context has room for."""
        asked: dict[str, Any] = {"model": model, "messages": self.messages, "temperature": self.temperature, "seed": self.seed, "n": self.n}
        if limit is not None:
            asked["max_tokens"] = limit
        if self.top_logprobs is not None:
            asked |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        if self.schema is not None:
            asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(self.schema), "strict": True}}
        body = (ASK if self.tap else {}) | ({"add_generation_prompt": False, "continue_final_message": True} if self.begun else {})
        return asked | ({"extra_body": body} if body else {})


    def told(self, model: str) -> dict[str, str | int | float]:
        """The request for a span: what was asked for, and nothing of its words."""
        return {
            "gen_ai__operation__name": "chat",
            "gen_ai__provider__name": "vllm",
            "gen_ai__request__model": model,
            "gen_ai__request__temperature": self.temperature,
            "gen_ai__request__max_tokens": self.max_tokens,
            "gen_ai__request__choice__count": self.n,
            "gen_ai__request__seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """All answers of one request, in order, and what they cost."""

    responses: tuple[Response, ...]
    usage: Usage


class ChatServer:
    """A client of one server. `model` is the served name once it is known, `image_limit` the images a prompt may hold once it refused more."""

    def __init__(self, settings: Vllm) -> None:
        self._settings = settings
        self._client = AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key,
            max_retries=0,  # tenacity below is the only place that retries
            timeout=openai.Timeout(settings.deadline, connect=settings.connect_timeout),
        )
        self.model: str | None = settings.model
        self.image_limit: int | None = None
        self._tap: TapAnswer | None = None
        self._context: int | None = None
        self._listed = False
        self._circuit = Circuit(settings.circuit_failures, settings.circuit_pause)
        parts = urlsplit(settings.base_url)
        self.host = parts.netloc.rpartition("@")[2]  # without user name and password
        self.address = f"{parts.scheme}://{self.host}{parts.path}"

    async def aclose(self) -> None:
        await self._client.close()

    async def model_name(self) -> str:
        """The configured model, else the first one the server lists; asked once."""
        if self.model is None:
            listed, _ = await self._reliably(self._list_models)
            if not listed:
                raise ReasonerError(f"{self.address} serves no model; start it with one, or set vllm.model")
            self.model = listed[0]
        return self.model

    async def _list_models(self) -> list[str]:
        page = await self._client.models.list()
        data = getattr(page, "data", None)  # a page that is not JSON comes back as a string
        found = [model for model in data or () if getattr(model, "id", None)]
        lengths = [length for model in found if isinstance(length := getattr(model, "max_model_len", None), int)]
        self._context, self._listed = lengths[0] if lengths else None, True
        return [model.id for model in found]

    async def taps(self) -> TapAnswer:
        """Whether the server has the entropy tap; asked once, and again after an answer that lacked its mark."""
        if self._tap is None:
            model = await self.model_name()

            async def ask() -> TapAnswer:
                return await detect(self._client, model)

            found, _ = await self._reliably(ask)
            log.info("%s: entropy tap %s", self.address, "found" if found.there else f"not used: {found.why}")
            self._tap = found
        return self._tap

    async def complete(self, request: Request) -> Answered:
        """One request, retried while it makes sense. Streamed where somebody listens and one answer is asked for.

        A server whose context is too short for `max_tokens` is asked once more to use what it has.
        """
        model = await self.model_name()
        heard = listener() if request.n == 1 else None

        async def ask(limit: int | None) -> Completion:
            fields = request.fields(model, limit)
            if heard is not None:
                stream = await self._client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True})
                return await gathered(stream, heard)
            # The JSON itself: the client library would make an object of every token, which takes longer than the rest of a case.
            raw = await self._client.chat.completions.with_raw_response.create(**fields)
            return self._read(raw.http_response.content)

        async def ask_within_context() -> Completion:
            try:
                return await ask(request.max_tokens)
            except openai.BadRequestError as error:
                if not _is_about_length(error):
                    raise
                log.info("%s has no room for %d new tokens; asking for what is left", self.address, request.max_tokens)
                return await ask(None)

        async def ask_within_limits() -> Completion:
            nonlocal request
            try:
                return await ask_within_context()
            except openai.BadRequestError as error:
                few = IMAGE_LIMIT.search(str(error))
                if few is None:
                    raise
                if self.image_limit is None:
                    log.warning("%s takes %s images a prompt; the others are left out", self.address, few[1])
                self.image_limit = int(few[1])
                request = replace(request, messages=_with_images(request.messages, self.image_limit))
                return await ask_within_context()

        started = time.monotonic()
        with span(f"chat {model}", SpanKind.CLIENT, **request.told(model)) as current:
            completion, retries = await self._reliably(ask_within_limits)
            counted = usage(completion)
            current.set_attribute("gen_ai.usage.input_tokens", counted.prompt_tokens)
            current.set_attribute("gen_ai.usage.output_tokens", counted.completion_tokens)
            current.set_attribute("fovea.retries", retries)
        read = responses(completion, request.temperature if request.tap else None)
        if request.tap and any(token.entropy is None for response in read for token in response.tokens):
            self._tap = None
        spent = counted.model_copy(update={"retries": retries, "seconds": round(time.monotonic() - started, 3)})
        return Answered(read, spent)

    def _read(self, content: bytes) -> Completion:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list) or not answer["choices"]:
            raise ReasonerError(f"{self.address} answered with something that is no chat completion; is it OpenAI-compatible?")
        return answer

    async def token_count(self, text: str) -> int | None:
        """Tokens of a text by the model's own tokenizer (vLLM's /tokenize); None where the server has no such address."""
        model = await self.model_name()
        address = f"{self.address.removesuffix('/').removesuffix('/v1')}/tokenize"

        async def ask() -> int | None:
            try:
                said = await self._client.post(address, body={"model": model, "prompt": text, "add_special_tokens": False}, cast_to=object)
            except (openai.NotFoundError, openai.BadRequestError):
                return None
            count = said.get("count") if isinstance(said, dict) else None
            return count if isinstance(count, int) else None

        return (await self._reliably(ask))[0]

    async def context_length(self) -> int | None:
        """Tokens of prompt and answer together that the served model takes (vLLM tells it with the list of models), else None."""
        await self.model_name()
        if self._context is None and not self._listed:
            try:
                await self._reliably(self._list_models)
            except ReasonerError:
                self._listed = True
        return self._context

    async def _reliably(self, call: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        """The result and how many attempts failed before it. The circuit hears how it went."""
        self._circuit.enter()
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_transient), stop=self._gives_up, wait=_wait, before_sleep=self._note, reraise=True
        )
        try:
            result = await self._within_deadline(retrying, call)
        except ReasonerUnreachable as error:
            self._circuit.failed(str(error))
            raise
        except ReasonerError:
            self._circuit.succeeded()  # it answered, if only to refuse
            raise
        except BaseException:
            self._circuit.abandoned()
            raise
        self._circuit.succeeded()
        return result, int(retrying.statistics.get("attempt_number", 1)) - 1

    async def _within_deadline(self, retrying: AsyncRetrying, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._settings.deadline):
                return await retrying(call)
        except TimeoutError:
            raise ReasonerUnreachable(f"{self.address} did not answer within {self._settings.deadline:g} s (vllm.deadline)") from None
        except (openai.OpenAIError, BrokenStream) as error:
            self._raise(error)

    def _gives_up(self, state: RetryCallState) -> bool:
        """After all attempts, and before a further attempt to connect would take longer than all connect timeouts together."""
        settings = self._settings
        if state.attempt_number >= settings.attempts:
            return True
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, openai.APITimeoutError):  # of connecting: the deadline ends a slow answer before its own timeout does
            longest = (state.seconds_since_start or 0.0) + _wait(state) + settings.connect_timeout
            return longest > settings.attempts * settings.connect_timeout
        return False

    def _note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.info("%s: %s; attempt %d of %d", self.address, type(error).__name__, state.attempt_number, self._settings.attempts)

    def _raise(self, error: openai.OpenAIError | BrokenStream) -> NoReturn:
        if isinstance(error, BrokenStream) or type(error.__cause__).__name__ in BROKEN_OFF:
            raise ReasonerUnreachable(
                f"{self.address} broke off in the middle of its answer ({self._settings.attempts} attempts); nothing of it was kept"
            ) from None
        if isinstance(error, openai.APIStatusError):
            said = f"{self.address} answered {error.status_code}: {self._message(error)}"
            if _is_transient(error):
                raise ReasonerUnreachable(f"{said} ({self._settings.attempts} attempts)") from None
            if isinstance(error, openai.BadRequestError) and _is_about_length(error):
                raise ContextOverflow(said) from None
            raise ReasonerError(said) from None
        if isinstance(error, openai.APIConnectionError):
            cause = type(error.__cause__).__name__ if error.__cause__ else "no connection"
            raise ReasonerUnreachable(f"no answer from the model server at {self.address} ({cause}); start it, or set vllm.base_url") from None
        raise ReasonerError(f"{self.address} answered with something unreadable ({type(error).__name__})") from None

    def _message(self, error: openai.APIStatusError) -> str:
        """The server's own words, on one line, without the API key."""
        body = error.body
        words = body.get("message") if isinstance(body, dict) else None
        line = " ".join(str(words or body or error.response.reason_phrase).split())
        key = self._settings.api_key
        if key and key != "EMPTY":
            line = line.replace(key, "***")
        return line if len(line) <= LONGEST_MESSAGE else line[:LONGEST_MESSAGE] + "…"


def _with_images(messages: Sequence[ChatCompletionMessageParam], most: int) -> list[ChatCompletionMessageParam]:
    """The messages with their first `most` images each."""
    kept: list[Any] = []
    for message in messages:
        content: Any = message.get("content")
        if isinstance(content, list):
            images = [part for part in content if part["type"] == "image_url"][:most]
            content = [part for part in content if part["type"] != "image_url" or part in images]
        kept.append({**message, "content": content})
    return kept


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 429) or error.status_code >= 500
    return isinstance(error, (openai.APIConnectionError, BrokenStream))


def _is_about_length(error: openai.BadRequestError) -> bool:
    said = str(error).lower()
    return "max_tokens" in said or "context length" in said


_backoff = wait_exponential_jitter(multiplier=0.2, max=8, jitter=0.2)


def _wait(state: RetryCallState) -> float:
    """Exponential with jitter, or what the server asks for in Retry-After where that is longer, seconds."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    return max(_backoff(state), min(float(asked), LONGEST_WAIT) if asked.isdigit() else 0.0)
