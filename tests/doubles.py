"""Instant implementations of the ports. The contract suites in tests/contract hold them to the same rules as the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from PIL.Image import Image

from agent.citations import content_key
from agent.domain import DifferentialEntry, ReasonerIdentity, Step
from agent.errors import SettingsError
from agent.evidence import Evidence, Source
from agent.imaging import Gradability, ImageFindings, ImageRef
from agent.ports import Assessment, Dossier, Effort, Measurement, Scope
from agent.uncertainty import entropy
from knowledge.retrieval.jurisdictions import applies, known


class StillClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


class StillLocalizer:
    """Sees a gradable colour fundus photograph without lesions, whatever it is shown."""

    @property
    def identity(self) -> str:
        return "still"

    def localize(self, image: ImageRef, pixels: Image) -> ImageFindings:
        assert pixels.size == (image.width, image.height)
        return ImageFindings(image=image, modality="cfp", gradability=Gradability(status="gradable"))


class ScriptedReasoner:
    """Answers with the next of the given differentials: the first to `assess`, the others to `deliberate`; the last one repeats."""

    def __init__(self, *differentials: Sequence[tuple[str, float]], reads_images: bool = False) -> None:
        self._script = differentials or ([("optic_neuritis", 0.9)],)
        self._reads_images = reads_images
        self.efforts: list[Effort] = []
        self.closed = False

    @property
    def identity(self) -> ReasonerIdentity:
        return ReasonerIdentity(kind="double", profile="scripted", fingerprint="0", statement="a test double", reads_images=self._reads_images)

    async def assess(self, dossier: Dossier) -> Assessment:
        return self._answer(0)

    async def deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment:
        self.efforts.append(effort)
        return self._answer(effort.round)

    async def aclose(self) -> None:
        self.closed = True

    def _answer(self, round_number: int) -> Assessment:
        shares = self._script[min(round_number, len(self._script) - 1)]
        value = entropy(p for _, p in shares)
        return Assessment(
            differential=tuple(DifferentialEntry(concept_id=c, name=c.replace("_", " "), probability=p) for c, p in shares),
            measurement=Measurement(entropy=value, lower=value, upper=value, method="entropy of a script"),
            steps=(Step(round=round_number, title="scripted", text=f"pass {round_number}"),),
        )


SHELF_SOURCE = Source(
    organisation="Test College", title="Test guideline", year=2020, section="1", url="https://example.org/g", jurisdiction="nowhere"
)


def statement(concept: str, text: str, kind: str = "management") -> Evidence:
    return Evidence(key=content_key("test", text), text=text, kind=kind, concepts=(concept,), source=SHELF_SOURCE, score=1.0)


class ShelfRetriever:
    """Keeps a few statements in memory; free text finds those that share a word."""

    def __init__(self, *statements: Evidence, scope: Scope | None = None) -> None:
        self._scope = scope or Scope()
        self._shelf = statements or (
            statement("optic_neuritis", "Intravenous methylprednisolone hastens recovery of vision in optic neuritis."),
            statement("optic_neuritis", "Arrange magnetic resonance imaging of brain and orbits in optic neuritis.", "diagnosis"),
            statement("giant_cell_arteritis", "Treat suspected giant cell arteritis on the same working day.", "time_frame"),
        )

    @property
    def identity(self) -> str:
        return "shelf"

    def for_concepts(self, concept_ids: Sequence[str], passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        found: dict[str, Evidence] = {}
        for concept in concept_ids:
            within = self._within(scope)
            own = [s for s in within if concept in s.concepts]
            for passage in own[:passages]:
                for beside in (passage, *(o for o in within if o.key in passage.disputes)):
                    found.setdefault(beside.key, beside)
        return tuple(found.values())

    def search(self, query: str, passages: int, scope: Scope | None = None) -> tuple[Evidence, ...]:
        words = set(query.lower().split())
        return tuple(s for s in self._within(scope) if words & set(s.text.lower().split()))[: max(0, passages)]

    def _within(self, scope: Scope | None) -> list[Evidence]:
        asked = scope or self._scope
        for place in asked.jurisdictions:
            if place not in known(s.source.jurisdiction for s in self._shelf):
                raise SettingsError(f"jurisdiction {place!r} is unknown: one of {', '.join(known(s.source.jurisdiction for s in self._shelf))}")
        return [
            s
            for s in self._shelf
            if (asked.outdated or not s.outdated)
            and applies(s.source.jurisdiction, asked.jurisdictions)
            and (asked.since is None or s.source.year is None or s.source.year >= asked.since)
        ]

    def passage(self, key: str) -> Evidence | None:
        return next((s for s in self._shelf if s.key == key), None)
