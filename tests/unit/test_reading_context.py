"""Who and whether, and which eye: every phenomenon of the context on its own. Sentences are our own."""

from __future__ import annotations

import pytest

from knowledge.library import read
from knowledge.reading.context import context
from knowledge.reading.narrative import NarrativeReader
from knowledge.reading.sentence import sentences


@pytest.fixture(scope="module")
def reader() -> NarrativeReader:
    """Of the knowledge files themselves: reading needs no index."""
    return NarrativeReader(read())


def told(reader: NarrativeReader, text: str, finding_id: str) -> tuple[str, str] | None:
    return next(((f.presence, f.laterality) for f in reader.read(text).findings if f.finding_id == finding_id), None)


@pytest.mark.parametrize(
    ("text", "finding", "presence"),
    [
        ("The cornea is clear of infiltrates.", "corneal_infiltrate", "absent"),
        ("Ptosis and nystagmus were not present.", "ptosis", "absent"),
        ("Ptosis and nystagmus were present.", "ptosis", "present"),
        ("RAPD: nil.", "rapd", "absent"),
        ("Hypopyon (-).", "hypopyon", "absent"),
        ("Hypopyon (+).", "hypopyon", "present"),
        ("No complaint other than diplopia.", "diplopia", "present"),
        ("There is no doubt that there is a hypopyon.", "hypopyon", "present"),
        ("Appearance suggestive of macular oedema.", "macular_oedema", "possible"),
        ("Equivocal for disc swelling.", "disc_swelling", "possible"),
        ("A hyphaema cannot be excluded.", "hyphaema_seen", "possible"),
        ("A hyphaema was excluded.", "hyphaema_seen", "absent"),
        ("Hypopyon versus hyphaema.", "hypopyon", "possible"),
        ("The hypopyon is likely to clear.", "hypopyon", "present"),
        ("No fever, no cough, and no pain in the eye.", "painless", "present"),
        ("No pain elsewhere in the body.", "painless", None),
    ],
)
def test_presence(reader: NarrativeReader, text: str, finding: str, presence: str | None) -> None:
    found = told(reader, text, finding)
    assert (found[0] if found else None) == presence


@pytest.mark.parametrize(
    ("text", "finding", "side"),
    [
        ("Cotton wool spots in both eyes, flame haemorrhages in the left only.", "flame_haemorrhage", "left"),
        ("Cotton wool spots in both eyes, flame haemorrhages in the left only.", "cotton_wool_spot", "both"),
        ("In the right eye there is a macular hole, whereas the left shows drusen.", "macular_hole_seen", "right"),
        ("In the right eye there is a macular hole, whereas the left shows drusen.", "drusen", "left"),
        ("Left ptosis with a right hypertropia.", "ptosis", "left"),
        ("Left ptosis with a right hypertropia.", "hypertropia", "right"),
        ("Each eye shows guttata.", "guttata", "both"),
        ("Right eye: hypopyon. Corneal oedema.", "corneal_oedema", "right"),
        ("Right eye: hypopyon.\nCorneal oedema.", "corneal_oedema", "unknown"),
        ("OD: hypopyon; OS: drusen.", "drusen", "left"),
        ("Hypopyon, with weakness of the left arm.", "hypopyon", "unknown"),
        ("White cells 9 x 10/L, hypopyon.", "hypopyon", "unknown"),
        ("Nystagmus when looking left.", "nystagmus", "unknown"),
        ("RE red, LE white.", "red_eye", "right"),
    ],
)
def test_which_eye(reader: NarrativeReader, text: str, finding: str, side: str) -> None:
    found = told(reader, text, finding)
    assert found is not None
    assert found[1] == side


@pytest.mark.parametrize(
    ("text", "word", "family"),
    [
        ("Her father had glaucoma; she has haloes.", "glaucoma", True),
        ("Her father had glaucoma; she has haloes.", "haloes", False),
        ("The patient's aunt has keratoconus and the patient has astigmatism.", "keratoconus", True),
        ("The patient's aunt has keratoconus and the patient has astigmatism.", "astigmatism", False),
        ("His mother noticed a squint.", "squint", False),
        ("Type 2 diabetes in his mother.", "diabetes", True),
    ],
)
def test_the_family_is_not_the_patient(text: str, word: str, family: bool) -> None:
    sentence = next(s for s in sentences(text) if word in s.text)
    at = next(n for n, t in enumerate(sentence.tokens) if t.word == word)
    assert context(sentence, at, at).family == family


def test_exudates_are_near_the_fovea_by_their_distance(reader: NarrativeReader) -> None:
    assert told(reader, "Hard exudates 3.6 DD from the fovea.", "exudate_near_fovea") == ("absent", "unknown")
    assert told(reader, "Hard exudates 0.5 DD from the fovea.", "exudate_near_fovea") == ("present", "unknown")
    assert told(reader, "Exudates near the fovea.", "exudate_near_fovea") == ("present", "unknown")
    assert told(reader, "Exudates within one disc diameter of the fovea.", "exudate_near_fovea") == ("present", "unknown")


def test_a_value_means_a_finding(reader: NarrativeReader) -> None:
    assert told(reader, "BP 205/115.", "severe_hypertension") == ("present", "unknown")
    assert told(reader, "BP 150/90.", "severe_hypertension") is None
    assert told(reader, "HbA1c 71 mmol/mol.", "diabetes") == ("present", "unknown")
    assert told(reader, "HbA1c 36 mmol/mol.", "diabetes") is None


def test_onset_a_while_ago_is_no_short_episode(reader: NarrativeReader) -> None:
    assert told(reader, "Sudden loss of vision that occurred 30 minutes ago.", "transient_visual_loss") is None
