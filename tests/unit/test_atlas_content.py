"""What the atlas holds: enough conditions, each fit to be told from its neighbours, named as a doctor names them."""

from __future__ import annotations

from typing import get_args

import pytest

from knowledge.checking import faults
from knowledge.library import Library
from knowledge.schema import Condition, ImagingModality
from knowledge.terminology import Terminology

NAMED = {
    "MEWDS": "mewds",
    "acute zonal occult outer retinopathy": "azoor",
    "PAMM": "paracentral_acute_middle_maculopathy",
    "acute macular neuroretinopathy of the left eye": "acute_macular_neuroretinopathy",
    "Leber stellate neuroretinitis": "neuroretinitis",
    "Susac's syndrome": "susac_syndrome",
    "IRVAN": "irvan",
    "Eales disease": "eales_disease",
    "Best's disease": "best_vitelliform_dystrophy",
    "adult-onset vitelliform dystrophy": "adult_vitelliform_dystrophy",
    "optic disc coloboma": "optic_disc_coloboma",
    "morning glory syndrome": "morning_glory_anomaly",
    "optic pit maculopathy": "optic_disc_pit_maculopathy",
    "ocular syphilis": "syphilitic_uveitis",
    "tubercular serpiginous-like choroiditis": "tuberculous_uveitis",
    "temporal arteritis": "giant_cell_arteritis",
    "VKH": "vogt_koyanagi_harada",
    "birdshot chorioretinopathy": "birdshot_chorioretinopathy",
    "relentless placoid chorioretinitis": "relentless_placoid_chorioretinitis",
    "multifocal choroiditis and panuveitis": "multifocal_choroiditis",
    "ocular toxocariasis": "ocular_toxocariasis",
    "diffuse unilateral subacute neuroretinitis": "dusn",
    "orbital cysticercosis": "ocular_cysticercosis",
    "West Nile virus chorioretinitis": "west_nile_chorioretinitis",
    "dengue maculopathy": "dengue_maculopathy",
    "progressive outer retinal necrosis": "progressive_outer_retinal_necrosis",
    "endogenous aspergillus endophthalmitis": "aspergillus_endophthalmitis",
    "leiomyoma of the orbit": "orbital_leiomyoma",
    "orbital schwannoma": "orbital_schwannoma",
    "orbital rhabdomyosarcoma": "rhabdomyosarcoma_orbit",
    "IgG4-related ophthalmic disease": "orbital_igg4_disease",
    "choroidal osteoma": "choroidal_osteoma",
    "von Hippel-Lindau disease": "retinal_haemangioblastoma",
    "BDUMP": "bdump",
    "cancer-associated retinopathy": "cancer_associated_retinopathy",
    "familial exudative vitreoretinopathy": "fevr",
    "incontinentia pigmenti": "incontinentia_pigmenti_retina",
    "Norrie disease": "norrie_disease",
    "Goldmann-Favre syndrome": "enhanced_s_cone_syndrome",
    "gyrate atrophy": "gyrate_atrophy",
    "Bietti crystalline dystrophy": "bietti_crystalline_dystrophy",
    "Oguchi disease": "congenital_stationary_night_blindness",
    "Sorsby fundus dystrophy": "sorsby_fundus_dystrophy",
    "maternally inherited diabetes and deafness": "midd_maculopathy",
    "MacTel type 1": "macular_telangiectasia_type_1",
    "poppers maculopathy": "poppers_maculopathy",
    "Terson syndrome": "terson_syndrome",
    "shaken baby syndrome": "abusive_head_trauma_retinopathy",
    "HELLP retinopathy": "preeclampsia_choroidopathy",
    "Elmiron maculopathy": "pentosan_maculopathy",
    "MEK inhibitor retinopathy": "mek_inhibitor_retinopathy",
    "methanol poisoning": "methanol_optic_neuropathy",
    "topiramate-induced angle closure": "topiramate_angle_closure",
    "PION": "posterior_ischaemic_optic_neuropathy",
    "MOGAD": "mog_antibody_disease",
    "dominant optic atrophy": "dominant_optic_atrophy",
    "Chandler syndrome": "iridocorneal_endothelial_syndrome",
    "phacolytic glaucoma": "phacolytic_glaucoma",
    "malignant glaucoma": "malignant_glaucoma",
    "Reis-Bucklers dystrophy": "reis_bucklers_dystrophy",
    "pellucid marginal degeneration": "pellucid_marginal_degeneration",
    "Thygeson keratitis": "thygeson_keratitis",
    "Mooren's ulcer": "mooren_ulcer",
    "Kayser-Fleischer ring": "wilson_disease_eye",
    "Fabry disease": "fabry_disease_eye",
    "Kearns-Sayre syndrome": "cpeo",
    "Miller Fisher syndrome": "miller_fisher_syndrome",
    "Tolosa-Hunt syndrome": "tolosa_hunt_syndrome",
    "Benson syndrome": "posterior_cortical_atrophy",
    "Charles Bonnet syndrome": "charles_bonnet_syndrome",
    "opsoclonus-myoclonus": "opsoclonus_myoclonus",
    "Wernicke's encephalopathy": "wernicke_encephalopathy",
    "Duane syndrome": "duane_syndrome",
    "Brown's syndrome": "brown_syndrome",
    "Peters anomaly": "peters_anomaly",
    "Axenfeld-Rieger syndrome": "axenfeld_rieger",
}
TELLING = ("hallmark", "common")


