"""The values that walk through a case: frozen, strict and free of image bytes. Entropies are in nats."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agent.evidence import Claim, Source
from agent.imaging import ImageFindings, ImageInput
from agent.values import Course, Laterality, Nats, Presence, Probability, Value

Urgency = Literal["routine", "soon", "urgent", "emergency"]
URGENCIES: tuple[Urgency, ...] = ("routine", "soon", "urgent", "emergency")
Outcome = Literal["diagnosed", "refer_to_human", "ungradable"]
DISCLAIMER = (
    "Preliminary decision support for eye-care professionals. Not a medical device and not a diagnosis: "
    "a clinician must review the case before anything is done for the patient."
)


def strictest(*urgencies: Urgency) -> Urgency:
    """The most urgent of the given urgencies; routine when none is given.

    >>> strictest("soon", "emergency", "routine")
    'emergency'
    """
    return max(urgencies, key=URGENCIES.index, default="routine")


class AnswerOption(Value):
    """One option of a multiple-choice question: its letter (upper case) and its text."""

    key: Annotated[str, Field(pattern=r"^[A-Z]$")]
    text: Annotated[str, Field(min_length=1)]


class CaseRequest(Value):
    """What enters the state machine."""

    case_id: str | None = None
    narrative: str = ""
    images: tuple[ImageInput, ...] = ()
    options: tuple[AnswerOption, ...] = ()


class Case(Value):
    """A validated case. `language` is an ISO 639-1 code, or 'und' when the narrative is too short to tell."""

    case_id: str
    narrative: str
    language: str = "und"
    options: tuple[AnswerOption, ...] = ()


class Finding(Value):
    """One thing known about the patient: read from the narrative, or seen by the localizer.

    `start` and `end` are character offsets into the narrative; `image` is the number of the image. `duration_days` is the time since
    onset where the narrative states it; a finding whose `course` is past is history, and no red flag fires on it.
    """

    finding_id: str
    name: str
    presence: Presence
    source: Literal["narrative", "measurement", "localizer", "second_reading"]
    laterality: Laterality = "unknown"
    course: Course = "unknown"
    duration_days: float | None = None
    weight: Probability = 1.0
    value: float | None = None
    unit: str | None = None
    quote: str = ""
    start: int | None = None
    end: int | None = None
    image: int | None = None


class Demographics(Value):
    """Age in years (a fraction for infants) and sex, as the narrative states them."""

    age: Annotated[float, Field(ge=0, le=130)] | None = None
    sex: Literal["female", "male"] | None = None


class DifferentialEntry(Value):
    concept_id: str
    name: str
    icd10: str | None = None
    probability: Probability


Differential = tuple[DifferentialEntry, ...]


class UncertaintyReport(Value):
    """How unsure the reasoner is, against what threshold, and what thinking that bought.

    Entropies in nats: for the atlas the Shannon entropy of its differential (of the option letters when there are options), for a
    generating model the mean token entropy of the answer span, or the semantic entropy once it was sampled (`method` says which).
    `initial_entropy` is that of the first pass, `entropy` that of the last, and `threshold` what the last is held against. `lower` and
    `upper` bound `entropy` where log-probabilities were truncated to the top k. `omega` = tanh((initial_entropy - threshold) / scale),
    -1 to 1, with the first pass's threshold; `depth` is the number of deliberation rounds it allowed, `rounds` how many were walked.
    """

    entropy: Nats
    initial_entropy: Nats
    lower: Nats
    upper: Nats
    threshold: Nats
    omega: Annotated[float, Field(ge=-1, le=1)]
    depth: Annotated[int, Field(ge=0)]
    rounds: Annotated[int, Field(ge=0)] = 0
    method: str
    disagreement: Nats = 0.0
    spans: dict[str, Nats] = Field(
        default_factory=dict, description="entropy of parts: means of think and answer, sums of think_sequence, answer_sequence; differential"
    )

    @property
    def uncertain(self) -> bool:
        return self.entropy > self.threshold


class Step(Value):
    """One step of thinking, in words that follow from numbers. `round` 0 is the first pass."""

    round: Annotated[int, Field(ge=0)]
    title: str
    text: str


class RuleHit(Value):
    """A red-flag rule that fired, and on which words or values."""

    rule_id: str
    title: str
    urgency: Urgency
    time_frame: str
    because: tuple[str, ...]
    source: Source


class TriageDecision(Value):
    """Urgency with its published time frame. `floor` is what the rules demand; `urgency` is never below it."""

    urgency: Urgency
    floor: Urgency
    time_frame: str
    rules: tuple[RuleHit, ...] = ()
    sources: tuple[Source, ...] = ()


class RouteDecision(Value):
    """Where the walk went after a stage, and why."""

    stage: str
    next: str
    reason: str


class StageRecord(Value):
    """One visit to a stage, for the trace. `seconds` is wall time."""

    stage: str
    seconds: Annotated[float, Field(ge=0)]
    wrote: tuple[str, ...] = ()
    note: str = ""


class Usage(Value):
    """What a generating reasoner consumed; zeros for the atlas. `cached_tokens` are those of the prompt that the server had read before;
    `retries` are attempts that failed; `seconds` is the time spent waiting for answers."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})


class Answer(Value):
    """The answer to a multiple-choice question: the letter and the distribution over all letters (sums to 1)."""

    letter: str
    text: str
    probabilities: dict[str, Probability]
    note: str = ""


class ReasonerIdentity(Value):
    """Who reasoned: `kind` atlas or vllm, the profile, and a fingerprint of model or knowledge."""

    kind: Literal["atlas", "vllm", "double"]
    profile: str
    fingerprint: str
    statement: str
    reads_images: bool = Field(default=False, description="whether it sees the images themselves, not only the localizer's findings")


class CaseReport(Value):
    """What leaves the state machine. Always preliminary."""

    case_id: str
    status: Literal["preliminary"] = "preliminary"
    outcome: Outcome
    reasons: tuple[str, ...]
    diagnosis: DifferentialEntry | None
    differential: Differential
    initial_differential: Differential = Field(default=(), description="that of the first pass, before any deeper thinking")
    answer: Answer | None
    claims: tuple[Claim, ...]
    uncertainty: UncertaintyReport | None
    path: tuple[str, ...]
    routes: tuple[RouteDecision, ...]
    findings: tuple[Finding, ...]
    images: tuple[ImageFindings, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    triage: TriageDecision
    grounded_report: str
    reasoner: ReasonerIdentity
    usage: Usage
    disclaimer: str = DISCLAIMER

    @model_validator(mode="after")
    def _honest(self) -> CaseReport:
        if self.outcome == "diagnosed" and self.diagnosis is None:
            raise ValueError("a diagnosed case names its diagnosis")
        if self.outcome != "diagnosed" and not self.reasons:
            raise ValueError(f"outcome {self.outcome!r} needs a reason")
        return self
