"""The expected information of a question, held against brute force, and which question is chosen."""

from __future__ import annotations

import math

import pytest

from agent.conversation.asking import ASKABLE, Asking, asking_of
from agent.domain import Differential, DifferentialEntry, Finding
from agent.uncertainty import entropy
from agent.values import Presence
from knowledge.differential import OTHER, Parameters
from knowledge.differential.table import Table
from knowledge.library import Library
from knowledge.reading.narrative import NarrativeReader

SHARES = {"giant_cell_arteritis": 0.42, "nonarteritic_aion": 0.33, "papilloedema": 0.15}


@pytest.fixture(scope="module")
def asking(library: Library, reader: NarrativeReader) -> Asking:
    return Asking(library, reader)


def differential(shares: dict[str, float], library: Library) -> Differential:
    return tuple(DifferentialEntry(concept_id=c, name=library.condition[c].name, probability=p) for c, p in shares.items())


def known(finding_id: str, library: Library, presence: Presence = "present") -> Finding:
    return Finding(finding_id=finding_id, name=library.finding[finding_id].name, presence=presence, source="narrative")


_TABLES: dict[str, Table] = {}


def _table(digest: str, library: Library) -> Table:
    return _TABLES.setdefault(digest, _TABLES.get(digest) or Table(library, Parameters()))


def brute_force(shares: dict[str, float], finding: str, library: Library) -> float:
    """H(D) - E[H(D|f)] by Bayes' rule, answer by answer, from the table of the scorer."""
    table = _table(library.digest, library)
    rows = {c.id: i for i, c in enumerate(library.conditions)}
    column = table.column[finding]
    spread = {**shares, OTHER: 1 - math.fsum(shares.values())}
    chance = {c: float(table.background[column]) if c == OTHER else float(table.chance[rows[c], column]) for c in spread}
    before = -sum(p * math.log(p) for p in spread.values())
    after = 0.0
    for there in (True, False):
        joint = {c: p * (chance[c] if there else 1 - chance[c]) for c, p in spread.items()}
        total = sum(joint.values())
        posterior = [value / total for value in joint.values() if value > 0]
        after += total * -sum(p * math.log(p) for p in posterior)
    return before - after


def test_the_gain_is_that_of_brute_force_for_every_finding(asking: Asking, library: Library) -> None:
    gains = asking.gains(asking.spread(differential(SHARES, library)))
    assert len(gains) == len(library.findings)
    for entry, gain in zip(library.findings, gains, strict=True):
        assert gain == pytest.approx(brute_force(SHARES, entry.id, library), abs=1e-9), entry.id


def test_no_gain_exceeds_the_entropy_there_is(asking: Asking, library: Library) -> None:
    spread = asking.spread(differential(SHARES, library))
    assert max(asking.gains(spread)) <= min(entropy(spread.values()), math.log(2)) + 1e-12


def test_a_certain_differential_asks_nothing(asking: Asking, library: Library) -> None:
    assert asking.question(differential({"giant_cell_arteritis": 1.0}, library), (), (), 0.0) is None


def test_the_best_askable_finding_is_asked(asking: Asking, library: Library) -> None:
    question = asking.question(differential(SHARES, library), (), (), 0.0)
    assert question is not None
    assert library.finding[question.finding_id].kind in ASKABLE
    assert question.name == library.finding[question.finding_id].name
    assert question.name in question.text
    assert question.expected_gain == pytest.approx(brute_force(SHARES, question.finding_id, library))
    assert set(question.because) <= {library.condition[c].name for c in SHARES}
    gains = dict(zip((f.id for f in library.findings), asking.gains(asking.spread(differential(SHARES, library))), strict=True))
    better = [f for f, gain in gains.items() if gain > question.expected_gain and library.finding[f].kind in ("symptom", "history", "test")]
    assert all(f.startswith(("normal_", "full_", "no_")) for f in better)


def test_the_differential_of_arteritis_and_aion_asks_for_inflammatory_markers(asking: Asking, library: Library) -> None:
    asked = asking.question(differential({"giant_cell_arteritis": 0.5, "nonarteritic_aion": 0.5}, library), (), (), 0.1)
    assert asked is not None
    assert asked.finding_id in ("raised_esr", "raised_crp", "raised_inflammatory_markers")


def test_nothing_is_asked_twice_and_gains_fall(asking: Asking, library: Library) -> None:
    asked: list[str] = []
    gains: list[float] = []
    for _ in range(12):
        question = asking.question(differential(SHARES, library), (), asked, 0.0)
        assert question is not None
        assert question.finding_id not in asked
        asked.append(question.finding_id)
        gains.append(question.expected_gain)
    assert gains == sorted(gains, reverse=True)


def test_what_is_known_implied_or_impossible_is_not_asked(asking: Asking, library: Library) -> None:
    spread = differential({"giant_cell_arteritis": 0.5, "nonarteritic_aion": 0.5}, library)

    def never(findings: tuple[Finding, ...]) -> set[str]:
        asked: list[str] = []
        while (question := asking.question(spread, findings, asked, 0.001)) is not None:
            asked.append(question.finding_id)
        return set(asked)

    everything = never(())
    assert {"raised_esr", "raised_crp", "raised_inflammatory_markers"} <= everything
    assert not {"raised_esr", "raised_inflammatory_markers"} & never((known("raised_esr", library),))
    assert not {"raised_esr", "raised_crp"} & never((known("raised_inflammatory_markers", library, "absent"),))


def test_below_the_least_gain_nothing_is_asked(asking: Asking, library: Library) -> None:
    best = asking.question(differential(SHARES, library), (), (), 0.0)
    assert best is not None
    assert asking.question(differential(SHARES, library), (), (), best.expected_gain + 1e-6) is None


def test_one_asking_per_library(library: Library, reader: NarrativeReader) -> None:
    assert asking_of(library, reader) is asking_of(library, reader)