@pytest.fixture(scope="module")
def terminology(library: Library) -> Terminology:
    return Terminology(library)


def test_there_are_enough_conditions_and_no_fault_in_them(library: Library) -> None:
    assert len(library.conditions) >= 195
    assert list(faults(library)) == []


def test_every_system_has_its_conditions(library: Library) -> None:
    systems = set(get_args(Condition.model_fields["system"].annotation))
    assert {c.system for c in library.conditions} == systems


def test_every_imaging_modality_that_tells_diseases_apart_is_used(library: Library) -> None:
    shown = {f for c in library.conditions for level in c.findings.values() for f in level}
    used = {library.finding[f].modality for f in shown} - {None}
    assert used <= set(get_args(ImagingModality))
    assert {"oct", "ffa", "icga", "faf", "visual_field", "erg", "mri", "ct", "ultrasound", "topography", "gonioscopy"} <= used
    assert all(entry.modality for entry in library.findings if entry.kind == "imaging")


def test_most_conditions_rest_on_more_than_judgement_and_no_source_is_empty(library: Library) -> None:
    resting = [c for c in library.conditions if any(b.kind != "judgement" for b in c.basis.values())]
    assert len(resting) >= 120
    cited = [b for c in library.conditions for b in c.basis.values() if b.kind in ("criteria", "review")]
    assert len(cited) >= 100
    assert all(any(year in b.source for year in map(str, range(1990, 2027))) or "edition" in b.source for b in cited)


def test_a_statement_given_as_a_basis_speaks_of_the_condition(library: Library) -> None:
    astray = [
        (c.id, b.source)
        for c in library.conditions
        for b in c.basis.values()
        if b.kind == "statement" and c.id not in library.statement[b.source].concepts
    ]
    assert astray == []


@pytest.mark.parametrize("part", ["synonyms", "tests", "management"])
def test_every_condition_has_its(library: Library, part: str) -> None:
    assert [c.id for c in library.conditions if not getattr(c, part)] == []


def test_every_condition_is_told_from_two_others_by_findings_that_speak(library: Library) -> None:
    """A discriminator's finding is either had by the condition or by what it is told from, or says what is missing there."""
    assert [c.id for c in library.conditions if len({d.against for d in c.discriminators}) < 2] == []
    for condition in library.conditions:
        for d in condition.discriminators:
            rivals = library.condition[d.against]
            speaks = condition.level_of(d.finding) or rivals.level_of(d.finding)
            heirs = {f.id for f in library.findings if d.finding in f.implies}
            assert speaks or any(condition.level_of(h) or rivals.level_of(h) for h in heirs), (condition.id, d.against, d.finding)


def test_no_two_conditions_have_the_same_telling_findings(library: Library) -> None:
    profiles: dict[frozenset[str], str] = {}
    for condition in library.conditions:
        profile = frozenset(f for level, findings in condition.findings.items() if level in TELLING for f in findings)
        assert profile not in profiles, (condition.id, profiles[profile])
        profiles[profile] = condition.id


@pytest.mark.parametrize("name", NAMED)
def test_a_rare_disease_is_found_by_the_name_a_doctor_writes(terminology: Terminology, name: str) -> None:
    found = terminology.resolve(f"Impression: {name}.")
    assert found is not None
    assert found[0] == NAMED[name]
