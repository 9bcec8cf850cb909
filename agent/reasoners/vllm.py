"""The vLLM reasoner: OphthaReason, or any vision-language model, behind an OpenAI-compatible server.

First pass: one request at the profile's temperature with log-probabilities; the measurement is the mean token entropy over the
answer. Deliberation: n sampled answers in one request, with passages, candidates and the localizer's findings in the question; the
measurement is the semantic entropy over concepts, or over letters where there are options.

`entropy` of a measurement is the midpoint of its bounds. Damage never looks like confidence: where log-probabilities are missing or
unusable it is the upper bound, and where no answer was given it is ln V, the largest an entropy over V tokens can be.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from openai.types.chat import ChatCompletion

from agent.domain import ReasonerIdentity, Step, Usage
from agent.errors import ContextOverflow
from agent.evidence import Evidence
from agent.ports import UNMEASURED, Assessment, Dossier, Effort, ImageStore, Measurement
from agent.reasoners import prompting
from agent.reasoners.chat_server import ChatServer
from agent.reasoners.choices import answer_from_tokens, answer_from_votes
from agent.reasoners.concepts import Concept, ConceptResolver, concept_of, differential
from agent.reasoners.parsing import Parsed, locate, parse, shortened
from agent.reasoners.profile import Profile, load_profile
from agent.reasoners.responses import Response, responses, usage
from agent.settings import Vllm
from agent.token_entropy import Bounds, Token, agreement_bounds, joint_probability, mean_bounds, tokens_within, unknown
from agent.uncertainty import entropy

__all__ = ["ConceptResolver", "VllmReasoner"]

LONGEST_QUOTE = 4000
"""Characters of a model's own reasoning kept in a step."""


