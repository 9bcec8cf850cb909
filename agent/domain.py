"""The values that walk through a case: frozen, strict and free of image bytes.

Coordinates are fractions of the upright (EXIF-applied) image, origin at the upper left, unless a name says `_999`
(integers 0 to 999, FundusExpert's convention). Distances on the retina are in optic disc diameters (DD). Entropies are in nats.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Laterality = Literal["right", "left", "both", "unknown"]
Modality = Literal["cfp", "oct", "ffa", "other", "unknown"]
"""cfp: colour fundus photograph; oct: optical coherence tomography; ffa: fundus fluorescein angiography; other: no retina seen."""
Presence = Literal["present", "possible", "absent"]
Urgency = Literal["routine", "soon", "urgent", "emergency"]
URGENCIES: tuple[Urgency, ...] = ("routine", "soon", "urgent", "emergency")
Outcome = Literal["diagnosed", "refer_to_human", "ungradable"]
LesionLabel = Literal["hard_exudate", "haemorrhage", "microaneurysm", "soft_exudate", "drusen", "neovascularisation"]
Quadrant = Literal["superior_temporal", "inferior_temporal", "superior_nasal", "inferior_nasal"]
Probability = Annotated[float, Field(ge=0, le=1)]
Nats = Annotated[float, Field(ge=0)]
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


class Value(BaseModel):
    """Base of every domain value: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Box(Value):
    """An axis-aligned box, upper-left then lower-right corner, in fractions of the image."""

    x1: Probability
    y1: Probability
    x2: Probability
    y2: Probability

    @model_validator(mode="after")
    def _ordered(self) -> Box:
        if self.x1 > self.x2 or self.y1 > self.y2:
            raise ValueError(f"box corners are not ordered: {(self.x1, self.y1, self.x2, self.y2)!r}")
        return self

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def to_999(self) -> tuple[int, int, int, int]:
        """Integers 0 to 999 as grounded reports write them (FundusExpert).

        >>> Box(x1=0, y1=0.5, x2=1, y2=1).to_999()
        (0, 500, 999, 999)
        """
        x1, y1, x2, y2 = (min(999, round(v * 1000)) for v in (self.x1, self.y1, self.x2, self.y2))
        return x1, y1, x2, y2

    @classmethod
    def from_999(cls, corners: tuple[int, int, int, int]) -> Box:
        """The box such integers stand for; `to_999` gives them back. Raises ValueError for numbers outside 0 to 999.

        >>> Box.from_999((0, 500, 250, 999)).to_999()
        (0, 500, 250, 999)
        """
        if not all(0 <= value <= 999 for value in corners):
            raise ValueError(f"box {corners!r} is not in integers 0 to 999")
        return cls(x1=corners[0] / 1000, y1=corners[1] / 1000, x2=corners[2] / 1000, y2=corners[3] / 1000)


class AnswerOption(Value):
    """One option of a multiple-choice question: its letter (upper case) and its text."""

    key: Annotated[str, Field(pattern=r"^[A-Z]$")]
    text: Annotated[str, Field(min_length=1)]


class ImageInput(Value):
    """An image as it was handed in: a local path, or the sha256 of one the image store already holds."""

    path: str | None = None
    sha256: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ImageInput:
        if (self.path is None) == (self.sha256 is None):
            raise ValueError("give exactly one of path and sha256")
        return self


class CaseRequest(Value):
    """What enters the state machine."""

    case_id: str | None = None
    narrative: str = ""
    images: tuple[ImageInput, ...] = ()
    options: tuple[AnswerOption, ...] = ()


class ImageRef(Value):
    """A validated, upright image in the image store. `number` counts from 1 in the order given."""

    number: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    media_type: str
    width: Annotated[int, Field(ge=1, description="pixels, after EXIF orientation")]
    height: Annotated[int, Field(ge=1, description="pixels, after EXIF orientation")]
    laterality: Laterality = "unknown"
    stated_modality: Modality = Field(default="unknown", description="what the file says it is (DICOM SOP class); pixels may say other")
    several_frames: bool = Field(default=False, description="the file holds more pictures than the one that is read")


class Case(Value):
    """A validated case. `language` is an ISO 639-1 code, or 'und' when the narrative is too short to tell."""

    case_id: str
    narrative: str
    language: str = "und"
    options: tuple[AnswerOption, ...] = ()


