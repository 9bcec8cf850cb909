"""A round of deeper thinking with a generating model: candidates argued one by one, then answers sampled until they agree.

What goes into the prompt is fitted to the context by `agent.reasoners.budget`; the samples stop early by `agent.uncertainty.agreed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent import uncertainty
from agent.domain import Usage
from agent.errors import ContextOverflow
from agent.evidence import Evidence
from agent.ports import Dossier, Effort, ImageStore
from agent.reasoners import budget, pictures, prompting
from agent.reasoners.chat_server import ChatServer, Request
from agent.reasoners.parsing import Parsed, parse, shortened
from agent.reasoners.profile import Profile
from agent.reasoners.responses import Response
from agent.semantic_entropy import clusters

FIRST_SAMPLES, MORE_SAMPLES = 4, 3
"""Answers asked for at once: four that agree are enough, and each further request asks for a few."""
MOST_ARGUED = 3
ARGUMENT_TOKENS = 512
LONGEST_ARGUMENT = 800
"""Candidates argued in a round, new tokens for each, and characters of it that are shown to the model again (ours)."""
Meaning = Callable[[Dossier, Parsed], str | None]
"""What an answer says, so that two words for one thing agree; None for an answer that says nothing."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with all that was added to it. `shown` passages of those offered had room; `sent` says in words which images go with it."""

    text: str
    urls: tuple[str, ...]
    shown: int
    sent: str


@dataclass(slots=True)
class Round:
    """What a round asked and got so far."""

    dossier: Dossier
    evidence: Sequence[Evidence]
    effort: Effort
    candidates: Sequence[str]
    arguments: list[tuple[str, str]] = field(default_factory=list)
    samples: list[Response] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    stopped: str = ""
    counted: bool = True


class Deepening:
    """Asks one server, in one profile's words."""

    def __init__(self, profile: Profile, server: ChatServer, images: ImageStore, agreement: float, meaning: Meaning) -> None:
        self._profile, self._server, self._images = profile, server, images
        self._agreement, self._meaning = agreement, meaning

    async def argue(self, this: Round) -> None:
        """One request for each candidate, side by side; their words are the model's own and unverified."""
        prompt = await self.prompt(this, this.candidates[:0])
        asked = this.candidates[:MOST_ARGUED]
        answers = await asyncio.gather(*(self._argument(this, prompt, name) for name in asked))
        for name, (words, spent) in zip(asked, answers, strict=True):
            this.usage += spent
            if words:
                this.arguments.append((name, words))

    async def sample(self, this: Round) -> Prompt:
        """Samples until they agree or the effort is spent. Raises `ContextOverflow` when not even the bare question fits."""
        prompt = await self.prompt(this, this.candidates)
        while len(this.samples) < this.effort.samples:
            wanted = min(MORE_SAMPLES if this.samples else FIRST_SAMPLES, this.effort.samples - len(this.samples))
            try:
                answered = await self._server.complete(self._request(prompt, this.effort, wanted, len(this.samples)))
            except ContextOverflow:
                if this.samples or not (prompt.shown or this.arguments):
                    raise
                this.evidence, this.arguments = this.evidence[: prompt.shown // 2], []
                prompt = await self.prompt(this, this.candidates)
                continue
            this.usage += answered.usage
            this.samples += answered.responses
            votes = self._votes(this)
            if len(this.samples) < this.effort.samples and uncertainty.agreed(votes, self._agreement):
                this.stopped = f"stopped at {len(this.samples)} of {this.effort.samples} samples, which agree"
                break
        return prompt

    async def prompt(self, this: Round, candidates: Sequence[str]) -> Prompt:
        """The question with findings, candidates, arguments, passages and close-ups, as far as they fit."""
        profile, dossier = self._profile, this.dossier
        whole = await pictures.whole(profile, self._images, dossier.images, self._server.image_limit)
        close = await pictures.closeups(profile, self._images, dossier.images, self._server.image_limit)
        before = [
            prompting.findings_text(profile, dossier),
            prompting.candidates_text(profile, candidates),
            prompting.arguments_text(profile, this.arguments),
        ]
        bare = profile.system + prompting.question(profile, dossier.narrative, dossier.options, before)
        passages = [prompting.evidence_text(profile, [one]) for one in this.evidence]
        context, cost = await self._server.context_length(), sum(picture.tokens for picture in whole)
        left = await budget.room(context, self._new_tokens(this.effort), bare, cost, self._server.token_count)
        plan = await budget.plan(left, passages, [picture.tokens for picture in close], self._server.token_count)
        this.counted = left.counted
        close = close[: plan.crops]
        added = [prompting.evidence_text(profile, this.evidence[: plan.passages]), prompting.closeups_text(profile, [c.caption for c in close])]
        text = prompting.question(profile, dossier.narrative, dossier.options, [*before, *added])
        sent = pictures.said(len(whole), dossier.images, len(close))
        return Prompt(text, tuple(picture.url for picture in (*whole, *close)), plan.passages, sent)

    async def _argument(self, this: Round, prompt: Prompt, name: str) -> tuple[str, Usage]:
        text = f"{prompt.text}\n\n{prompting.argue_text(self._profile, name)}"
        messages = prompting.messages(self._profile, text, prompt.urls)
        most = min(ARGUMENT_TOKENS, self._new_tokens(this.effort))
        request = Request(messages, self._profile.temperature, most, self._profile.seed)
        try:
            answered = await self._server.complete(request)
        except ContextOverflow:
            return "", Usage()
        parsed = parse(answered.responses[0].text)
        return shortened(parsed.think or parsed.answer, LONGEST_ARGUMENT), answered.usage

    def _request(self, prompt: Prompt, effort: Effort, wanted: int, had: int) -> Request:
        profile = self._profile
        return Request(
            prompting.messages(profile, prompt.text, prompt.urls),
            profile.sampling_temperature,
            self._new_tokens(effort),
            profile.seed + 1000 * effort.round + had,
            n=wanted,
            schema=prompting.ANSWER_SCHEMA if profile.structured_output else None,
        )

    def _new_tokens(self, effort: Effort) -> int:
        return min(effort.tokens, self._profile.max_tokens)

    def _votes(self, this: Round) -> list[int]:
        """Samples per meaning; a useless one agrees with none."""
        read = [parse(response.text, this.dossier.options) for response in this.samples]
        return list(clusters(read, lambda parsed: self._meaning(this.dossier, parsed)).values())
