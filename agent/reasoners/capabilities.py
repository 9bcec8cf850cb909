"""Tries everything the agent needs of a model server, and says what is missing and what will be used instead."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import httpx
import openai
from openai import AsyncOpenAI
from PIL import Image

from agent.errors import ReasonerError
from agent.reasoners import prompting
from agent.reasoners.chat_server import ChatServer
from agent.reasoners.profile import Profile
from agent.reasoners.tap import detect
from agent.settings import Vllm

CAPS = (20, 5, 1, 0)
"""Numbers of log-probabilities that are tried, most first."""
SIDE = 112
WORDS = "Which nerve carries sight?"


@dataclass(frozen=True, slots=True)
class Capability:
    """`there`: whether the server has it; `found`: what was seen; `instead`: what the agent does without it. `needed`: it cannot do without."""

    name: str
    there: bool
    found: str
    instead: str
    needed: bool
    seconds: float


class Missing(Exception):
    """The server answered, and does not have it."""


class Checker:
    """Probes one server with the words and limits of one profile."""

    def __init__(self, settings: Vllm, profile: Profile) -> None:
        self._profile = profile
        self._server = ChatServer(settings)
        self._client = AsyncOpenAI(base_url=settings.base_url, api_key=settings.api_key, max_retries=1, timeout=settings.deadline)
        self._model = ""
        self._taps = False

    async def check(self) -> list[Capability]:
        """Every capability, in the order of need. Where the server cannot be reached the first one says so and the rest is left out."""
        try:
            found = [await self._tried("models listed", self._models, "nothing: the agent needs a model", needed=True)]
            if found[0].there:
                for name, probe, instead, needed in self._probes():
                    found.append(await self._tried(name, probe, instead, needed=needed))
            return found
        finally:
            await self._server.aclose()
            await self._client.close()

    def _probes(self) -> list[tuple[str, Callable[[], Awaitable[str]], str, bool]]:
        return [
            ("an answer", self._answer, "nothing: the agent needs answers", True),
            ("one image", lambda: self._images(1), "the localizer's findings in words", False),
            (f"{self._profile.max_images} images in order", self._several, "the first image alone: lower max_images of the profile", False),
            ("n answers in one request", self._samples, "nothing: set dial.max_rounds to 0", False),
            ("entropy tap", self._tap, "bounds from the likeliest tokens", False),
            ("log-probabilities", self._logprobs, "doubt is taken at its largest: every case goes deep, then to a human", False),
            ("letter distribution", self._letters, "the share of sampled answers for each letter", False),
            ("structured output", self._schema, "tags, read tolerantly", False),
            ("a begun answer", self._prefill, "a thought that is cut off stays without an answer", False),
            ("streaming", self._stream, "nothing is shown while the model writes", False),
            ("its tokenizer", self._tokenizer, "tokens are estimated from characters", False),
            ("the same answer for a seed", self._seed, "sampled answers cannot be repeated", False),
        ]

    async def _tried(self, name: str, probe: Callable[[], Awaitable[str]], instead: str, *, needed: bool) -> Capability:
        started = time.monotonic()
        try:
            there, found = True, await probe()
        except (Missing, ReasonerError) as error:
            there, found = False, str(error)
        except (openai.OpenAIError, httpx.HTTPError) as error:
            body = error.body if isinstance(error, openai.APIStatusError) else None
            said = (body.get("message") if isinstance(body, dict) else None) or error
            there, found = False, " ".join(str(said).split())[:200]
        return Capability(name, there, found, "" if there else instead, needed, round(time.monotonic() - started, 2))

    async def _ask(self, content: object = WORDS, **fields: Any) -> Any:
        asked: dict[str, Any] = {"temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": content}], **fields}
        answer = await self._client.chat.completions.create(model=self._model, **asked)
        if not getattr(answer, "choices", None):
            raise Missing("the answer is no chat completion")
        return answer

    async def _models(self) -> str:
        self._model = await self._server.model_name()
        length = await self._server.context_length()
        return f"{self._model}, {f'{length} tokens of context' if length else 'its context is not told'}"

    async def _answer(self) -> str:
        answer = await self._ask()
        return f"{answer.usage.completion_tokens if answer.usage else 'some'} tokens"

    async def _images(self, count: int) -> str:
        colours = [(40 * n % 256, 90, 30) for n in range(count)]
        parts = [{"type": "image_url", "image_url": {"url": prompting.data_url(Image.new("RGB", (SIDE, SIDE), c), SIDE)}} for c in colours]
        plain = await self._ask([{"type": "text", "text": "What is it?"}])
        shown = await self._ask([{"type": "text", "text": "What is it?"}, *parts])
        if plain.usage is None or shown.usage is None:
            return "accepted; the server counts no tokens"
        more = shown.usage.prompt_tokens - plain.usage.prompt_tokens
        if more < count:
            raise Missing("accepted, and the prompt did not grow by it")
        return f"{more} prompt tokens for {count} of {SIDE} by {SIDE} pixels"

    async def _several(self) -> str:
        return await self._images(self._profile.max_images)

    async def _samples(self) -> str:
        answer = await self._ask(n=3, temperature=1.0, seed=1)
        if len(answer.choices) != 3:
            raise Missing(f"3 were asked for, {len(answer.choices)} came")
        return "3 of 3"

    async def _tap(self) -> str:
        found = await detect(self._client, self._model)
        if not found.there:
            raise Missing(found.why)
        self._taps = True
        return "exact entropies over the whole vocabulary"

    async def _logprobs(self) -> str:
        refused = ""
        for cap in CAPS:
            try:
                answer = await self._ask(logprobs=True, top_logprobs=cap)
            except openai.BadRequestError as error:
                refused = " ".join(str(error).split())[:120]
                continue
            tokens = getattr(answer.choices[0].logprobs, "content", None)
            if not tokens:
                raise Missing("none came")
            if not self._taps and max(token.logprob for token in tokens) > 1e-3:
                raise Missing("what came are no log-probabilities: serve with --logprobs-mode raw_logprobs, or with the tap")
            return f"up to {cap} a token" + (f"; more: {refused}" if refused else "")
        raise Missing(refused)

    async def _letters(self) -> str:
        answer = await self._ask("Answer with one letter, A or B.", logprobs=True, top_logprobs=5, max_tokens=1)
        tokens = getattr(answer.choices[0].logprobs, "content", None)
        if not tokens or len(tokens[0].top_logprobs) < 2:
            raise Missing("fewer than two alternatives a token came")
        return "from the alternatives of the token that spells the letter"

    async def _schema(self) -> str:
        answers = {"answer": {"type": "string", "enum": ["A", "B"]}}
        schema = {"type": "object", "properties": answers, "required": ["answer"], "additionalProperties": False}
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        answer = await self._ask("Answer A or B as JSON.", response_format=form, max_tokens=64)
        text = answer.choices[0].message.content or ""
        try:
            read = json.loads(text)
        except ValueError:
            read = None
        if not isinstance(read, dict) or read.get("answer") not in ("A", "B"):
            raise Missing(f"the schema was not kept: {text[:60]!r}")
        return text

    async def _prefill(self) -> str:
        messages = [{"role": "user", "content": WORDS}, {"role": "assistant", "content": "The lens is"}]
        ended = await self._ask(messages=messages)
        begun = await self._ask(messages=messages, extra_body={"add_generation_prompt": False, "continue_final_message": True})
        if ended.usage is None or begun.usage is None:
            raise Missing("it was accepted, but the server counts no tokens to tell whether it went on with the answer")
        if begun.usage.prompt_tokens >= ended.usage.prompt_tokens:
            raise Missing("it was accepted, and a new answer was begun")
        return "the answer is gone on with"

    async def _stream(self) -> str:
        pieces = 0
        async for chunk in await self._client.chat.completions.create(
            model=self._model, messages=[{"role": "user", "content": WORDS}], max_tokens=8, temperature=0, stream=True
        ):
            pieces += bool(chunk.choices)
        if pieces < 2:
            raise Missing("everything came in one piece")
        return f"{pieces} pieces"

    async def _tokenizer(self) -> str:
        count = await self._server.token_count("central retinal vein occlusion")
        if count is None:
            raise Missing("no /tokenize address")
        return f"{count} tokens for four words"

    async def _seed(self) -> str:
        asked = {"temperature": 1.0, "seed": 7, "max_tokens": 16}
        first, second = [(await self._ask(**asked)).choices[0].message.content for _ in range(2)]
        if first != second:
            raise Missing("two answers to one seed differ")
        return "two answers alike"


def as_data(found: list[Capability]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(each) for each in found]
