"""Reading a narrative. Sentences are our own; none comes from an evaluation set."""

from __future__ import annotations

import pytest

from knowledge.library import read
from knowledge.reading.demographics import demographics
from knowledge.reading.measurements import quantities
from knowledge.reading.narrative import NarrativeReader
from knowledge.reading.sentence import sentences
from tools.language import detect


@pytest.fixture(scope="module")
def reader() -> NarrativeReader:
    """Of the knowledge files themselves: reading needs no index."""
    return NarrativeReader(read())


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
        ("A headache that is worse on lying down and on coughing.", "cough_dyspnoea", None),
        ("Sudden loss of vision in the right eye to counting fingers.", "fingernail_scratch", None),
        ("The baby put a finger in his eye.", "fingernail_scratch", "present"),
        ("She has been coughing for a month.", "cough_dyspnoea", "present"),
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


@pytest.mark.parametrize(
    ("text", "finding", "expected"),
    [
        ("A dark veil is spreading from the side of the right eye.", "curtain_field_loss", "present"),
        ("A shower of black spots in the left eye.", "shower_of_floaters", "present"),
        ("A shower of black spots in the left eye.", "periorbital_bruising", None),
        ("A black eye after a fall.", "periorbital_bruising", "present"),
        ("Ranibizumab injection left eye 4 days ago.", "recent_eye_surgery", "present"),
        ("Ranibizumab injection left eye 4 days ago.", "red_eye", None),
        ("Both eyes injected.", "red_eye", "present"),
        ("Conjunctival injection temporally.", "red_eye", "present"),
        ("AC: cells 2+.", "anterior_chamber_cells", "present"),
        ("POD 5 cataract surgery.", "recent_eye_surgery", "present"),
        ("One week after cataract operation.", "recent_eye_surgery", "present"),
        ("Underwent vitrectomy 6 years ago.", "recent_eye_surgery", None),
        ("Phaco 2 years ago, Lucentis injection 5 days ago.", "recent_eye_surgery", "present"),
        ("Her jaw hurts when she eats meat.", "jaw_claudication", "present"),
        ("Painful lids, worse vision, movement of the hand seen.", "pain_on_eye_movement", None),
        ("She cannot open her eyes for the pain.", "names_open_globe_injury", None),
        ("Open globe on the left.", "names_open_globe_injury", "present"),
        ("Red reflex clear in each eye.", "red_eye", None),
        ("Red reflex absent.", "poor_red_reflex", "present"),
        ("No diplopia on eye movement, discs normal.", "full_eye_movements", None),
        ("Myxoedema and hypothyroidism, takes thyroxine.", "thyroid_symptoms", None),
        ("Lost the sight of the left eye this morning.", "blur_worse_morning", None),
        ("Vision is worse in the morning and clears by noon.", "blur_worse_morning", "present"),
        ("Tobacco dust behind the lens.", "smoking", None),
        ("Tobacco for 30 years.", "smoking", "present"),
        ("Poked in the eye by a child.", "eye_rubbing", None),
        ("Pulsatile tinnitus for a month.", "meningism_tinnitus_hearing", None),
        ("Ringing tinnitus for a month.", "meningism_tinnitus_hearing", "present"),
        ("No relief of the pain.", "painless", None),
        ("Pain has not improved.", "painless", None),
        ("No redness, floaters or pain.", "painless", "present"),
        ("CL user who slept in lenses.", "contact_lens_wear", "present"),
        ("Visual fields full.", "normal_visual_field", "present"),
    ],
)
def test_words_that_look_alike(reader: NarrativeReader, text: str, finding: str, expected: str | None) -> None:
    assert presence(reader, text).get(finding) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Call us if you get new floaters.",
        "Counselled about the signs of detachment: flashes, floaters, a shadow.",
        "Risk of endophthalmitis, haemorrhage and retinal detachment discussed.",
        "Should any floaters appear she will ring.",
        "To return if floaters increase.",
    ],
)
def test_advice_is_no_report(reader: NarrativeReader, text: str) -> None:
    assert presence(reader, text) == {}


def test_a_report_after_advice_counts(reader: NarrativeReader) -> None:
    assert presence(reader, "Warned about flashes but now has floaters.").get("floaters") == "present"
    assert presence(reader, "At risk of glaucoma, presents with haloes.").get("haloes") == "present"
    assert presence(reader, "Double vision resolves if he covers one eye.").get("diplopia") == "present"


