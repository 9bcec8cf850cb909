"""Responses as models really write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import AnswerOption
from agent.reasoners.parsing import locate, parse

OPTIONS = tuple(AnswerOption(key=key, text=text) for key, text in zip("ABC", ("Cataract", "Glaucoma", "Angle-closure glaucoma"), strict=True))


def test_the_contract_is_read_without_a_problem() -> None:
    parsed = parse("<think>Cupped disc.</think>\n<answer>Primary open-angle glaucoma</answer>")
    assert (parsed.think, parsed.answer, parsed.problem) == ("Cupped disc.", "Primary open-angle glaucoma", "")


@pytest.mark.parametrize(
    ("response", "answer", "problem"),
    [
        (None, "", "the answer is empty"),
        ("", "", "the answer is empty"),
        (" \n", "", "the answer is empty"),
        ("<answer></answer>", "", "the answer is empty"),
        ("<think>x</think>", "", "the answer is empty"),
        ("<think>x</think><answer> </answer>", "", "the answer is empty"),
        ("<think>on and on and", "", "cut off while thinking"),
        ("<think>x</think> Macular hole", "Macular hole", "after </think>"),
        ("Macular hole", "Macular hole", "whole response"),
        ("Long talk. Final answer: Macular hole.", "Macular hole", "after “answer”"),
        ("<think>x</think><answer>Macular hole", "Macular hole", "not closed"),
        ("<answer>Drusen</answer><answer>Macular hole</answer>", "Macular hole", "2 different answers; the last one counts"),
        ("<answer>Macular hole</answer><answer>Macular hole</answer>", "Macular hole", ""),
        ("<answer>Macular hole</answer><answer></answer>", "Macular hole", ""),
        ("<think>I write <answer>Drusen</answer> first</think><answer>Macular hole</answer>", "Macular hole", ""),
        ("< Answer >Macular hole</ANSWER>", "Macular hole", ""),
        ("<answer>**Diagnosis: Macular hole.**</answer><|im_end|>", "Macular hole", ""),
        ("<answer>answer here</answer>", "", "names nothing"),
        ("<answer>Unknown.</answer>", "", "names nothing"),
    ],
)
def test_tolerance(response: str | None, answer: str, problem: str) -> None:
    parsed = parse(response)
    assert parsed.answer == answer
    assert problem in parsed.problem
    assert bool(parsed.problem) == bool(problem)


def test_prose_is_kept_and_named_as_such() -> None:
    parsed = parse("<answer>" + "It could be several things. " * 20 + "</answer>")
    assert parsed.answer.startswith("It could be")
    assert "prose" in parsed.problem


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        ("B", ("B",)),
        ("b", ("B",)),
        ("(B)", ("B",)),
        ("B.", ("B",)),
        ("B. Glaucoma", ("B",)),
        ("B) Glaucoma", ("B",)),
        ("B - Glaucoma", ("B",)),
        ("Option B", ("B",)),
        ("The answer is B", ("B",)),
        ("A,B", ("A", "B")),
        ("B, A and C", ("B", "A", "C")),
        ("Glaucoma", ("B",)),
        ("angle-closure GLAUCOMA", ("C",)),
    ],
)
def test_letters(answer: str, letters: tuple[str, ...]) -> None:
    parsed = parse(f"<answer>{answer}</answer>", OPTIONS)
    assert parsed.letters == letters
    assert parsed.problem == ""


@pytest.mark.parametrize(
    ("answer", "letters", "problem"),
    [
        ("B. Cataract", ("B",), "the letter counts"),
        ("it looks like cataract to me", ("A",), "no letter"),
        ("cataract or angle-closure glaucoma", (), "names 3 of the options"),
        ("A patient like this needs a biopsy", (), "names none of the options"),
        ("E", (), "no option has the letter E"),
        ("", (), "empty"),
    ],
)
def test_doubtful_letters(answer: str, letters: tuple[str, ...], problem: str) -> None:
    parsed = parse(f"<answer>{answer}</answer>", OPTIONS)
    assert parsed.letters == letters
    assert problem in parsed.problem


PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "< answer", "B", "Glaucoma", ", ", "answer: ", "<|im_end|>", "\n", "A. "])
    | st.text(max_size=4)
).map("".join)


@given(PIECES)
def test_never_raises_and_spans_lie_inside(response: str) -> None:
    for options in ((), OPTIONS):
        parsed = parse(response, options)
        assert parsed.answer or parsed.problem
        assert set(parsed.letters) <= set("ABC")
    for span in locate(response)[:2]:
        assert span is None or (isinstance(span, tuple) and 0 <= span[0] < span[1] <= len(response))
