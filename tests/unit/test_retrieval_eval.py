"""The retrieval questions are sound, and the measures say what a hand calculation says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

import pytest
import yaml
from pydantic import ValidationError
from rich.console import Console

from evals.ranking import auroc, interval, ndcg_at, paired, recall_at, reciprocal_rank
from evals.retrieval import Filter, Question, System, in_force, keys_of, measure, outdated_statements, questions, table
from knowledge import library as library_files
from knowledge.library import Library
from knowledge.retrieval.jurisdictions import applies

GRADES = {"a": 2, "b": 1, "c": 2}


@pytest.fixture(scope="module")
def asked() -> tuple[Question, ...]:
    return questions()


@pytest.fixture(scope="module")
def library() -> Library:
    return library_files.read()


def question(number: int, **fields: object) -> Question:
    base = {"id": f"q{number:03d}", "split": "development", "style": "question", "kind": "diagnosis", "question": f"question {number}"}
    return Question.model_validate({**base, "answers": {}, **fields})


# the file of questions


def test_ids_and_questions_are_unique(asked: Sequence[Question]) -> None:
    assert max(Counter(q.id for q in asked).values()) == 1
    assert max(Counter((q.question.lower(), q.filter) for q in asked).values()) == 1


def test_every_answer_is_a_statement(asked: Sequence[Question], library: Library) -> None:
    assert {s for q in asked for s in q.answers} <= set(library.statement)


def test_there_are_enough_and_they_reach_enough_statements(asked: Sequence[Question]) -> None:
    assert sum(bool(q.answers) for q in asked) >= 240
    assert sum(not q.answers for q in asked) >= 20
    assert len({s for q in asked for s in q.answers}) >= 200


def test_every_guidelines_file_and_every_kind_and_style_is_asked_about_in_both_halves(asked: Sequence[Question], library: Library) -> None:
    for half in ("development", "test"):
        own = [q for q in asked if q.split == half]
        assert {q.style for q in own} == {q.style for q in asked}
        assert {q.kind for q in own} == {q.kind for q in asked}
    reached = {s for q in asked for s in q.answers}
    for path in sorted((library_files.HERE / "guidelines").glob("*.yaml")):
        own_statements = {s["id"] for s in yaml.safe_load(path.read_text(encoding="utf-8")).get("statements", ())}
        assert not own_statements or reached & own_statements, path.name


def test_the_halves_share_no_statement_and_are_alike_in_size(asked: Sequence[Question]) -> None:
    halves = {half: [q for q in asked if q.split == half] for half in ("development", "test")}
    development, test = ({s for q in halves[half] for s in q.answers} for half in ("development", "test"))
    assert not development & test
    assert abs(len(halves["development"]) - len(halves["test"])) <= 0.05 * len(asked)


def test_what_answers_is_marked_as_such_and_only_negative_questions_have_no_answer(asked: Sequence[Question]) -> None:
    for q in asked:
        assert (q.kind == "negative") == (not q.answers), q.id
        assert not q.answers or max(q.answers.values()) == 2, q.id


def test_answers_of_a_filtered_question_apply_in_that_place(asked: Sequence[Question], library: Library) -> None:
    filtered = [(q, q.filter.jurisdiction) for q in asked if q.filter.jurisdiction]
    assert len(filtered) >= 10
    for q, place in filtered:
        for statement in q.answers:
            jurisdiction = library.document[library.statement[statement].document].jurisdiction
            assert applies(jurisdiction, [place]), (q.id, statement)


def test_no_question_repeats_a_statement(asked: Sequence[Question], library: Library) -> None:
    """A question that copies its answer word for word measures nothing: no run of seven words is shared."""
    for q in asked:
        words = q.question.lower().split()
        runs = {" ".join(words[i : i + 7]) for i in range(len(words) - 6)}
        for statement in q.answers:
            text = " ".join(library.statement[statement].text.lower().split())
            assert not [run for run in runs if run in text], q.id


def test_a_grade_other_than_one_and_two_is_refused() -> None:
    for grade in (0, 3):
        with pytest.raises(ValidationError):
            question(1, answers={"a": grade})


# the measures


def test_recall_counts_answers_only_and_at_most_k_of_them() -> None:
    assert recall_at(5, ["x", "b", "a"], GRADES) == 0.5
    assert recall_at(1, ["a", "c"], GRADES) == 1.0
    assert recall_at(1, ["b", "a"], GRADES) == 0.0
    with pytest.raises(ValueError, match="nothing answers"):
        recall_at(5, ["b"], {"b": 1})


def test_ndcg_against_a_hand_calculation() -> None:
    # gains 0, 1, 3 at ranks 1 to 3: 1/log2(3) + 3/log2(4); best order 3, 1
    assert ndcg_at(10, ["x", "b", "a"], {"a": 2, "b": 1}) == pytest.approx((0.6309298 + 1.5) / (3 + 0.6309298), abs=1e-6)
    assert ndcg_at(1, ["b"], {"a": 2, "b": 1}) == pytest.approx(1 / 3)
    assert ndcg_at(10, ["a", "c", "b"], GRADES) == pytest.approx(1.0)
    assert ndcg_at(10, [], GRADES) == 0.0


def test_a_key_given_twice_is_no_second_hit() -> None:
    assert ndcg_at(10, ["a", "a"], {"a": 2, "b": 2}) == ndcg_at(10, ["a"], {"a": 2, "b": 2})
    assert recall_at(5, ["a", "a"], {"a": 2, "b": 2}) == 0.5
    assert reciprocal_rank(["x", "x", "a"], {"a": 2}) == 0.5


def test_reciprocal_rank_is_of_the_first_answer() -> None:
    assert reciprocal_rank(["b", "c", "a"], GRADES) == 0.5
    assert reciprocal_rank(["b", "x"], GRADES) == 0.0


def test_auroc_counts_pairs() -> None:
    assert auroc([3.0, 1.0], [2.0]) == 0.5
    assert auroc([1.0], [1.0]) == 0.5
    with pytest.raises(ValueError, match="positives and negatives"):
        auroc([], [1.0])


def test_an_interval_covers_the_mean_and_narrows_with_more_questions() -> None:
    few, many = interval([0.0, 1.0] * 10), interval([0.0, 1.0] * 200)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert interval([0.0, 1.0] * 10) == few


def test_the_paired_test_sees_a_steady_gain_and_no_gain_in_noise() -> None:
    base = [0.1 * (i % 7) for i in range(40)]
    steady = paired([value + 0.05 for value in base], base)
    assert steady.mean == pytest.approx(0.05)
    assert steady.p < 0.001
    assert steady.low > 0
    noise = paired([value + (0.05 if i % 2 else -0.05) for i, value in enumerate(base)], base)
    assert noise.p > 0.5
    assert noise.low < 0 < noise.high
    with pytest.raises(ValueError, match="cannot be paired"):
        paired([1.0], [1.0, 2.0])


# the runner


def test_measure_asks_everything_with_its_filter_and_scores_what_has_an_answer() -> None:
    heard: list[tuple[str, int, Filter]] = []

    def search(query: str, count: int, asked: Filter) -> list[str]:
        heard.append((query, count, asked))
        return ["key a"] if query == "question 1" else ["key b"]

    three = [
        question(1, answers={"a": 2}, filter={"jurisdiction": "England"}),
        question(2, answers={"a": 2}),
        question(3, kind="negative"),
    ]
    scores = {"question 1": 0.9, "question 2": 0.4, "question 3": 0.5}
    outcome = measure(System("double", search, lambda query, _: scores[query]), three, {"a": "key a"})
    assert (outcome.recall, outcome.ndcg, outcome.reciprocal) == ((1.0, 0.0), (1.0, 0.0), (1.0, 0.0))
    assert outcome.silence == 0.5
    assert len(outcome.milliseconds) == 3
    assert [query for query, _, _ in heard] == ["question 1", "question 1", "question 2", "question 3"]
    assert heard[0][1:] == (10, Filter(jurisdiction="England"))


def test_the_table_sets_every_system_against_the_baseline() -> None:
    asked = [question(n, answers={"a": 2}) for n in range(1, 9)]
    right = measure(System("right", lambda *_: ["key a"]), asked, {"a": "key a"})
    wrong = measure(System("wrong", lambda *_: ["key b"]), asked, {"a": "key a"})
    console = Console(width=200, record=True)
    console.print(table({"development": {"wrong": wrong, "right": right}}, "wrong"))
    text = console.export_text()
    assert "+1.000 [+1.000, +1.000]" in text
    assert "0.000 [0.000, 0.000]" in text


def test_answers_out_of_date_are_not_expected_unless_they_are_asked_for() -> None:
    both = question(1, answers={"old": 2, "new": 2})
    old_only, wants_old = question(2, answers={"old": 2, "new": 1}), question(3, answers={"old": 2}, filter={"outdated": True})
    negative = question(4, kind="negative")
    kept = in_force([both, old_only, wants_old, negative], {"old"})
    assert [(q.id, q.answers) for q in kept] == [("q001", {"new": 2}), ("q003", {"old": 2}), ("q004", {})]


def test_statements_out_of_date_are_those_of_replaced_and_expired_documents(library: Library) -> None:
    document = library.documents[0].model_copy(update={"review_by": date(2030, 1, 1)})
    fields = {name: getattr(library, name) for name in Library.model_fields}
    aged = Library.model_validate({**fields, "documents": (document, *library.documents[1:])})
    own = {s.id for s in library.statements if s.document == document.id}
    before, after = outdated_statements(aged, date(2029, 12, 31)), outdated_statements(aged, date(2030, 1, 2))
    assert own
    assert not own & before
    assert own <= after


def test_keys_are_those_a_search_returns(library: Library) -> None:
    keys = keys_of(library)
    assert len(set(keys.values())) == len(library.statements)
