"""Reading a narrative. Sentences are our own; none comes from an evaluation set."""

from __future__ import annotations

import pytest

from knowledge.context import sentences
from knowledge.measurements import demographics, quantities
from knowledge.reading import NarrativeReader


def presence(reader: NarrativeReader, text: str) -> dict[str, str]:
    return {f.finding_id: f.presence for f in reader.read(text).findings}


@pytest.mark.parametrize(
    ("text", "finding", "expected"),
    [
        ("There is a relative afferent pupillary defect.", "rapd", "present"),
        ("No relative afferent pupillary defect.", "rapd", "absent"),
        ("RAPD absent.", "rapd", "absent"),
        ("RAPD was not detected.", "rapd", "absent"),
        ("Denies flashes, floaters or pain.", "floaters", "absent"),
        ("Denies pain but has floaters.", "floaters", "present"),
        ("No pain, vision is blurred.", "reduced_visual_acuity", "present"),
        ("Possible papilloedema.", "bilateral_disc_swelling", "possible"),
        ("Query disc swelling.", "disc_swelling", "possible"),
        ("Not only flashes but floaters.", "flashes", "present"),
        ("Flame-shaped hemorrhages in the fundus", "flame_haemorrhage", "present"),
        ("Bleeding in the retina was seen.", "retinal_haemorrhage", "present"),
        ("Chest pain.", "ocular_pain", None),
        ("Painless loss of vision", "painless", "present"),
        ("Cotton-wool spots", "cotton_wool_spot", "present"),
        ("Her mother had flashes and floaters.", "floaters", None),
    ],
)
def test_whether_a_thing_is_there(reader: NarrativeReader, text: str, finding: str, expected: str | None) -> None:
    assert presence(reader, text).get(finding) == expected


def test_family_is_apart_from_the_patient(reader: NarrativeReader) -> None:
    found = presence(reader, "Family history: mother had glaucoma. The patient has haloes.")
    assert found.get("names_primary_open_angle_glaucoma") is None
    assert found["haloes"] == "present"


def test_a_named_condition_is_a_finding_of_its_own(reader: NarrativeReader) -> None:
    assert presence(reader, "Referred with suspected central retinal vein occlusion.")["names_central_retinal_vein_occlusion"] == "possible"
    assert presence(reader, "No diabetic retinopathy.")["names_nonproliferative_diabetic_retinopathy"] == "absent"


def test_abbreviations_that_are_words_need_their_capitals(reader: NarrativeReader) -> None:
    assert "names_optic_neuritis" in presence(reader, "Impression: ON right eye.")
    assert "names_optic_neuritis" not in presence(reader, "Drusen on the disc.")


@pytest.mark.parametrize(
    ("text", "laterality"),
    [
        ("Hypopyon in the left eye.", "left"),
        ("Right eye: hypopyon.", "right"),
        ("Hypopyon OS.", "left"),
        ("Hypopyon in both eyes.", "both"),
        ("Hypopyon.", "unknown"),
    ],
)
def test_which_eye(reader: NarrativeReader, text: str, laterality: str) -> None:
    assert next(f for f in reader.read(text).findings if f.finding_id == "hypopyon").laterality == laterality


def test_findings_quote_the_narrative_at_their_offsets(reader: NarrativeReader) -> None:
    text = "Seen today.\n\nVision 6/60 in the right eye; cherry-red spot, no pain. IOP 14 mmHg."
    read = [f for f in reader.read(text).findings if f.start is not None]
    assert len(read) >= 4
    assert all(text[f.start : f.end] == f.quote for f in read)


def test_pressures_measured_in_both_eyes_involve_neither(reader: NarrativeReader) -> None:
    assert "bilateral_involvement" not in presence(reader, "Hypopyon in the left eye. IOP 14 mmHg both eyes.")


@pytest.mark.parametrize(
    ("text", "measure", "values"),
    [
        ("IOP 42 mmHg RE and 15 mmHg LE.", "iop", [(42, "right"), (15, "left")]),
        ("Intraocular pressure of 52 mmHg in the left eye.", "iop", [(52, "left")]),
        ("IOP R 14 L 15.", "iop", [(14, "right"), (15, "left")]),
        ("IOPs were 12 and 14.", "iop", [(12, "right"), (14, "left")]),
        ("VA 6/60 RE, 6/6 LE.", "logmar", [(1.0, "right"), (0.0, "left")]),
        ("BCVA 20/200 OD.", "logmar", [(1.0, "right")]),
        ("Acuity 0.3 logMAR.", "logmar", [(0.3, "unknown")]),
        ("Vision hand movements in the right eye.", "logmar", [(2.3, "right")]),
        ("No perception of light OS.", "logmar", [(3.0, "left")]),
        ("BP 120/80.", "logmar", []),
        ("ESR 88 mm/h.", "esr", [(88, "unknown")]),
        ("CRP 3.89 mg/dL.", "crp", [(38.9, "unknown")]),
        ("CRP 64 mg/L.", "crp", [(64, "unknown")]),
        ("for 3 days", "duration_days", [(3, "unknown")]),
        ("a two-week history", "duration_days", [(14, "unknown")]),
        ("a 56-year-old man", "duration_days", []),
    ],
)
def test_numbers_with_unit_and_side(text: str, measure: str, values: list[tuple[float, str]]) -> None:
    found = [(q.value, q.laterality) for q in quantities(text) if q.measure == measure]
    assert [(pytest.approx(v), s) for v, s in found] == values


@pytest.mark.parametrize(
    ("text", "age", "sex"),
    [
        ("A 56-year-old woman", 56, "female"),
        ("72F with headache", 72, "female"),
        ("M/34, red eye", 34, "male"),
        ("aged 8", 8, None),
        ("3-month-old infant", 0.25, None),
        ("Female in her third decade of life", 25, "female"),
        ("a lady in her late 70s", 75, "female"),
        ("a newborn boy", 0.02, "male"),
        ("red eye", None, None),
    ],
)
def test_age_and_sex(text: str, age: float | None, sex: str | None) -> None:
    who = demographics(text)
    assert who.age == (pytest.approx(age) if age is not None else None)
    assert who.sex == sex


def test_sentences_do_not_break_at_decimals_and_titles() -> None:
    assert [s.text for s in sentences("Seen by Dr. Smith. CRP 3.5 mg/L! Well?")] == ["Seen by Dr. Smith.", "CRP 3.5 mg/L!", "Well?"]


def test_a_long_narrative_is_read_in_reasonable_time(reader: NarrativeReader) -> None:
    text = "The patient has no pain but reports floaters in the right eye since Monday. " * 1200
    assert presence(reader, text)["floaters"] == "present"


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "?!.,;:", "💉" * 50, "a" * 5000, "no " * 500, "(((", "6/", "IOP", "IOP :", "\x00\x01"])
def test_odd_texts_are_read_without_harm(reader: NarrativeReader, text: str) -> None:
    assert isinstance(reader.read(text).findings, tuple)
