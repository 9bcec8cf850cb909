"""What a question wants, and which conditions it names."""

from __future__ import annotations

import pytest

from agent.conversation.explaining import harmless
from agent.conversation.intents import conditions, understood
from agent.conversation.state import Statement, narrative, of, validated
from agent.conversation.values import TurnInput
from agent.domain import DifferentialEntry
from agent.errors import StageError
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader

LEADING = (
    DifferentialEntry(concept_id="nonarteritic_aion", name="NAION", probability=0.8),
    DifferentialEntry(concept_id="central_retinal_vein_occlusion", name="CRVO", probability=0.1),
)


@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("Why not a vein occlusion?", "versus"),
        ("What about papilloedema?", "versus"),
        ("Could it be GCA?", "versus"),
        ("Why urgent?", "urgency"),
        ("How soon must she be seen?", "urgency"),
        ("Why are you unsure?", "doubt"),
        ("How confident is this?", "doubt"),
        ("Where are the lesions?", "images"),
        ("What does the photograph show?", "images"),
        ("What is the most likely diagnosis?", "diagnosis"),
        ("How is giant cell arteritis treated?", "guidelines"),
        ("What next?", "guidelines"),
        ("Should she be screened for diabetes?", "guidelines"),
    ],
)
def test_what_a_question_wants(question: str, intent: str, library: Library, reader: NarrativeReader) -> None:
    assert understood(question, LEADING, library, reader).intent == intent


def test_conditions_by_name_by_abbreviation_and_by_part_of_a_name(library: Library, reader: NarrativeReader) -> None:
    def named(question: str) -> tuple[str, ...]:
        return conditions(question, LEADING, library, reader)

    assert named("Why not BRVO?") == ("branch_retinal_vein_occlusion",)
    assert named("Why not giant cell arteritis?") == ("giant_cell_arteritis",)
    assert named("Why not a vein occlusion?") == ("central_retinal_vein_occlusion", "branch_retinal_vein_occlusion")
    assert named("Why urgent?") == ()
    assert named("Why not?") == ()


def test_text_from_outside_draws_nothing() -> None:
    assert harmless("x [1](http://a) <img onerror=y> `code` \u202e") == "x (1)(http://a) (img onerror=y) 'code' \ufffd"


def statement(text: str, turn: int = 1) -> Statement:
    from datetime import UTC, datetime

    return Statement(turn=turn, told=datetime(2026, 3, 2, tzinfo=UTC), text=text)


def test_the_narrative_grows_by_dated_additions(reader: NarrativeReader) -> None:
    grown = narrative((statement("A 70-year-old woman with headache."), statement("No jaw claudication.", 2)))
    assert grown == "A 70-year-old woman with headache.\n\nAdded 2 March 2026:\nNo jaw claudication."
    alone = {f.finding_id for f in reader.read("Added 2 March 2026:").findings}
    assert alone == set()
    assert {f.finding_id: f.presence for f in reader.read(grown).findings}["jaw_claudication"] == "absent"


def test_what_is_told_again_in_english_is_not_drowned_by_what_could_not_be_read() -> None:
    german = "Die Patientin klagt seit gestern über plötzlichen Sehverlust am rechten Auge und starke Kopfschmerzen an der Schläfe."
    english = "A 71-year-old woman with a new headache and sudden loss of vision."
    assert narrative((statement(german), statement(english, 2))) == english
    assert narrative((statement(german),)) == german


def test_a_bad_update_is_named() -> None:
    with pytest.raises(StageError, match="node 'hear' wrote a bad 'turn'"):
        validated("hear", {"turn": 3})
    with pytest.raises(StageError, match="unknown channel 'nothing'"):
        validated("hear", {"nothing": 3})
    assert validated("hear", {"turn": TurnInput(text="a")})["turn"].text == "a"
    assert of({"images": ["a"]}, "images") == ("a",)  # type: ignore[typeddict-item]
