"""The shape of Fovea's knowledge files: what a YAML file may say, checked when it is loaded.

`lexicon/*.yaml` hold findings, `atlas/*.yaml` conditions, `guidelines/*.yaml` documents with their statements,
`rules/*.yaml` red-flag rules.
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


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FindingEntry(Entry):
    """A finding the reader can recognise.

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


class Discriminator(Entry):
    """A finding that speaks for this condition against another; `text` says why, in our own words."""

    against: Slug
    finding: Slug
    text: Text


class Condition(Entry):
    """One disease. ICD-10-CM code as published; `snomed` only where sure."""

    id: Slug
    name: Text
    synonyms: tuple[Text, ...] = ()
    parent: Slug | None = None
    icd10: Annotated[str, Field(pattern=r"^[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?$")]
    snomed: Annotated[str, Field(pattern=r"^[0-9]{6,18}$")] | None = None
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
    discriminators: tuple[Discriminator, ...] = ()
    tests: tuple[Text, ...] = ()
    management: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _each_finding_once(self) -> Condition:
        named = [finding for findings in self.findings.values() for finding in findings]
        twice = sorted({finding for finding in named if named.count(finding) > 1})
        if twice:
            raise ValueError(f"condition {self.id!r} lists {twice!r} at more than one level")
        return self


class Document(Entry):
    """A guideline document. `reviewed` is the day its statements here were last revised."""

    id: Slug
    organisation: Text
    title: Text
    year: Annotated[int, Field(ge=1990, le=2100)]
    url: Annotated[str, Field(pattern=r"^https://")]
    jurisdiction: Text
    reviewed: date


class Statement(Entry):
    """One atomic recommendation or fact, in our own words. `concepts` are condition ids it bears on."""

    id: Slug
    document: Slug
    section: Text
    kind: Literal["time_frame", "diagnosis", "management", "monitoring", "risk", "screening"]
    concepts: Annotated[tuple[Slug, ...], Field(min_length=1)]
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
