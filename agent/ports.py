"""The five things the state machine needs from the outside. Tests replace them with doubles; one contract suite holds for all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from agent.domain import Answer, AnswerOption, Demographics, Differential, Finding, ReasonerIdentity, Step, Usage
from agent.evidence import Evidence
from agent.imaging import ImageFindings, ImageRef
from agent.values import Nats, Value

if TYPE_CHECKING:
    from PIL.Image import Image


class Dossier(Value):
    """All a reasoner may see of a case: no identifiers, no file names, no bytes."""

    narrative: str
    demographics: Demographics
    options: tuple[AnswerOption, ...] = ()
    findings: tuple[Finding, ...] = ()
    images: tuple[ImageFindings, ...] = ()


UNMEASURED = "unknown"
"""The `method` of a measurement that could not be made; its entropy is then the largest possible, so that it leads to doubt."""


LETTERS = "entropy over the option letters"
"""The `method` of a measurement that is at most the logarithm of the number of options; it has a threshold of its own."""


SEMANTIC = "semantic entropy over concepts"
"""The `method` of a measurement over sampled answers; it too has a threshold of its own."""


class Measurement(Value):
    """The reasoner's own uncertainty, before it meets the threshold. Fields as in `UncertaintyReport`, in nats.

    `sound` is false where part of what it rests on was missing or damaged: it then leads to doubt, and teaches the threshold nothing.
    """

    entropy: Nats
    lower: Nats
    upper: Nats
    method: str
    spans: dict[str, Nats] = Field(default_factory=dict)
    sound: bool = True


class Assessment(Value):
    """A reasoner's answer after one pass. `findings` are those it added to the dossier's (a second reading, say)."""

    differential: Differential
    measurement: Measurement
    answer: Answer | None = None
    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    usage: Usage = Usage()
    parse_problem: str = ""


class Effort(Value):
    """What the dial allows one deliberation round: sampled answers, passages per query, and new tokens per sample."""

    round: int
    samples: int
    passages: int
    tokens: int


class Reasoner(Protocol):
    """Answers a case and measures its own uncertainty.

    Both methods raise `ReasonerUnreachable` when the model behind them does not answer, `ReasonerError` when its answer is of no use
    at all. Probabilities of a differential are sorted, highest first, and sum to at most 1; the rest is 'something else'.
    """

    @property
    def identity(self) -> ReasonerIdentity: ...

    async def assess(self, dossier: Dossier) -> Assessment: ...

    async def deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment: ...

    async def aclose(self) -> None: ...


class Localizer(Protocol):
    """Finds anatomy and lesions on one image. Pure: the same pixels give the same findings. Callable from any thread."""

    @property
    def identity(self) -> str: ...

    def localize(self, image: ImageRef, pixels: Image) -> ImageFindings:
        """`pixels` is upright RGB of `image.width` x `image.height`. Images that are no colour fundus photograph come back
        with their modality, no boxes and a note."""
        ...


class Scope(Value):
    """Which passages may be shown.

    `jurisdictions`: where the reader works (empty: anywhere); a document counts when it applies there. `since`: the oldest year of a
    document that states one. `outdated`: also what is withdrawn, superseded or past its review date, marked as such.
    """

    jurisdictions: tuple[str, ...] = ()
    since: int | None = None
    outdated: bool = False


class Retriever(Protocol):
    """Guideline statements, and passages of the user's own documents, for a differential or a question, best first.

    `scope` None means the retriever's own, from the settings.
    """

    @property
    def identity(self) -> str: ...

    def for_concepts(self, concept_ids: Sequence[str], passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        """Up to `passages` statements per concept, in the order of the concepts, each statement once; beyond that number only those
        that dispute one of them, which follow it. Needs no model."""
        ...

    def search(self, query: str, passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        """Up to `passages` statements for free text, by dense and lexical search fused."""
        ...

    def passage(self, key: str) -> Evidence | None:
        """The statement with this key, whatever the scope, or None."""
        ...


class ImageStore(Protocol):
    """Keeps image bytes by the sha256 of what was handed in, so that they never enter the state."""

    def put(self, data: bytes, number: int = 1) -> ImageRef:
        """Validates and decodes `data`; raises `ImageError`, naming the reason. The same bytes give the same sha256."""
        ...

    def reference(self, sha256: str, number: int = 1) -> ImageRef:
        """What `put` said about an image already held, laterality included; raises `ImageError` when it is not."""
        ...

    def pixels(self, sha256: str) -> Image:
        """Upright RGB pixels; raises `ImageError` when the store does not hold the image."""
        ...

    def data(self, sha256: str) -> bytes:
        """The bytes that are kept, those of DICOM as PNG; raises `ImageError` when the store does not hold the image."""
        ...

    def remove(self, sha256: str) -> None:
        """Deletes an image for good; one that is not held is none to delete."""
        ...


class Clock(Protocol):
    def now(self) -> datetime: ...

    def monotonic(self) -> float:
        """Seconds, for durations only."""
        ...
