"""The shape of Fovea's knowledge files: what a YAML file may say, checked when it is loaded.

`lexicon/*.yaml` hold findings, `atlas/*/ID.yaml` one condition each, `guidelines/*.yaml` documents with their statements and the
conflicts between them, `rules/*.yaml` red-flag rules.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")]
Level = Literal["hallmark", "common", "occasional", "rare", "never"]
"""How often a finding is present in a condition: hallmark ~0.9, common ~0.6, occasional ~0.25, rare ~0.05, never ~0.005."""
Prior = Literal["very_common", "common", "uncommon", "rare", "very_rare"]
AgeBand = Literal["infant", "child", "young_adult", "middle_aged", "older", "elderly"]
"""infant < 2, child 2-15, young_adult 16-39, middle_aged 40-59, older 60-74, elderly >= 75 years."""
Urgency = Literal["routine", "soon", "urgent", "emergency"]
Text = Annotated[str, Field(min_length=1)]
ICD10 = r"^[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?$"
_D5 = "0123456789 1234067895 2340178956 3401289567 4012395678 5987604321 6598710432 7659821043 8765932104 9876543210".split()
_PERMUTED = "0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258".split()


def verhoeff(number: str) -> bool:
    """Whether the last digit of a number is its Verhoeff check digit, as every SNOMED CT identifier's is.

    >>> verhoeff("22298006"), verhoeff("22298007")
    (True, False)
    """
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = int(_D5[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


ImagingModality = Literal[
    "cfp", "oct", "octa", "ffa", "icga", "faf", "ultrasound", "ubm", "visual_field", "erg", "mri", "ct", "x_ray", "angiography",
    "topography", "specular", "slit_lamp", "gonioscopy",
]  # fmt: skip
"""cfp colour fundus photograph; oct and octa optical coherence tomography and its angiography; ffa and icga fluorescein and indocyanine
green angiography; faf fundus autofluorescence; ubm ultrasound biomicroscopy; erg electroretinogram; angiography of head and neck."""


class FindingEntry(Entry):
    """A finding the reader can recognise.

    `modality` is what shows it, and every finding of kind imaging has one.

    `phrases` are matched after canonicalisation (case, spelling, plurals, common synonyms) inside one clause, in any order and
    with up to three other words between; a phrase in double quotes inside the string must stand word for word in order.
    `background`: share of eye-clinic patients WITHOUT a condition that explains it in whom it is nevertheless reported.
    `implies`: more general findings that are true whenever this one is.
    """

    id: Slug
    name: Text
    kind: Literal["symptom", "sign", "imaging", "history", "exposure", "test", "course"]
    phrases: tuple[Text, ...] = ()
    background: Annotated[float, Field(gt=0, lt=1)] = 0.03
    implies: tuple[Slug, ...] = ()
    modality: ImagingModality | None = None


class Discriminator(Entry):
    """A finding that speaks for this condition against another; `text` says why, in our own words."""

    against: Slug
    finding: Slug
    text: Text


class Snomed(Entry):
    """A SNOMED CT concept. `verified` only where the code was held against a published source; the check digit is checked always."""

    code: Annotated[str, Field(pattern=r"^[1-9][0-9]{5,17}$")]
    verified: bool = False

    @model_validator(mode="after")
    def _check_digit(self) -> Snomed:
        if not verhoeff(self.code):
            raise ValueError(f"{self.code!r} is no SNOMED CT identifier: its check digit is wrong")
        return self


class Basis(Entry):
    """Why a finding has its level in a condition.

    definition: the condition is defined by it. criteria: published diagnostic or classification criteria name it (`source` is the
    document's id, or its citation). statement: a guideline statement here says it (`source` is the statement's id). review: a published
    series or review gives its frequency (`source` is the citation). judgement: the editors' own, from general knowledge; not measured.
    """

    kind: Literal["definition", "criteria", "statement", "review", "judgement"]
    source: str = ""

    @model_validator(mode="after")
    def _has_source(self) -> Basis:
        if self.kind in ("criteria", "statement", "review") and not self.source:
            raise ValueError(f"a basis of kind {self.kind!r} needs its source")
        return self


JUDGEMENT = Basis(kind="judgement")


class SystemicDisease(Entry):
    """A disease of the rest of the body that goes with a condition; ICD-10-CM code where sure."""

    name: Text
    icd10: Annotated[str, Field(pattern=ICD10)] | None = None


class Condition(Entry):
    """One disease. ICD-10-CM code as published.

    `findings` are grouped by how often they are present; `basis` says why, finding by finding, and what it does not name is the editors'
    judgement. `tests` are what one does next; test results with a level of their own are findings of kind test.
    """

    id: Slug
    name: Text
    synonyms: tuple[Text, ...] = ()
    parent: Slug | None = None
    icd10: Annotated[str, Field(pattern=ICD10)]
    snomed: Snomed | None = None
    system: Literal[
        "retina",
        "optic_nerve",
        "glaucoma",
        "uvea",
        "cornea",
        "conjunctiva",
        "lens",
        "lids_orbit",
        "neuro",
        "paediatric",
        "tumour",
        "trauma",
        "toxic",
        "vitreous",
        "refractive",
        "normal",
    ]
    prior: Prior
    age: dict[AgeBand, Annotated[float, Field(ge=0.001, le=20)]] = Field(default_factory=dict, description="multipliers on the prior")
    sex: dict[Literal["female", "male"], Annotated[float, Field(ge=0.01, le=20)]] = Field(default_factory=dict)
    urgency: Urgency
    description: Text
    findings: dict[Level, tuple[Slug, ...]]
    basis: dict[Slug, Basis] = Field(default_factory=dict)
    systemic: tuple[SystemicDisease, ...] = ()
    discriminators: tuple[Discriminator, ...] = ()
    tests: tuple[Text, ...] = ()
    management: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _each_finding_once(self) -> Condition:
        named = [finding for findings in self.findings.values() for finding in findings]
        twice = sorted({finding for finding in named if named.count(finding) > 1})
        if twice:
            raise ValueError(f"condition {self.id!r} lists {twice!r} at more than one level")
        strangers = sorted(set(self.basis) - set(named))
        if strangers:
            raise ValueError(f"condition {self.id!r} gives a basis for {strangers!r}, which it does not list")
        return self

    def level_of(self, finding: str) -> Level | None:
        """How often the finding is present in the condition; None where the condition does not list it."""
        return next((level for level, findings in self.findings.items() if finding in findings), None)


class Document(Entry):
    """A guideline document. `reviewed` is the day its statements here were last revised.

    A document that is `withdrawn`, `superseded_by` another one, or past `review_by` is out of date: its statements are kept, marked, and
    left out of answers unless they are asked for.
    """

    id: Slug
    organisation: Text
    title: Text
    year: Annotated[int, Field(ge=1990, le=2100)]
    url: Annotated[str, Field(pattern=r"^https://")]
    jurisdiction: Text
    reviewed: date
    review_by: date | None = None
    withdrawn: date | None = None
    superseded_by: Slug | None = None


class Statement(Entry):
    """One atomic recommendation or fact, in our own words. `concepts` are condition ids it bears on.

    `strength`: how the body itself grades it ("strong recommendation, moderate certainty"); empty where it does not.
    """

    id: Slug
    document: Slug
    section: Text
    kind: Literal["time_frame", "diagnosis", "management", "monitoring", "risk", "screening"]
    concepts: Annotated[tuple[Slug, ...], Field(min_length=1)]
    text: Annotated[str, Field(min_length=30, max_length=600)]
    strength: str = ""


class Conflict(Entry):
    """Statements of different documents that differ on one matter. They are kept side by side; `text` says what differs, without a verdict."""

    id: Slug
    topic: Text
    statements: Annotated[tuple[Slug, ...], Field(min_length=2)]
    text: Annotated[str, Field(min_length=30, max_length=600)]


class Measure(Entry):
    """A numeric condition of a rule: e.g. intraocular pressure of either eye >= 40 mmHg.

    `measure`: iop (mmHg), logmar (logMAR, larger is worse), age (years), esr (mm/h), crp (mg/L), duration_days (days since onset).
    """

    measure: Literal["iop", "logmar", "age", "esr", "crp", "duration_days"]
    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _has_bound(self) -> Measure:
        if self.at_least is None and self.below is None:
            raise ValueError("a measure needs at_least or below")
        return self


class When(Entry):
    """All of `all`, at least `count` of `any`, none of `none` (finding ids, present or possible), and all `measures`."""

    all: tuple[Slug, ...] = ()
    any: tuple[Slug, ...] = ()
    count: Annotated[int, Field(ge=1)] = 1
    none: tuple[Slug, ...] = ()
    measures: tuple[Measure, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> When:
        if not (self.all or self.any or self.measures):
            raise ValueError("a rule's `when` needs all, any or measures")
        return self


class Rule(Entry):
    """A red-flag rule. It fires when any of its `when` alternatives holds, and it can only raise urgency."""

    id: Slug
    title: Text
    urgency: Urgency
    time_frame: Text
    document: Slug
    section: Text
    when: Annotated[tuple[When, ...], Field(min_length=1)]
    note: str = ""