class VllmReasoner:
    """Implements `agent.ports.Reasoner`. Raises `SettingsError` for an unknown profile, `ImageError` for an image not stored."""

    def __init__(self, settings: Vllm, images: ImageStore, concepts: ConceptResolver) -> None:
        self.profile: Profile = load_profile(settings.profile)
        self._settings = settings
        self._images = images
        self._concepts = concepts
        self._server = ChatServer(settings)

    @property
    def identity(self) -> ReasonerIdentity:
        """Who answers. The served model's name comes from the settings, or is known after the first request."""
        model = self._server.model
        name = f"model {model}" if model else "first model (its name not asked yet)"
        return ReasonerIdentity(
            kind="vllm",
            profile=self.profile.name,
            fingerprint=f"{model or 'not asked yet'}:{self.profile.prompt_fingerprint}",
            statement=f"Answered by the {name} served at {self._server.host} through profile {self.profile.name}; "
            "Fovea does not verify which weights are behind that name.",
            reads_images=True,
        )

    async def aclose(self) -> None:
        await self._server.aclose()

    async def assess(self, dossier: Dossier) -> Assessment:
        """One answer. The probability of an open answer is that of its exact words, given the model's own thinking before them."""
        context = [prompting.findings_text(self.profile, dossier)] if self.profile.findings_in_first_pass else []
        text = prompting.question(self.profile, dossier.narrative, dossier.options, context)
        urls, sent = await self._image_urls(dossier)
        completion = await self._server.complete(
            prompting.messages(self.profile, text, urls),
            temperature=self.profile.temperature,
            max_tokens=self.profile.max_tokens,
            seed=self.profile.seed,
            top_logprobs=self._settings.top_logprobs,
        )
        response = responses(completion)[0]
        parsed = parse(response.text, dossier.options)
        spans = _spans(response)
        measured = {name: mean_bounds(tokens, self.profile.vocabulary) for name, tokens in spans.items()}
        answer_tokens = spans.get("answer", ())
        probability = joint_probability(answer_tokens) if parsed.answer else None
        answer = answer_from_tokens(dossier.options, parsed, answer_tokens, probability) if dossier.options else None
        if answer is not None:
            weighed = [(concept_of(option.text, self._concepts), answer.probabilities[option.key]) for option in dossier.options]
        elif parsed.answer and not dossier.options:
            weighed = [(concept_of(parsed.answer, self._concepts), probability or 0.0)]
        else:
            weighed = []
        # A model can be sure of saying nothing: without an answer the entropy of its words measures no diagnosis.
        bounds = measured.get("answer", unknown(self.profile.vocabulary)) if weighed else unknown(self.profile.vocabulary)
        decisions = {name: span.decision for name, span in measured.items()}
        if answer is not None:
            decisions["letters"] = entropy(answer.probabilities.values())
        said = repr(shortened(parsed.answer)) if parsed.answer else "nothing"
        likely = "unknown" if probability is None else f"{probability:.2f}"
        step = Step(
            round=0,
            title="First answer",
            text=f"Asked {self._server.model} one question with {sent}. It answered {said}; probability of "
            f"these words {likely}, mean token entropy of the answer {bounds.lower:.2f} to {bounds.upper:.2f} nats.",
        )
        return Assessment(
            differential=differential(weighed),
            measurement=_measurement(bounds, "mean_token_entropy" if weighed and answer_tokens else UNMEASURED, decisions),
            answer=answer,
            steps=(step, *_own_words(0, parsed.think)),
            usage=usage(completion),
            parse_problem="; ".join(_problems(parsed, response, bounds, answered=bool(weighed))),
        )

    async def deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment:
        """`effort.samples` answers in one request; the differential is how often each concept was answered.

        A sample that names nothing is a cluster of its own: it raises the entropy, and its share stays unassigned.
        """
        urls, sent = await self._image_urls(dossier)
        try:
            completion, shown = await self._sampled(dossier, previous, evidence, effort, urls)
        except ContextOverflow as error:
            step = Step(round=effort.round, title="Not deliberated", text=f"The case does not fit into the model's context: {error}")
            return previous.model_copy(update={"steps": (step,), "usage": Usage(), "parse_problem": step.text})
        read = [parse(response.text, dossier.options) for response in responses(completion)]
        chosen = [(parsed, found) for parsed in read if (found := self._cluster(dossier, parsed)) is not None]
        votes = Counter(cluster for _, (cluster, _) in chosen)
        concepts = {cluster: concept for _, (cluster, concept) in reversed(chosen)}
        useless = len(read) - len(chosen)
        alone = {f"useless {number}": 1 for number in range(useless)}
        bounds = agreement_bounds({**votes, **alone}) if votes else unknown(self.profile.vocabulary)
        first = votes.most_common(1)[0][0] if votes else None
        split = ", ".join(f"{concepts[cluster].name} {count}" for cluster, count in votes.most_common()) or "none"
        step = Step(
            round=effort.round,
            title="Sampled answers",
            text=f"Asked {self._server.model} for {effort.samples} answers at temperature {self.profile.sampling_temperature:g}. "
            f"Sent were {sent}, {shown} guideline passages, {len(dossier.images)} localizer readings. {len(read)} came. "
            f"Diagnoses named: {split}. Useless: {useless}. Semantic entropy {bounds.lower:.2f} to {bounds.upper:.2f} nats.",
        )
        problems = sorted({parsed.problem for parsed in read if parsed.problem})
        return Assessment(
            differential=differential((concepts[cluster], count / len(read)) for cluster, count in votes.items()),
            measurement=_measurement(bounds, "semantic_entropy" if votes else UNMEASURED, {}),
            answer=answer_from_votes(dossier.options, read, previous.answer) if dossier.options else None,
            steps=(step, *_own_words(effort.round, next((p.think for p, (cluster, _) in chosen if cluster == first), ""))),
            usage=usage(completion),
            parse_problem="" if votes else f"none of {len(read)} sampled answers can be used: {'; '.join(problems)}",
        )

    async def _sampled(
        self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort, urls: Sequence[str]
    ) -> tuple[ChatCompletion, int]:
        """The sampled answers, and how many passages the prompt had room for: they are halved until it fits."""
        shown = len(evidence)
        while True:
            context = [
                prompting.findings_text(self.profile, dossier),
                prompting.candidates_text(self.profile, [entry.name for entry in previous.differential]),
                prompting.evidence_text(self.profile, evidence[:shown]),
            ]
            text = prompting.question(self.profile, dossier.narrative, dossier.options, context)
            try:
                completion = await self._server.complete(
                    prompting.messages(self.profile, text, urls),
                    temperature=self.profile.sampling_temperature,
                    max_tokens=min(effort.tokens, self.profile.max_tokens),
                    seed=self.profile.seed + effort.round,
                    n=effort.samples,
                )
            except ContextOverflow:
                if shown == 0:
                    raise
                shown //= 2
            else:
                return completion, shown

    def _cluster(self, dossier: Dossier, parsed: Parsed) -> tuple[str, Concept] | None:
        """What a sample votes for: a letter where there are options (two of them may be one concept), else a concept."""
        if dossier.options:
            option = next((option for option in dossier.options if option.key in parsed.letters[:1]), None)
            return None if option is None else (option.key, concept_of(option.text, self._concepts))
        if not parsed.answer:
            return None
        concept = concept_of(parsed.answer, self._concepts)
        return concept.concept_id, concept

    async def _image_urls(self, dossier: Dossier) -> tuple[list[str], str]:
        """The images as data URLs, as many as the profile allows, and in words how many are sent."""
        shown = dossier.images[: self.profile.max_images]

        def encoded(sha256: str) -> str:
            return prompting.data_url(self._images.pixels(sha256), self.profile.max_image_side)

        urls = [await asyncio.to_thread(encoded, found.image.sha256) for found in shown]
        left_out = len(dossier.images) - len(shown)
        words = f"{len(shown)} image{'' if len(shown) == 1 else 's'}"
        return urls, words + (f" ({left_out} beyond the profile's limit not sent)" if left_out else "")


def _spans(response: Response) -> dict[str, tuple[Token, ...]]:
    """The tokens of thinking and answer, found in the text of the tokens themselves; empty without log-probabilities."""
    where = locate("".join(token.text for token in response.tokens))
    found = {"think": where.think, "answer": where.answer}
    return {name: tokens_within(response.tokens, *span) for name, span in found.items() if span is not None}


def _problems(parsed: Parsed, response: Response, bounds: Bounds, *, answered: bool) -> list[str]:
    problems = [parsed.problem] if parsed.problem else []
    if response.cut_off and parsed.problem:
        problems.append("the token limit ended the response")
    if not response.tokens:
        problems.append("the server sent no log-probabilities: the uncertainty is unknown and taken as the largest possible")
    elif answered and not bounds.usable:
        problems.append("log-probabilities of the answer are unusable: the uncertainty is taken at its upper bound")
    return problems


def _measurement(bounds: Bounds, method: str, spans: dict[str, float]) -> Measurement:
    return Measurement(entropy=bounds.decision, lower=bounds.lower, upper=bounds.upper, method=method, spans=spans)


def _own_words(round_number: int, think: str) -> tuple[Step, ...]:
    if not think:
        return ()
    text = shortened(think, LONGEST_QUOTE)
    return (Step(round=round_number, title="The model's own reasoning, unverified", text=text),)
