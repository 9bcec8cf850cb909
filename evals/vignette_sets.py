"""Narratives with a known condition: written for this project, and published ones where the reader has them.

The written ones are halved into development and test by a hash of their ids, system by system. The published ones (case reports, exam
questions) lie outside the project, serve development only, and are left out where they are absent; their titles are never read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from evals.narratives import narrative
from knowledge.differential import OTHER
from knowledge.library import Library
from knowledge.terminology import Terminology

WRITTEN = Path(__file__).parent / "data" / "vignettes_written.yaml"
PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "vignettes"
Half = Literal["development", "test"]


class Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    system: str
    reference: str
    accept: tuple[str, ...] = ()
    difficulty: Literal["easy", "moderate", "hard"]
    text: str


@dataclass(frozen=True)
class Narrative:
    """`reference` is a condition of the atlas or `other`; `accepted` holds it and what else is not wrong."""

    id: str
    text: str
    reference: str
    accepted: frozenset[str]
    difficulty: str = ""


def written(path: Path = WRITTEN) -> list[Written]:
    """Raises pydantic's `ValidationError` naming entry and field."""
    return TypeAdapter(list[Written]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8"))["vignettes"])


def half(library: Library, which: Half, rows: list[Written] | None = None) -> list[Narrative]:
    """One half of the written vignettes, mapped to the conditions the library holds; one it does not hold is `other`."""
    rows = written() if rows is None else rows
    return [_mapped(library, f"{r.id}", r.text, r.reference, r.accept, r.difficulty) for r in rows if r.id in split(rows)[which]]


def split(rows: list[Written]) -> dict[Half, frozenset[str]]:
    """Ids by half: within each system, ordered by the hash of the id, every other one."""
    halves: dict[Half, set[str]] = {"development": set(), "test": set()}
    for system in sorted({r.system for r in rows}):
        members = sorted((r.id for r in rows if r.system == system), key=lambda i: hashlib.sha256(i.encode()).hexdigest())
        halves["development"] |= set(members[::2])
        halves["test"] |= set(members[1::2])
    return {name: frozenset(ids) for name, ids in halves.items()}


def _mapped(library: Library, name: str, text: str, reference: str, accept: tuple[str, ...], difficulty: str = "") -> Narrative:
    reference = reference if reference in library.condition else OTHER
    accepted = {reference, *(a for a in accept if a in library.condition)}
    return Narrative(name, text, reference, frozenset(accepted), difficulty)


_REPORTS: dict[int, tuple[str, ...]] = {2: ("anaemic_retinopathy",)}
"""Case reports whose diagnosis is written in words no synonym covers: record number to reference and what else is accepted."""
_ENCOUNTERS: dict[int, tuple[str, ...]] = {
    0: (OTHER, "congenital_cataract"),
    2: ("hyperviscosity_retinopathy", "central_retinal_vein_occlusion"),
}
_MEDQA: dict[int, tuple[str, ...]] = {
    0: ("allergic_conjunctivitis",), 3: ("bacterial_keratitis",), 4: ("age_related_cataract",), 5: ("bacterial_keratitis",),
    7: ("homonymous_hemianopia",), 8: ("optic_neuritis",), 9: ("central_retinal_artery_occlusion",), 10: ("pituitary_chiasmal_compression",),
    14: ("idiopathic_intracranial_hypertension", "papilloedema"), 15: ("nonproliferative_diabetic_retinopathy", "diabetic_macular_oedema"),
    17: ("age_related_cataract", "phenothiazine_retinopathy"), 19: ("internuclear_ophthalmoplegia",),
}  # fmt: skip
"""Exam questions that describe a patient with one certain condition, whatever they ask about it."""
_MEDMCQA: dict[int, tuple[str, ...]] = {
    6: ("functional_visual_loss",), 27: ("internuclear_ophthalmoplegia",), 34: ("diabetic_macular_oedema", "cystoid_macular_oedema"),
    39: ("fungal_keratitis",), 54: ("hydroxychloroquine_retinopathy",), 56: ("carotid_cavernous_fistula",),
}  # fmt: skip


def case_reports(library: Library, folder: Path = PUBLISHED) -> list[Narrative]:
    """Published case reports and simulated encounters; empty where the files are absent."""
    terminology = Terminology(library)
    found = []
    for n, row in _rows(folder / "pmc_case_reports_eye.jsonl"):
        known = _REPORTS.get(n) or _resolved(terminology, row["reference_diagnosis"])
        found.append(_mapped(library, f"report-{n}", row["case_summary"], known[0], known[1:]))
    for n, row in _rows(folder / "agentclinic_medqa_osce_eye.jsonl"):
        known = _resolved(terminology, row["OSCE_Examination"]["Correct_Diagnosis"])
        by_hand = _ENCOUNTERS.get(n, known)
        known = by_hand if known[0] == OTHER else (*known, *by_hand[1:])
        found.append(_mapped(library, f"encounter-{n}", narrative("agentclinic_medqa_osce_eye", n, folder), known[0], known[1:]))
    return found


def exam_questions(library: Library, folder: Path = PUBLISHED) -> list[Narrative]:
    """Exam questions that describe a patient, without their options; empty where the files are absent."""
    found = []
    for file, chosen in (("medqa_us_test_eye.jsonl", _MEDQA), ("medmcqa_dev_ophthalmology.jsonl", _MEDMCQA)):
        rows = dict(_rows(folder / file))
        found += [_mapped(library, f"{file.split(chr(95))[0]}-{n}", rows[n]["question"], k[0], k[1:]) for n, k in chosen.items() if n in rows]
    return found


def _resolved(terminology: Terminology, diagnosis: str) -> tuple[str, ...]:
    hit = terminology.resolve(diagnosis)
    return (hit[0],) if hit else (OTHER,)


def _rows(file: Path) -> Iterator[tuple[int, dict]]:  # type: ignore[type-arg]
    if file.exists():
        yield from enumerate(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
