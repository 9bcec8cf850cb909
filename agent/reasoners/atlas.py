"""The embedded default reasoner: a probabilistic differential over the disease atlas. Needs neither GPU nor weights, and says what it is.

First pass: a noisy-or over what was read and seen, which needs no model. Deliberation: a second reading by sentence embeddings of what
the phrase matcher passed over, how alike the whole text and each profile are, candidates argued pair by pair, what the retrieved
evidence mentions, what the narrative leaves unsaid, and a committee of perturbed atlases, so that the revised differential does not hang
on one number.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from agent.domain import Answer, Differential, DifferentialEntry, Finding, ReasonerIdentity, Step, Usage
from agent.evidence import Evidence
from agent.ports import LETTERS, Assessment, Dossier, Effort, Measurement
from agent.reasoners.argument import argue, first_pass
from agent.uncertainty import entropy
from agent.wording import percent
from knowledge.differential import OTHER, DifferentialScorer, Posterior
from knowledge.differential.likeness import likeness_nats, passages
from knowledge.library import Library
from knowledge.options import OptionJudge
from knowledge.reading.context import hypothetical
from knowledge.reading.narrative import NarrativeReader

SHOWN = 12
"""Conditions kept in a differential; the entropy is taken over all of them."""
SECOND_READING_SIMILARITY = 0.62
SECOND_READING_WEIGHT = 0.4
SILENCE_PER_FINDING = 0.02
SILENCE_LIMIT = 0.3
EVIDENCE_NATS = 0.25
EVIDENCE_LIMIT = 1.0
CONDITIONS = "all atlas conditions and 'something else'"
COMMITTEE = ", mean of perturbed atlases"
"""A committee's mean also holds the doubt about the atlas itself: only committees are compared with one another."""
JITTER = 0.35
DROPPED = 0.1
DECIDED_BY_NUMBERS = ("raised_iop", "very_high_iop", "low_iop", "reduced_visual_acuity", "severe_visual_loss", "raised_esr", "raised_crp",
                      "raised_inflammatory_markers")
"""Findings that a measurement states or refutes: likeness of words is no evidence for them."""
STATEMENT = (
    "Answered by Fovea's embedded atlas reasoner: a probabilistic differential over curated disease profiles. "
    "It is not OphthaReason and it is no image-reading model; of images it knows what the lesion localizer reports."
)


class NearestFindings(Protocol):
    """Dense lookup of lexicon phrases: for each text, (finding id, phrase, cosine similarity), nearest first."""

    def __call__(self, texts: Sequence[str], count: int = 3) -> list[list[tuple[str, str, float]]]: ...


class NearestProfiles(Protocol):
    """Dense lookup of condition profiles: for each text, condition id to cosine similarity, of the `count` nearest."""

    def __call__(self, texts: Sequence[str], count: int) -> list[dict[str, float]]: ...


