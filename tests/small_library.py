"""A knowledge folder of two conditions and a handful of statements: old and new ones, from several places, two of which differ."""

from __future__ import annotations

from pathlib import Path

LEXICON = """
- {id: eye_pain, name: Eye pain, kind: symptom, phrases: [painful eye]}
- {id: headache, name: Headache, kind: symptom, phrases: [headache]}
"""
CONDITION = """
id: {id}
name: {name}
icd10: {icd10}
system: optic_nerve
prior: uncommon
urgency: urgent
description: {name}, as a condition of a test.
findings: {{hallmark: [{finding}]}}
"""
DOCUMENT = """
  - {{id: {id}, organisation: {id} College, title: Guideline {id}, year: {year}, url: "https://example.org/{id}", jurisdiction: {place},
     reviewed: 2026-01-01{more}}}"""
STATEMENT = """
  - {{id: {id}, document: {document}, section: "1", kind: {kind}, concepts: [{concept}], text: "{text}"}}"""
CONFLICT = """
conflicts:
  - {id: gca_time, topic: Time to treatment, statements: [gca_british, gca_american], text: The two bodies give different time limits here.}
"""
DOCUMENTS = [
    ("british", 2022, "United Kingdom", ""),
    ("scottish", 2021, "Scotland", ""),
    ("american", 2016, "United States", ""),
    ("worldwide", 2020, "International", ", review_by: 2026-06-30"),
    ("old_british", 2005, "United Kingdom", ", superseded_by: british"),
    ("gone", 2010, "International", ", withdrawn: 2019-02-01"),
]
STATEMENTS = [
    ("gca_british", "british", "time_frame", "giant_cell_arteritis", "Treat suspected giant cell arteritis on the same working day."),
    ("gca_american", "american", "time_frame", "giant_cell_arteritis", "Treat suspected giant cell arteritis within three days of referral."),
    ("gca_old", "old_british", "time_frame", "giant_cell_arteritis", "Treat suspected giant cell arteritis within two weeks of referral."),
    ("gca_scottish", "scottish", "diagnosis", "giant_cell_arteritis", "Ultrasound of the temporal artery supports giant cell arteritis."),
    ("on_world", "worldwide", "diagnosis", "optic_neuritis", "Arrange magnetic resonance imaging of brain and orbits in optic neuritis."),
    ("on_british", "british", "management", "optic_neuritis", "Methylprednisolone hastens recovery of vision in optic neuritis."),
    ("on_gone", "gone", "management", "optic_neuritis", "Patching of the eye was once advised for people with optic neuritis."),
]


def write_small_library(root: Path) -> Path:
    """Writes the folder and returns it."""
    for folder in ("lexicon", "atlas/optic_nerve", "guidelines", "rules"):
        (root / folder).mkdir(parents=True)
    (root / "lexicon/all.yaml").write_text(LEXICON)
    for condition, name, icd10, finding in (
        ("optic_neuritis", "Optic neuritis", "H46.9", "eye_pain"),
        ("giant_cell_arteritis", "Giant cell arteritis", "M31.6", "headache"),
    ):
        (root / f"atlas/optic_nerve/{condition}.yaml").write_text(CONDITION.format(id=condition, name=name, icd10=icd10, finding=finding))
    documents = "".join(DOCUMENT.format(id=i, year=y, place=p, more=m) for i, y, p, m in DOCUMENTS)
    statements = "".join(STATEMENT.format(id=i, document=d, kind=k, concept=c, text=t) for i, d, k, c, t in STATEMENTS)
    (root / "guidelines/all.yaml").write_text(f"documents:{documents}\nstatements:{statements}\n{CONFLICT}")
    return root