class Gradability(Value):
    """Whether a photograph can be judged, and why not when it cannot."""

    status: Literal["gradable", "limited", "ungradable"]
    reasons: tuple[str, ...] = ()


class Lesion(Value):
    """One detected lesion. `number` is what the overlay shows; distances are centre to centre in disc diameters (DD), but for
    `fovea_edge_dd`, from the fovea to the nearest edge of the box (0 inside it)."""

    number: Annotated[int, Field(ge=1)]
    label: LesionLabel
    score: Probability
    box: Box
    quadrant: Quadrant | None = None
    disc_distance_dd: float | None = None
    fovea_distance_dd: float | None = None
    fovea_edge_dd: float | None = None


class ImageFindings(Value):
    """What the localizer saw on one image. For a modality it does not read, `note` says so and the rest stays empty.

    `fovea_uncertainty_dd` is the radius about `fovea` that holds the true one in two of three photographs. Areas are those of the
    boxes, so upper bounds of the lesions' own. `nearest_exudate_range_dd` is the distance less and plus that radius, from 0 on.
    """

    image: ImageRef
    modality: Modality
    gradability: Gradability
    field_of_view: Box | None = None
    optic_disc: Box | None = None
    optic_disc_score: Probability | None = None
    optic_disc_diameter_px: float | None = Field(default=None, description="one disc diameter (DD) in pixels of the image")
    fovea: tuple[float, float] | None = Field(default=None, description="centre (x, y), fractions of the image")
    fovea_source: Literal["detected", "estimated"] | None = Field(default=None, description="seen itself, or placed from the disc")
    fovea_box: Box | None = Field(default=None, description="a detected fovea's box, also one that was too doubtful to measure from")
    fovea_score: Probability | None = Field(default=None, description="that box's score")
    fovea_uncertainty_dd: float | None = Field(default=None, description="radius that holds the fovea in two of three photographs")
    laterality: Laterality = "unknown"
    lesions: tuple[Lesion, ...] = ()
    counts: dict[str, dict[str, int]] = Field(default_factory=dict, description="label -> quadrant -> number of lesions")
    areas: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="label -> quadrant -> area of the union of its boxes, in squared disc diameters"
    )
    nearest_exudate_dd: float | None = Field(default=None, description="from the fovea to the nearest edge of a hard exudate box, DD")
    nearest_exudate_range_dd: tuple[float, float] | None = None
    image_level: dict[str, Probability] = Field(
        default_factory=dict, description="label -> chance that the image holds it; no_visible_lesion -> that it holds none"
    )
    note: str = ""


class Finding(Value):
    """One thing known about the patient: read from the narrative, or seen by the localizer.

    `start` and `end` are character offsets into the narrative; `image` is the number of the image.
    """

    finding_id: str
    name: str
    presence: Presence
    source: Literal["narrative", "measurement", "localizer", "second_reading"]
    laterality: Laterality = "unknown"
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


class Source(Value):
    """The document a statement comes from."""

    organisation: str
    title: str
    year: int
    section: str
    url: str
    jurisdiction: str


class Evidence(Value):
    """A retrieved guideline statement. `key` is a content hash: it changes when the words change."""

    key: str
    text: str
    kind: str
    concepts: tuple[str, ...]
    source: Source
    score: float


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
    `initial_entropy` is that of the first pass, `entropy` that of the last. `lower` and `upper` bound `entropy` where
    log-probabilities were truncated to the top k. `omega` = tanh((initial_entropy - threshold) / scale), -1 to 1; `depth` is the number
    of deliberation rounds it allowed, `rounds` how many were walked.
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
    spans: dict[str, Nats] = Field(default_factory=dict, description="entropy per span, e.g. think and answer, or differential")

    @property
    def uncertain(self) -> bool:
        return self.entropy > self.threshold


class Step(Value):
    """One step of thinking, in words that follow from numbers. `round` 0 is the first pass."""

    round: Annotated[int, Field(ge=0)]
    title: str
    text: str


class Citation(Value):
    """A quotation and the verdict of the check against its passage. A pending citation has not been checked yet."""

    key: str
    quote: str
    verdict: Literal["pending", "supported", "misattributed", "not_found"] = "pending"
    source: Source | None = None


class Claim(Value):
    """A sentence of the report. It counts as cited only when a citation of it is supported."""

    text: str
    citations: tuple[Citation, ...] = ()
    supported: bool = False


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
    """What a generating reasoner consumed; zeros for the atlas."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


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