class AtlasReasoner:
    """Implements the `Reasoner` port. Deterministic: the same dossier gives the same assessment."""

    def __init__(
        self,
        library: Library,
        reader: NarrativeReader,
        nearest_findings: NearestFindings,
        nearest_profiles: NearestProfiles,
    ) -> None:
        self._library = library
        self._reader = reader
        self._nearest = nearest_findings
        self._profiles = nearest_profiles
        self._scorer = DifferentialScorer(library)

    @property
    def identity(self) -> ReasonerIdentity:
        return ReasonerIdentity(kind="atlas", profile="atlas", fingerprint=self._library.digest[:16], statement=STATEMENT)

    @cached_property
    def _options(self) -> OptionJudge:
        """Built at the first case that has options."""
        return OptionJudge(self._library)

    async def assess(self, dossier: Dossier) -> Assessment:
        posterior = self._scorer.posterior(dossier.findings, dossier.demographics)
        return self._assessment(dossier, posterior, first_pass(self._library, dossier, posterior), ())

    async def deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment:
        """One round, in a thread of its own: the second reading loads and runs an embedding model."""
        return await asyncio.to_thread(self._deliberate, dossier, previous, evidence, effort)

    def _deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment:
        added = self._second_reading(dossier) if effort.round == 1 else ()
        findings = (*dossier.findings, *added)
        candidates = [entry.concept_id for entry in previous.differential[: 2 + effort.round]]
        arguments = argue(self._library, candidates, findings)
        told = passages(dossier.narrative, dossier.findings)
        alike = likeness_nats(self._profiles(told, len(self._library.conditions)), sum(map(len, told)))
        extra: dict[str, float] = {}
        for source in (arguments.nats, self._from_evidence(candidates, findings, evidence), alike):
            for concept, nats in source.items():
                extra[concept] = extra.get(concept, 0.0) + nats
        posterior = self._committee(dossier, findings, extra, effort)
        return self._assessment(dossier, posterior, self._steps(effort, added, arguments.lines, alike, posterior), added, COMMITTEE)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _assessment(
        self, dossier: Dossier, posterior: Posterior, steps: tuple[Step, ...], added: tuple[Finding, ...], committee: str = ""
    ) -> Assessment:
        answer: Answer | None = self._options.judge(dossier.options, posterior.probabilities) if dossier.options else None
        spread = answer.probabilities.values() if answer else posterior.probabilities.values()
        value = entropy(spread)
        return Assessment(
            differential=self._differential(posterior),
            measurement=Measurement(
                entropy=value,
                lower=value,
                upper=value,
                method=LETTERS if answer and not committee else f"entropy over {'letters' if answer else CONDITIONS}{committee}",
                spans={"differential": entropy(posterior.probabilities.values())},
            ),
            answer=answer,
            steps=steps,
            findings=added,
            usage=Usage(),
        )

    def _differential(self, posterior: Posterior) -> Differential:
        ranked = [(concept, p) for concept, p in posterior.ranked if concept != OTHER][:SHOWN]
        return tuple(
            DifferentialEntry(concept_id=c, name=self._library.condition[c].name, icd10=self._library.condition[c].icd10, probability=p)
            for c, p in ranked
        )

    def _second_reading(self, dossier: Dossier) -> tuple[Finding, ...]:
        """Sentences from which nothing was read, compared by meaning with every phrase of the lexicon. What is found weighs little."""
        reading = self._reader.read(dossier.narrative)
        open_sentences = [s for n, s in enumerate(reading.sentences) if n not in reading.covered and len(s.tokens) >= 3][:60]
        known = {f.finding_id for f in dossier.findings}
        found: dict[str, Finding] = {}
        for sentence, nearest in zip(open_sentences, self._nearest([s.text for s in open_sentences], 1), strict=True):
            for finding_id, _, similarity in nearest:
                negated = {"no", "not", "without", "denies", "negative", "normal"} & {t.word for t in sentence.tokens}
                barred = finding_id in (*DECIDED_BY_NUMBERS, *known, *found) or finding_id.startswith("normal_")
                advice = hypothetical(sentence, len(sentence.tokens))
                if similarity >= SECOND_READING_SIMILARITY and not barred and not negated and not advice:
                    found[finding_id] = Finding(
                        finding_id=finding_id,
                        name=self._library.finding[finding_id].name,
                        presence="possible",
                        source="second_reading",
                        weight=SECOND_READING_WEIGHT,
                        quote=sentence.text,
                        start=sentence.start,
                        end=sentence.start + len(sentence.text),
                    )
        return tuple(found.values())

    def _from_evidence(self, candidates: Sequence[str], findings: Sequence[Finding], evidence: Sequence[Evidence]) -> dict[str, float]:
        """A guideline that speaks of a candidate and of what this patient has speaks for the candidate, a little."""
        present = {f.finding_id for f in findings if f.presence == "present"}
        nats: dict[str, float] = {}
        for passage in evidence:
            mentioned = {f.finding_id for f in self._reader.read(passage.text).findings} & present
            for concept in set(passage.concepts) & set(candidates):
                nats[concept] = min(EVIDENCE_LIMIT, nats.get(concept, 0.0) + EVIDENCE_NATS * len(mentioned))
        return nats

    def _committee(self, dossier: Dossier, findings: Sequence[Finding], extra: dict[str, float], effort: Effort) -> Posterior:
        """The mean of `effort.samples` posteriors, each from an atlas whose log odds are jittered and a few findings left out.

        The seed comes from the case itself, so the result is reproducible.
        """
        seed = hashlib.sha256(f"{dossier.narrative}|{effort.round}|{[f.finding_id for f in findings]}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
        silence = min(SILENCE_LIMIT, SILENCE_PER_FINDING * len(findings))
        base = np.clip(self._scorer.chance, 1e-4, 1 - 1e-4)
        odds = np.log(base / (1 - base))
        total: dict[str, float] = {}
        members = [self._scorer.posterior(findings, dossier.demographics, extra=extra, silence=silence)]
        for _ in range(effort.samples - 1):
            noisy = np.where(self._scorer.listed, odds + rng.normal(0, JITTER, odds.shape), odds)
            kept = [f for f in findings if rng.random() >= DROPPED] or list(findings)
            members.append(self._scorer.posterior(kept, dossier.demographics, extra=extra, silence=silence, chance=1 / (1 + np.exp(-noisy))))
        for member in members:
            for concept, probability in member.probabilities.items():
                total[concept] = total.get(concept, 0.0) + probability / len(members)
        return Posterior({c: min(1.0, p / math.fsum(total.values())) for c, p in total.items()}, members[0].contributions)

    def _steps(
        self, effort: Effort, added: Sequence[Finding], lines: Sequence[str], alike: Mapping[str, float], posterior: Posterior
    ) -> tuple[Step, ...]:
        round_number = effort.round
        steps = []
        if round_number == 1:
            read = "; ".join(f"{f.name} (from {f.quote!r})" for f in added) or "nothing further"
            steps.append(Step(round=round_number, title="Second reading by meaning", text=f"Sentences passed over at first suggest: {read}."))
            nearest = sorted(alike, key=lambda c: -alike[c])[:3]
            said = ", ".join(f"{self._library.condition[c].name} {alike[c]:.1f} nats" for c in nearest) or "none"
            steps.append(Step(round=round_number, title="Likeness of the whole text", text=f"Nearest disease profiles: {said}."))
        steps.append(Step(round=round_number, title="Candidates argued", text=" ".join(lines) or "No discriminating finding is known."))
        ranked = [(c, p) for c, p in posterior.ranked if c != OTHER][:4]
        shares = ", ".join(f"{self._library.condition[c].name} {percent(p)}" for c, p in ranked)
        text = f"Mean of {effort.samples} perturbed atlases: {shares}; something else {percent(posterior.probabilities[OTHER])}."
        return (*steps, Step(round=round_number, title="Revised differential", text=text))
