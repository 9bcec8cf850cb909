"""When a thing began and whether it is over, as read. Sentences are our own."""

from __future__ import annotations

import pytest

from agent.domain import Finding
from knowledge.library import Library, read
from knowledge.reading.narrative import NarrativeReader
from knowledge.redflags import RedFlags


@pytest.fixture(scope="module")
def library() -> Library:
    return read()


@pytest.fixture(scope="module")
def reader(library: Library) -> NarrativeReader:
    """Of the knowledge files themselves: reading needs no index."""
    return NarrativeReader(library)


def found(reader: NarrativeReader, text: str, finding_id: str) -> Finding:
    return next(f for f in reader.read(text).findings if f.finding_id == finding_id)


@pytest.mark.parametrize(
    ("text", "finding", "course", "days"),
    [
        ("Floaters for 3 days.", "floaters", "acute", 3),
        ("A six-week history of double vision.", "diplopia", "subacute", 42),
        ("Itching, photophobia and tearing for two years.", "itching", "chronic", 730),
        ("Itching, photophobia and tearing for two years.", "tearing", "chronic", 730),
        ("Floaters since yesterday.", "floaters", "acute", None),
        ("Nystagmus since birth.", "nystagmus", "chronic", None),
        ("Over the last 2 months she noticed haloes.", "haloes", "subacute", 60),
        ("Long-standing esotropia.", "esotropia", "chronic", None),
        ("Acute photophobia and chronic epiphora.", "photophobia", "acute", None),
        ("Acute photophobia and chronic epiphora.", "tearing", "chronic", None),
        ("Vitreous haemorrhage five years ago.", "vitreous_blood", "past", 1825),
        ("Previous hyphaema, floaters for 2 days.", "hyphaema_seen", "past", None),
        ("Previous hyphaema, floaters for 2 days.", "floaters", "acute", 2),
        ("Previously well, with floaters.", "floaters", "unknown", None),
        ("Floaters over the previous week.", "floaters", "unknown", None),
        ("Diabetes diagnosed 20 years ago.", "diabetes", "chronic", 7300),
        ("Night blindness began ten years ago.", "night_blindness", "chronic", 3650),
        ("Hypopyon in 2012, now floaters.", "hypopyon", "past", None),
        ("Hypopyon in 2012, now floaters.", "floaters", "unknown", None),
        ("No floaters for 3 days.", "floaters", "unknown", None),
        ("A 70-year-old man with floaters.", "floaters", "unknown", None),
        ("Past ocular history: hyphaema.\nFloaters.", "hyphaema_seen", "past", None),
        ("Hyphaema 2 days after trauma to the eye.", "ocular_trauma", "acute", 2),
    ],
)
def test_course_and_days_since_onset(reader: NarrativeReader, text: str, finding: str, course: str, days: float | None) -> None:
    read_ = found(reader, text, finding)
    assert (read_.course, read_.duration_days) == (course, days)


def test_what_is_over_weighs_less(reader: NarrativeReader) -> None:
    over, here = (found(reader, text, "retinal_detachment_seen").weight for text in ("Retinal detachment in 2009.", "Retinal detachment."))
    assert over < here / 2


def test_what_is_here_now_beats_what_was(reader: NarrativeReader) -> None:
    read_ = found(reader, "Hyphaema in 2009. Now hyphaema in the left eye.", "hyphaema_seen")
    assert (read_.course, read_.laterality) == ("unknown", "left")


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("Retinal detachment of the right eye repaired in 2009.", False),
        ("Retinal detachment repaired ten years ago, routine check.", False),
        ("Previous retinal detachment.", False),
        ("Retinal detachment of the right eye.", True),
        ("Retinal detachment for 2 days.", True),
        ("Retinal detachment repaired in 2009, now a new retinal detachment in the left eye.", True),
        ("Known retinal detachment since last week.", True),
        ("Retinal detachment repaired two weeks ago.", True),
    ],
)
def test_a_detachment_of_long_ago_raises_no_flag_and_a_new_one_does(
    reader: NarrativeReader, library: Library, text: str, flagged: bool
) -> None:
    read_ = reader.read(text)
    hits = RedFlags(library).evaluate(read_.findings, read_.demographics)
    assert any("detachment" in word.lower() for hit in hits for word in hit.because) == flagged


@pytest.mark.parametrize(
    ("text", "course"),
    [
        ("IOP 45 mmHg on the right in 2010.", "past"),
        ("IOP 45 mmHg on the right ten years ago.", "past"),
        ("IOP 45 mmHg on the right.", "unknown"),
        ("Previous trabeculectomy IOP 45 mmHg on the right.", "unknown"),
        ("Trabeculectomy in 2010, IOP 45 mmHg on the right.", "unknown"),
        ("IOP 45 mmHg on the right for 3 days.", "unknown"),
    ],
)
def test_a_pressure_of_long_ago_is_no_pressure_of_today(reader: NarrativeReader, library: Library, text: str, course: str) -> None:
    read_ = reader.read(text)
    hits = RedFlags(library).evaluate(read_.findings, read_.demographics)
    assert found(reader, text, "very_high_iop").course == course
    assert any("45" in word for hit in hits for word in hit.because) == (course != "past")


@pytest.mark.parametrize(
    "text",
    [
        "Sudden loss of vision which has resolved.",
        "History of flashes and floaters.",
        "Two-day history of sudden loss of vision.",
        "Transient loss of vision last week.",
    ],
)
def test_what_may_be_recent_is_never_called_past(reader: NarrativeReader, text: str) -> None:
    assert [f.finding_id for f in reader.read(text).findings if f.course == "past"] == []
