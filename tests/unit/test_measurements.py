"""Numbers in a narrative. Sentences are our own; none comes from an evaluation set."""

from __future__ import annotations

import pytest

from knowledge.reading.distances import exudate_distances
from knowledge.reading.measurements import quantities


def values(text: str, measure: str) -> list[tuple[float, str]]:
    return [(round(q.value, 2), q.laterality) for q in quantities(text) if q.measure == measure]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VA 6/18 right, 6/5 left.", [(0.48, "right"), (-0.08, "left")]),
        ("Vision 20/25 in the left eye and 20/200 in the right eye.", [(0.1, "left"), (1.0, "right")]),
        ("Right eye 6/12, left eye 6/24.", [(0.3, "right"), (0.6, "left")]),
        ("R: 6/9 L: 6/12", [(0.18, "right"), (0.3, "left")]),
        ("RVA 6/9-2, LVA 6/12+1", [(0.22, "right"), (0.28, "left")]),
        ("OD 20/40 OS 20/20", [(0.3, "right"), (0.0, "left")]),
        ("Visual Acuity, Right Eye: 20/120\nVisual Acuity, Left Eye: 20/80", [(0.78, "right"), (0.6, "left")]),
        ("VA 6/6 in each eye", [(0.0, "both")]),
        ("20/20 vision bilaterally", [(0.0, "both")]),
        ("20/50 in the left eye and no perception of light in the right eye", [(0.4, "left"), (3.0, "right")]),
        ("sees nothing with her left eye, but 20/30 visual acuity in her right eye", [(0.18, "right")]),
        ("The right eye counts fingers, CF at 2 m; left 6/9.", [(0.18, "left"), (1.9, "right")]),
        ("Right hand movements, left 6/6.", [(0.0, "left"), (2.3, "right")]),
        ("3/60 RE", [(1.3, "right")]),
        ("1/60 in the left eye", [(1.78, "left")]),
        ("Acuity 5/10 RE and 4/4 LE", [(0.3, "right"), (0.0, "left")]),
        ("Acuity 0.5 in the right eye and 1.0 in the left eye", [(0.3, "right"), (0.0, "left")]),
        ("BCVA OD 0.8 OS 0.25", [(0.1, "right"), (0.6, "left")]),
        ("Acuity 0.4 logMAR in the right eye", [(0.4, "right")]),
        ("logMAR acuity -0.08 OU", []),
        ("LogMAR -0.08 OU", [(-0.08, "both")]),
        ("BCVA 60 ETDRS letters OS", [(0.5, "left")]),
        ("ETDRS letter score 70 in the right eye", [(0.3, "right")]),
    ],
)
def test_acuities_of_every_chart(text: str, expected: list[tuple[float, str]]) -> None:
    assert sorted(values(text, "logmar")) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        "Blood pressure 20/12 kPa",
        "a grade 3/6 murmur",
        "power of 4/5 in the arm",
        "seen on 6/12",
        "Near vision J2, N5",
        "gained 15 letters",
        "symptoms for 5/7 and 3/12",
        "C/D ratio 0.5, vision good",
        "CDR 0.6 in each eye",
        "VA good. Axial length 0.9 mm longer than before",
    ],
)
def test_what_looks_like_an_acuity_and_is_none(text: str) -> None:
    assert values(text, "logmar") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IOP 12/13", [(12, "right"), (13, "left")]),
        ("IOP 12 OD and 13 OS", [(12, "right"), (13, "left")]),
        ("IOP of 45 mmHg in the left eye and 14 mmHg in the right", [(45, "left"), (14, "right")]),
        ("Left eye: IOP 31", [(31, "left")]),
        ("IOP 16 each eye", [(16, "both")]),
        ("IOP 2.8 kPa on the right", [(21, "right")]),
        ("Pressures 33 and 35 mmHg", [(33, "right"), (35, "left")]),
        ("Blood pressures 133 and 85 mmHg", []),
        ("Opening pressure 30 cm", []),
        ("IOP fell from 44 to 21 in the right eye", [(44, "right"), (21, "right")]),
        ("IOP RE 40 to 22", [(40, "right"), (22, "right")]),
        ("IOP 22, target 15", [(22, "unknown")]),
        ("IOP 18 at 9:30", [(18, "unknown")]),
        ("Intraocular Pressure, Left Eye: 16 mmHg\nIntraocular Pressure, Right Eye: 18 mmHg", [(16, "left"), (18, "right")]),
        ("IOP:\nR 14\nL 15", [(14, "right")]),
    ],
)
def test_pressures_of_the_eyes(text: str, expected: list[tuple[float, str]]) -> None:
    assert values(text, "iop") == expected