@pytest.mark.parametrize(
    ("text", "finding", "laterality"),
    [
        ("Chemosis is absent in the left eye and present in the right.", "chemosis", "right"),
        ("No hyphaema in the right but present in the left.", "hyphaema_seen", "left"),
        ("Corneal oedema not seen in the right eye, present in the other.", "corneal_oedema", "left"),
        ("Hyphaema present in the left eye, absent in the right.", "hyphaema_seen", "left"),
    ],
)
def test_a_contrast_between_the_eyes_is_two_mentions(reader: NarrativeReader, text: str, finding: str, laterality: str) -> None:
    found = next(f for f in reader.read(text).findings if f.finding_id == finding)
    assert (found.presence, found.laterality) == ("present", laterality)


@pytest.mark.parametrize(
    ("text", "measure", "values"),
    [
        ("IOP 22 RE 19 LE, C/D 0.6 both.", "iop", [(22, "right"), (19, "left")]),
        ("IOP 17, CCT 55 in error, BP 80.", "iop", [(17, "unknown")]),
        ("IOP R 31 L 18, later R 24.", "iop", [(31, "right"), (18, "left")]),
        ("VA R 6/24 L 6/5.", "logmar", [(0.602, "right"), (-0.079, "left")]),
        ("VA 6/24 R 6/5 L.", "logmar", [(0.602, "right"), (-0.079, "left")]),
        ("6/36 for years left; right fine", "logmar", [(0.778, "left")]),
        ("CDR 0.75 OD, 0.3 OS.", "cup_to_disc_ratio", [(0.75, "right"), (0.3, "left")]),
    ],
)
def test_a_number_belongs_to_its_label_and_eye(text: str, measure: str, values: list[tuple[float, str]]) -> None:
    found = [(q.value, q.laterality) for q in quantities(text) if q.measure == measure]
    assert [(pytest.approx(v, abs=0.001), s) for v, s in found] == values


def test_a_cup_is_large_or_not_by_its_number(reader: NarrativeReader) -> None:
    assert presence(reader, "C/D ratio 0.85 in the left.")["enlarged_cup_disc_ratio"] == "present"
    assert presence(reader, "C/D ratio 0.25 in both.")["enlarged_cup_disc_ratio"] == "absent"


def test_one_red_eye_is_one_eye_whatever_the_acuities(reader: NarrativeReader) -> None:
    found = presence(reader, "VA R 6/18 L 6/6. Left red eye.")
    assert "unilateral_involvement" in found
    assert "bilateral_involvement" not in found


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("DOB 21/07/48 F, floaters", None),
        ("Date of birth 4 May 1961. Floaters.", None),
        ("Aged 20 months, squint", 20 / 12),
        ("Child of 30 months, squint", 2.5),
        ("Squint noticed at 9 months", 0.75),
        ("14mo boy", 14 / 12),
        ("A 61-year-old, lost vision at 3 months after surgery", 61),
    ],
)
def test_ages_of_the_young_and_dates_that_are_no_age(text: str, age: float | None) -> None:
    assert demographics(text).age == (pytest.approx(age) if age is not None else None)


def test_a_sentence_with_a_measurement_is_covered(reader: NarrativeReader) -> None:
    reading = reader.read("Intraocular tensions 17 mmHg and 16 mmHg. The weather was fine.")
    assert 0 in reading.covered
    assert 1 not in reading.covered


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("De patient had in het linker oog geen glasvochttroebelingen", {"nl"}),
        ("Der Patient hat seit gestern Schmerzen im rechten Auge", {"de"}),
        ("El paciente no tiene dolor en el ojo izquierdo pero ve borroso", {"es"}),
        ("Le patient a une douleur de l'oeil gauche depuis hier", {"fr"}),
        ("72M sudden painless VL LE, RAPD+, pale disc, T2DM, HTN", {"en", "und"}),
        ("IOP 21 OD 24 OS, CDR 0.6 OU, POAG on latanoprost nocte", {"en", "und"}),
        ("PVD LE, weiss ring, no tear, discharge with RD warning", {"en", "und"}),
        ("The patient was well until this morning when vision blurred", {"en"}),
    ],
)
def test_only_english_is_read_as_english(text: str, languages: set[str]) -> None:
    assert detect(text) in languages


@pytest.mark.parametrize("text", ["ESR 9999 mm/h", "ESR " + "9" * 400, "CRP " + "9" * 400 + " mg/L", "for " + "9" * 400 + " years", "IOP " + "9" * 400])
def test_a_misprint_is_no_value(reader: NarrativeReader, text: str) -> None:
    assert [f for f in reader.read(text).findings if f.source == "measurement"] == []
