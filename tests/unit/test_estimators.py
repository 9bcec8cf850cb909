"""The bench of estimators can tell a good one from a bad one, on models whose calibration is known."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import InputError
from agent.token_entropy import sequence_bounds
from evals.estimator_language import AnswerModel, written
from evals.estimator_records import Record, read_records, write_records
from evals.estimator_simulator import TEMPERS, Simulator
from evals.estimators import Row, compare, table
from evals.measures import confident_errors, risk_coverage_area
from knowledge.library import Library

CASES = 250
SUM, MEAN, TEN, LOCALIZER = "answer tokens, sum of entropies", "answer tokens, mean entropy", "semantic entropy, n = 10", "localizer disagreement"


@pytest.fixture(scope="module")
def runs(library: Library) -> dict[str, tuple[Record, ...]]:
    wanted = ("calibrated", "overconfident", "inventing", "confidence without meaning")
    return {name: tuple(Simulator(library, TEMPERS[name], seed=3).records(CASES)) for name in wanted}


@pytest.fixture(scope="module")
def rows(runs: dict[str, tuple[Record, ...]], library: Library) -> dict[str, dict[str, Row]]:
    return {name: {row.name: row for row in compare(records, library)} for name, records in runs.items()}


def test_on_a_calibrated_model_the_answers_entropy_knows_and_the_localizer_hardly_does(rows: dict[str, dict[str, Row]]) -> None:
    found = rows["calibrated"]
    assert found[SUM].auroc > 0.75
    assert found[SUM].area < found["(no order)"].area - 0.15
    assert found[SUM].confident < 0.35
    assert abs(found[LOCALIZER].auroc - 0.5) < 0.1
    assert found["(a perfect order)"].area <= min(row.area for row in found.values())


def test_a_model_that_invents_with_certainty_is_seen_through_by_no_estimator_of_its_own_words(rows: dict[str, dict[str, Row]]) -> None:
    for name in (SUM, MEAN, TEN):
        assert rows["inventing"][name].auroc < 0.65 < rows["calibrated"][name].auroc


def test_confidence_without_meaning_is_shown_to_be_bad(rows: dict[str, dict[str, Row]]) -> None:
    found = rows["confidence without meaning"]
    assert all(abs(found[name].auroc - 0.5) < 0.15 for name in (SUM, MEAN, TEN, "confidence in words"))
    assert all(found[name].area > found["(no order)"].area - 0.1 for name in (SUM, MEAN, TEN))


def test_leaving_the_tail_out_is_worse_than_bounding_it(rows: dict[str, dict[str, Row]]) -> None:
    found = rows["calibrated"]
    assert found["answer tokens, top k, bounded"].auroc > found["answer tokens, top k, tail left out"].auroc


def test_samples_cost_tokens_and_more_of_them_more(rows: dict[str, dict[str, Row]]) -> None:
    found = rows["calibrated"]
    costs = [found[name].cost for name in (SUM, "semantic entropy, n = 3", "semantic entropy, n = 5", TEN)]
    assert costs == sorted(costs)
    assert costs[0] == 0
    assert costs[-1] == pytest.approx(10, rel=0.15)


def test_the_calibrated_model_is_calibrated_and_the_overconfident_one_is_not(runs: dict[str, tuple[Record, ...]]) -> None:
    def gap(name: str) -> float:
        records = runs[name]
        claimed = math.fsum(math.exp(math.fsum(t.logprob for t in r.answer)) for r in records) / len(records)
        return claimed - sum(r.correct for r in records) / len(records)

    assert gap("overconfident") > gap("calibrated") + 0.1


def test_the_same_seed_gives_the_same_cases(library: Library, runs: dict[str, tuple[Record, ...]]) -> None:
    again = tuple(Simulator(library, TEMPERS["calibrated"], seed=3).records(5))
    assert again == runs["calibrated"][:5]
    assert again != tuple(Simulator(library, TEMPERS["calibrated"], seed=4).records(5))


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path, library: Library, runs: dict[str, tuple[Record, ...]]) -> None:
    write_records(tmp_path / "run.jsonl", runs["calibrated"])
    assert read_records(tmp_path / "run.jsonl") == runs["calibrated"]


def test_a_run_that_measured_little_gets_the_rows_it_can(library: Library, runs: dict[str, tuple[Record, ...]]) -> None:
    bare = [r.model_copy(update={"samples": r.samples[:3], "verbal": None, "disagreement": None, "thinking": ()}) for r in runs["calibrated"]]
    names = [row.name for row in compare(bare, library)]
    assert "semantic entropy, n = 3" in names
    assert not {TEN, LOCALIZER, "confidence in words", "thinking tokens, mean entropy"} & set(names)
    assert "semantic entropy, n = 3" in table("bare", bare, compare(bare, library))


def test_answers_that_are_all_right_tell_nothing(library: Library, runs: dict[str, tuple[Record, ...]]) -> None:
    with pytest.raises(ValueError, match="all answers are right"):
        compare([r for r in runs["calibrated"] if r.correct], library)


@pytest.mark.parametrize(
    ("line", "words"),
    [("{", "line 2"), ('{"case_id": "x"}', "correct"), ('{"case_id":"x","correct":true,"vocabulary":9,"answer":[],"verbal":2}', "verbal")],
)
def test_a_damaged_line_is_named(tmp_path: Path, runs: dict[str, tuple[Record, ...]], line: str, words: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(f"{runs['calibrated'][0].model_dump_json()}\n{line}\n", "utf-8")
    with pytest.raises(InputError, match=r"run\.jsonl") as caught:
        read_records(path)
    assert words in str(caught.value)


@given(st.dictionaries(st.text("abc ", min_size=1, max_size=9).map(str.strip).filter(bool), st.floats(0.01, 1), min_size=1, max_size=8), st.integers())
def test_the_small_language_model_is_what_it_says(weights: dict[str, float], seed: int) -> None:
    """Chain rule: the probabilities of its tokens multiply to that of the text, and truncation is bounded rightly."""
    total = math.fsum(weights.values())
    texts = {text: weight / total for text, weight in weights.items()}
    model = AnswerModel(texts)
    tokens = model.greedy(2)
    assert math.exp(math.fsum(t.logprob for t in tokens)) == pytest.approx(texts[written(tokens)])
    assert model.sampled(random.Random(seed)) in texts
    true = math.fsum(t.entropy or 0 for t in tokens)
    bounded = sequence_bounds([type(t)(t.text, t.logprob, t.alternatives) for t in tokens], 10_000)
    assert bounded.lower - 1e-6 <= true <= bounded.upper + 1e-6


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.booleans()), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_ties_are_judged_alike_in_any_order(judged: list[tuple[float, bool]], chance: random.Random) -> None:
    shuffled = chance.sample(judged, len(judged))
    assert risk_coverage_area(judged) == pytest.approx(risk_coverage_area(shuffled))
    if not all(correct for _, correct in judged):
        assert confident_errors(judged) == pytest.approx(confident_errors(shuffled))
    constant = [(0.0, correct) for _, correct in judged]
    assert risk_coverage_area(constant) == pytest.approx(sum(not correct for _, correct in judged) / len(judged))
