"""The channels of one case. Every value is frozen; image bytes never enter (a hash stands for them)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NotRequired, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from agent.domain import (
    Case,
    CaseReport,
    CaseRequest,
    Demographics,
    Differential,
    Finding,
    ReasonerIdentity,
    RouteDecision,
    StageRecord,
    Step,
    TriageDecision,
    UncertaintyReport,
)
from agent.errors import StageError
from agent.evidence import Claim, Evidence
from agent.imaging import ImageFindings, ImageRef
from agent.ports import Assessment
from agent.values import Value

SCHEMA_VERSION = 1


class Draft(Value):
    """What compose hands to verify: claims whose citations are still pending, and the grounded report."""

    claims: tuple[Claim, ...]
    grounded_report: str
    triage: TriageDecision


class Progress(Value):
    """What the last deliberation round brought: entropy before and after in nats, comparable only when measured the same way."""

    before: float
    after: float
    same_method: bool


class Earlier(Value):
    """What earlier walks of the same case have settled: images that need not be localized again, and the urgency floor that stays.

    An image is known by its sha256; its number may be another in the new walk.
    """

    images: tuple[ImageFindings, ...] = ()
    floor: TriageDecision | None = None


def joined(old: Iterable[Any], new: Iterable[Any]) -> tuple[Any, ...]:
    """Reducer of the channels that grow. A checkpoint gives lists back; what comes out is a tuple again."""
    return (*old, *new)


class CaseInput(TypedDict):
    """All that a caller may set; the rest of the state is the stages' own."""

    request: CaseRequest
    earlier: NotRequired[Earlier]


class CaseState(TypedDict, total=False):
    schema_version: int
    request: CaseRequest
    earlier: Earlier
    reasoner: ReasonerIdentity
    case: Case
    images: tuple[ImageRef, ...]
    image_findings: tuple[ImageFindings, ...]
    demographics: Demographics
    findings: tuple[Finding, ...]
    floor: TriageDecision
    initial_differential: Differential
    assessment: Assessment
    uncertainty: UncertaintyReport
    progress: Progress
    evidence: tuple[Evidence, ...]
    draft: Draft
    report: CaseReport
    notes: Annotated[tuple[str, ...], joined]
    steps: Annotated[tuple[Step, ...], joined]
    stages: Annotated[tuple[StageRecord, ...], joined]
    routes: Annotated[tuple[RouteDecision, ...], joined]


Update = dict[str, Any]
_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    channel: TypeAdapter(kind, config=None if isinstance(kind, type) and issubclass(kind, Value) else ConfigDict(strict=True))
    for channel, kind in get_type_hints(CaseState).items()
}


def validated(stage: str, update: Mapping[str, object]) -> Update:
    """The update, each value checked against its channel. LangGraph itself checks nothing of a TypedDict, the last node's least of all.

    Raises `StageError` naming stage and channel.
    """
    checked: Update = {}
    for channel, value in update.items():
        if channel not in _ADAPTERS:
            raise StageError(f"stage {stage!r} wrote to unknown channel {channel!r}")
        try:
            checked[channel] = _ADAPTERS[channel].validate_python(value)
        except ValidationError as error:
            problem = error.errors()[0]
            raise StageError(f"stage {stage!r} wrote a bad {channel!r}: {problem['msg']} at {problem['loc']!r}") from error
    return checked