def test_blood_pressure_is_neither_acuity_nor_eye_pressure() -> None:
    text = "Her blood pressure is 160/85 mm Hg."
    assert {q.measure for q in quantities(text)} == {"systolic_bp", "diastolic_bp"}
    assert values(text, "systolic_bp") == [(160, "unknown")]
    assert values("BP 60/20 OD", "diastolic_bp") == [(20, "unknown")]
    assert values("BP 80/120", "systolic_bp") == []


@pytest.mark.parametrize(
    ("text", "measure", "expected"),
    [
        ("CRP 3.2 mg/dL", "crp", 32),
        ("CRP 64 mg/L", "crp", 64),
        ("C-reactive protein (CRP) (3.9 mg/dL)", "crp", 39),
        ("CRP <5", "crp", 5),
        ("CRP normal, platelets 450", "crp", None),
        ("ESR 92 mm/hr", "esr", 92),
        ("ESR was normal. Ferritin 30", "esr", None),
        ("HbA1c 8.4 %", "hba1c", 8.4),
        ("HbA1c of 48 mmol/mol", "hba1c", 6.54),
        ("HbA1c 64", "hba1c", 8.01),
        ("HbA1c 900", "hba1c", None),
    ],
)
def test_laboratory_values_in_one_unit(text: str, measure: str, expected: float | None) -> None:
    found = [value for value, _ in values(text, measure)]
    assert found == ([] if expected is None else [pytest.approx(expected, abs=0.01)])


@pytest.mark.parametrize(
    ("text", "measure", "expected"),
    [
        ("Axial length 26.8 mm right and 24.1 mm left", "axial_length", [(26.8, "right"), (24.1, "left")]),
        ("AL: OD 23.10 OS 23.30", "axial_length", [(23.1, "right"), (23.3, "left")]),
        ("All 22.5 mm of it", "axial_length", []),
        ("MD -12.4 dB OD, −3.1 dB OS", "mean_deviation", [(-12.4, "right"), (-3.1, "left")]),
        ("Mean deviation of -6 in the left eye", "mean_deviation", [(-6, "left")]),
        ("Dr Smith MD 12 patients", "mean_deviation", []),
        ("CCT 535 microns right, 541 left", "corneal_thickness", [(535, "right"), (541, "left")]),
        ("CDR 0.75 OD 0.4 OS", "cup_to_disc_ratio", [(0.75, "right"), (0.4, "left")]),
        ("Cup-to-disc ratio 0.65 in the left eye", "cup_to_disc_ratio", [(0.65, "left")]),
        ("C/D 0.3 both", "cup_to_disc_ratio", [(0.3, "both")]),
    ],
)
def test_structure_and_field(text: str, measure: str, expected: list[tuple[float, str]]) -> None:
    assert values(text, measure) == expected


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Red for three days.", [3]),
        ("A 6-hour history of pain.", [0.25]),
        ("Six weeks' history of diplopia.", [42]),
        ("Itching for the past week.", [7]),
        ("Blurred over the past year.", [365]),
        ("Haloes for half a year.", [182.5]),
        ("Two months of glare.", [60]),
        ("Headache x 5/7.", [5]),
        ("Vision down 3/12.", [90]),
        ("Poor vision 4/12.", [120]),
        ("Vision 6/12, then 6/7.5, seen on 3/12.", []),
        ("Pain for 6/52.", [42]),
        ("Pain on moving the eye for 4 days.", [4]),
        ("Wears contact lenses, red eye for 2 days.", [2]),
        ("Prednisolone 60 mg daily for 5 days.", []),
        ("Drops four times a day for 2 weeks.", []),
        ("Wears contact lenses for 10 years.", []),
        ("To return in 2 weeks.", []),
        ("Cataract operation 3 years ago.", []),
        ("No better since last week.", []),
        ("A 3-month-old boy.", []),
        ("Each episode lasts for 10 minutes.", []),
    ],
)
def test_durations_of_complaints_not_of_doses(text: str, days: list[float]) -> None:
    assert [value for value, _ in values(text, "duration_days")] == days


@pytest.mark.parametrize(
    ("text", "discs"),
    [
        ("Exudates 3.6 DD from the fovea.", [3.6]),
        ("Hard exudates, 0.2 disc diameters from the centre of the fovea.", [0.2]),
        ("Exudates within 500 microns of the fovea.", [0.33]),
        ("Exudate 1.5 mm from the macula.", [1.0]),
        ("Haemorrhage 2 DD from the fovea.", []),
    ],
)
def test_distance_of_exudates_from_the_fovea(text: str, discs: list[float]) -> None:
    assert [round(distance, 2) for _, _, distance in exudate_distances(text)] == discs
