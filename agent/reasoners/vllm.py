"""The vLLM reasoner: OphthaReason, or any vision-language model, behind an OpenAI-compatible server.

First pass: one request at the profile's temperature; the measurement is the mean token entropy over the answer, exact where the server has
the entropy tap, else from bounded log-probabilities. An answer that the token limit cut off while the model was thinking is finished for it,
from `<answer>` on. Deliberation: see `agent.reasoners.deepening`; the measurement is the semantic entropy of the sampled answers over
concepts, or over letters where there are options.

`entropy` of a measurement is the midpoint of its bounds. Damage never looks like confidence: where log-probabilities are missing or
unusable it is the upper bound, and where no answer was given it is ln V, the largest an entropy over V tokens can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from agent.domain import ReasonerIdentity, Step
from agent.errors import ContextOverflow, ReasonerError, ReasonerUnreachable
from agent.evidence import Evidence
from agent.ports import SEMANTIC, UNMEASURED, Assessment, Dossier, Effort, ImageStore, Measurement
from agent.reasoners import pictures, prompting
from agent.reasoners.chat_server import Answered, ChatServer, Request
from agent.reasoners.choices import answer_from_tokens, answer_from_votes
from agent.reasoners.concepts import Concept, ConceptResolver, concept_of, differential
from agent.reasoners.deepening import Deepening, Round
from agent.reasoners.marks import marks
from agent.reasoners.parsing import LONGEST_NAME, Parsed, locate, parse, shortened
from agent.reasoners.profile import Profile, load_profile
from agent.reasoners.responses import Response
from agent.reasoners.tap import bears
from agent.semantic_entropy import agreement_bounds, clusters
from agent.settings import Vllm
from agent.token_entropy import Bounds, Token, joint_probability, mean_bounds, sequence_bounds, tokens_within, unknown
from agent.uncertainty import entropy

__all__ = ["ConceptResolver", "VllmReasoner"]

BOUNDED, EXACT = "mean_token_entropy", "mean_token_entropy, exact by the entropy tap"
LONGEST_QUOTE = 4000
"""Characters of a model's own reasoning kept in a step."""
END_OF_THOUGHT = "\n</think>\n<answer>"
ANSWER_TOKENS = 64
"""What is written for a model whose thinking was cut off, and the new tokens it then has for its answer (ours)."""


