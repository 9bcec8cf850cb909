"""One OpenAI-compatible chat server: its address, its model, its failures. Knows nothing of medicine.

Failures become two errors. `ReasonerUnreachable`, retryable: no connection, a dropped one, 429 or 5xx after all attempts, the
deadline. `ReasonerError`: the server understood and refused (other 4xx), or answered something that is no chat completion.
The API key stands in neither, and library errors are not chained to them, because a server may echo the key in its message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

import openai
from openai import AsyncOpenAI, omit
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter

from agent.errors import ContextOverflow, ReasonerError, ReasonerUnreachable
from agent.settings import Vllm

log = logging.getLogger(__name__)
LONGEST_MESSAGE = 300
LONGEST_WAIT = 30.0
"""Seconds; a longer Retry-After is not waited for."""
T = TypeVar("T")


class ChatServer:
    """A client of one server. `model` is the served name once it is known."""

    def __init__(self, settings: Vllm) -> None:
        self._settings = settings
        self._client = AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key,
            max_retries=0,  # tenacity below is the only place that retries
            timeout=openai.Timeout(settings.deadline, connect=settings.connect_timeout),
        )
        self.model: str | None = settings.model
        parts = urlsplit(settings.base_url)
        self.host = parts.netloc.rpartition("@")[2]  # without user name and password
        self.address = f"{parts.scheme}://{self.host}{parts.path}"

    async def aclose(self) -> None:
        await self._client.close()

    async def model_name(self) -> str:
        """The configured model, else the first one the server lists; asked once."""
        if self.model is None:
            listed = await self._reliably(self._list_models)
            if not listed:
                raise ReasonerError(f"{self.address} serves no model; start it with one, or set vllm.model")
            self.model = listed[0]
        return self.model

    async def _list_models(self) -> list[str]:
        page = await self._client.models.list()
        data = getattr(page, "data", None)  # a page that is not JSON comes back as a string
        return [model.id for model in data or () if getattr(model, "id", None)]

    async def complete(
        self,
        messages: Sequence[ChatCompletionMessageParam],
        *,
        temperature: float,
        max_tokens: int,
        seed: int,
        n: int = 1,
        top_logprobs: int | None = None,
    ) -> ChatCompletion:
        """One request, retried while it makes sense. `top_logprobs` None asks for no log-probabilities at all.

        A server whose context is too short for `max_tokens` is asked once more to use what it has.
        """
        model = await self.model_name()

        async def ask(limit: int | None) -> ChatCompletion:
            answer = await self._client.chat.completions.create(
                model=model,
                messages=messages,
                temperature=temperature,
                seed=seed,
                n=n,
                max_tokens=omit if limit is None else limit,
                logprobs=omit if top_logprobs is None else True,
                top_logprobs=omit if top_logprobs is None else top_logprobs,
            )
            if not isinstance(answer, ChatCompletion) or not isinstance(answer.choices, list) or not answer.choices:
                raise ReasonerError(f"{self.address} answered with something that is no chat completion; is it OpenAI-compatible?")
            return answer

        async def ask_within_context() -> ChatCompletion:
            try:
                return await ask(max_tokens)
            except openai.BadRequestError as error:
                if not _is_about_length(error):
                    raise
                log.info("%s has no room for %d new tokens; asking for what is left", self.address, max_tokens)
                return await ask(None)

        return await self._reliably(ask_within_context)

    async def _reliably(self, call: Callable[[], Awaitable[T]]) -> T:
        settings = self._settings
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_transient), stop=self._gives_up, wait=_wait, before_sleep=self._note, reraise=True
        )
        try:
            async with asyncio.timeout(settings.deadline):
                return await retrying(call)
        except TimeoutError:
            raise ReasonerUnreachable(f"{self.address} did not answer within {settings.deadline:g} s (vllm.deadline)") from None
        except openai.OpenAIError as error:
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

    def _raise(self, error: openai.OpenAIError) -> NoReturn:
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


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 429) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def _is_about_length(error: openai.BadRequestError) -> bool:
    said = str(error).lower()
    return "max_tokens" in said or "context length" in said


_backoff = wait_exponential_jitter(multiplier=0.2, max=8, jitter=0.2)


def _wait(state: RetryCallState) -> float:
    """Exponential with jitter, or what the server asks for in Retry-After where that is longer, seconds."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    return max(_backoff(state), min(float(asked), LONGEST_WAIT) if asked.isdigit() else 0.0)