class VllmReasoner:
    """Implements `agent.ports.Reasoner`. Raises `SettingsError` for an unknown profile, `ImageError` for an image not stored."""

    def __init__(self, settings: Vllm, images: ImageStore, concepts: ConceptResolver, agreement: float = 0.95) -> None:
        """`agreement`: see `Dial.agreement`."""
        loaded = load_profile(settings.profile)
        self.profile: Profile = loaded.model_copy(update={"max_tokens": settings.max_tokens or loaded.max_tokens})
        self._settings = settings
        self._images = images
        self._concepts = concepts
        self._server = ChatServer(settings)
        self._deepening = Deepening(self.profile, self._server, images, agreement, self._meaning)

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
        sent = await pictures.whole(self.profile, self._images, dossier.images, self._server.image_limit)
        answered, source = await self._first(dossier, text, [picture.url for picture in sent])
        response = answered.responses[0]
        parsed = parse(response.text, dossier.options)
        spans = _spans(response)
        measured = {name: mean_bounds(tokens, self.profile.vocabulary) for name, tokens in spans.items()}
        answer_tokens = spans.get("answer", ())
        probability = joint_probability(answer_tokens) if parsed.answer else None
        answer = answer_from_tokens(dossier.options, parsed, answer_tokens, probability) if dossier.options else None
        if answer is not None:
            weighed = [(concept_of(option.text, self._concepts), answer.probabilities[option.key]) for option in dossier.options]
        elif not dossier.options and (named := self._named(parsed)) is not None:
            weighed = [(named, probability or 0.0)]
        else:
            weighed = []
        # A model can be sure of saying nothing: without an answer the entropy of its words measures no diagnosis.
        bounds = measured.get("answer", unknown(self.profile.vocabulary)) if weighed else unknown(self.profile.vocabulary)
        decisions = {name: span.decision for name, span in measured.items()}
        decisions |= {f"{name}_sequence": sequence_bounds(tokens, self.profile.vocabulary).decision for name, tokens in spans.items()}
        if answer is not None:
            decisions["letters"] = entropy(answer.probabilities.values())
        exact = bool(answer_tokens) and all(token.entropy is not None for token in answer_tokens)
        said = repr(shortened(parsed.answer)) if parsed.answer else "nothing"
        likely = "unknown" if probability is None else f"{probability:.2f}"
        step = Step(
            round=0,
            title="First answer",
            text=f"Asked {self._server.model} one question with {pictures.said(len(sent), dossier.images, 0)}. It answered {said}; "
            f"probability of these words {likely}, mean token entropy of the answer {bounds.lower:.2f} to {bounds.upper:.2f} nats, {source}.",
        )
        return Assessment(
            differential=differential(weighed),
            measurement=_measurement(bounds, (EXACT if exact else BOUNDED) if weighed and answer_tokens else UNMEASURED, decisions),
            answer=answer,
            steps=(step, *_own_words(0, parsed.think), *(marks(response.text, 0) if self.profile.boxes else ())),
            usage=answered.usage,
            parse_problem="; ".join(_problems(parsed, response, bounds, answered=bool(weighed))),
        )

    async def deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment:
        """Candidates argued, then up to `effort.samples` answers; the differential is how often each concept was answered.

        A sample that names nothing is a cluster of its own: it raises the entropy, and its share stays unassigned.
        """
        this = Round(dossier, evidence, effort, [entry.name for entry in previous.differential])
        try:
            await self._deepening.argue(this)
            prompt = await self._deepening.sample(this)
        except ContextOverflow as error:
            step = Step(round=effort.round, title="Not deliberated", text=f"The case does not fit into the model's context: {error}")
            return previous.model_copy(update={"steps": (step,), "usage": this.usage, "parse_problem": step.text})
        read = [parse(response.text, dossier.options) for response in this.samples]
        chosen = [(parsed, found) for parsed in read if (found := self._cluster(dossier, parsed)) is not None]
        votes = Counter(cluster for _, (cluster, _) in chosen)
        concepts = {cluster: concept for _, (cluster, concept) in reversed(chosen)}
        useless = len(read) - len(chosen)
        sizes = clusters(read, lambda parsed: self._meaning(dossier, parsed))
        bounds = agreement_bounds(sizes) if votes else unknown(self.profile.vocabulary)
        first = votes.most_common(1)[0][0] if votes else None
        split = ", ".join(f"{concepts[cluster].name} {count}" for cluster, count in votes.most_common()) or "none"
        room = "" if this.counted else " Tokens were estimated from characters."
        step = Step(
            round=effort.round,
            title="Sampled answers",
            text=f"Asked {self._server.model} for {effort.samples} answers at temperature {self.profile.sampling_temperature:g}. "
            f"Sent were {prompt.sent}, {prompt.shown} of {len(evidence)} guideline passages, {len(this.arguments)} arguments, "
            f"{len(dossier.images)} localizer readings.{room} {len(read)} came{f', {this.stopped}' if this.stopped else ''}. "
            f"Diagnoses named: {split}. Useless: {useless}. Semantic entropy {bounds.lower:.2f} to {bounds.upper:.2f} nats.",
        )
        argued = tuple(
            Step(round=effort.round, title=f"The model's own argument, unverified: {name}", text=words) for name, words in this.arguments
        )
        problems = sorted({parsed.problem for parsed in read if parsed.problem})
        return Assessment(
            differential=differential((concepts[cluster], count / len(read)) for cluster, count in votes.items()),
            measurement=_measurement(bounds, SEMANTIC if votes else UNMEASURED, {}),
            answer=answer_from_votes(dossier.options, read, previous.answer) if dossier.options else None,
            steps=(*argued, step, *_own_words(effort.round, next((p.think for p, (cluster, _) in chosen if cluster == first), ""))),
            usage=this.usage,
            parse_problem="" if votes else f"none of {len(read)} sampled answers can be used: {'; '.join(problems)}",
        )

    async def _first(self, dossier: Dossier, text: str, urls: Sequence[str]) -> tuple[Answered, str]:
        """The first answer, and in words where its entropies come from."""
        profile = self.profile
        tap, source = await self._tapping()
        request = Request(
            prompting.messages(profile, text, urls),
            profile.temperature,
            profile.max_tokens,
            profile.seed,
            top_logprobs=self._settings.top_logprobs if dossier.options or not tap else 0,
            tap=tap,
            schema=prompting.ANSWER_SCHEMA if profile.structured_output else None,
        )
        answered = await self._server.complete(request)
        response = answered.responses[0]
        if not self._settings.finish_thoughts or not response.cut_off or locate(response.text).answer is not None:
            return answered, source
        return await self._finished(request, text, urls, answered), source

    async def _finished(self, request: Request, text: str, urls: Sequence[str], cut: Answered) -> Answered:
        """A response cut off in its thinking, with the answer the model gives when its thinking is closed for it. Where the server cannot go on
        with a begun answer or has no room left, and where the model does not come to an answer, it stays as it is."""
        begun = cut.responses[0].text + END_OF_THOUGHT
        messages = prompting.messages(self.profile, text, urls, begun)
        try:
            more = await self._server.complete(replace(request, messages=messages, max_tokens=ANSWER_TOKENS, schema=None, begun=True))
        except ReasonerUnreachable:
            raise
        except ReasonerError:
            return cut
        first, rest = cut.responses[0], more.responses[0]
        if rest.cut_off or "<think>" in rest.text:
            return Answered(cut.responses, cut.usage + more.usage)
        seam = Token(END_OF_THOUGHT, 0.0, entropy=0.0 if request.tap else None)
        whole = Response(begun + rest.text, (*first.tokens, seam, *rest.tokens) if first.tokens and rest.tokens else (), rest.cut_off)
        return Answered((whole,), cut.usage + more.usage)

    async def _tapping(self) -> tuple[bool, str]:
        """Whether the first pass asks for the entropy tap, and in words what its entropies rest on."""
        bounded = f"bounded from the {self._settings.top_logprobs} likeliest tokens"
        if self._settings.entropy != "auto":
            return False, f"{bounded} (vllm.entropy)"
        if not bears(self.profile.temperature):
            return False, f"{bounded}: the entropy tap bears no temperature of {self.profile.temperature:g}"
        found = await self._server.taps()
        return found.there, "exact by the entropy tap" if found.there else f"{bounded}: no entropy tap, {found.why}"

    def _meaning(self, dossier: Dossier, parsed: Parsed) -> str | None:
        found = self._cluster(dossier, parsed)
        return None if found is None else found[0]

    def _cluster(self, dossier: Dossier, parsed: Parsed) -> tuple[str, Concept] | None:
        """What a sample votes for: a letter where there are options (two of them may be one concept), else a concept."""
        if dossier.options:
            option = next((option for option in dossier.options if option.key in parsed.letters[:1]), None)
            return None if option is None else (option.key, concept_of(option.text, self._concepts))
        concept = self._named(parsed)
        return None if concept is None else (concept.concept_id, concept)

    def _named(self, parsed: Parsed) -> Concept | None:
        """The disease an answer to an open question names; None for no answer and for prose, which names none."""
        return concept_of(parsed.answer, self._concepts) if 0 < len(parsed.answer) <= LONGEST_NAME else None


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
    return Measurement(entropy=bounds.decision, lower=bounds.lower, upper=bounds.upper, method=method, spans=spans, sound=bounds.usable)


def _own_words(round_number: int, think: str) -> tuple[Step, ...]:
    if not think:
        return ()
    text = shortened(think, LONGEST_QUOTE)
    return (Step(round=round_number, title="The model's own reasoning, unverified", text=text),)
