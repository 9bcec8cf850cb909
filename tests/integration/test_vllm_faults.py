"""What the vLLM reasoner does with the entropy tap, with streams, with long thoughts, with small contexts, and when a server fails."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.domain import Usage
from agent.errors import ReasonerUnreachable
from agent.evidence import Evidence
from agent.reasoners.listening import listening
from agent.reasoners.profile import load_profile
from agent.reasoners.vllm import BOUNDED, EXACT
from agent.settings import Intake, Vllm
from agent.trace import cost
from tests.doubles import SHELF_SOURCE
from tests.integration.openai_double import OpenAIDouble, Reply
from tests.integration.test_vllm_reasoner import EFFORT, OPTIONS, assert_doubtful, dossier, reasoner, refusing_port, with_image
from tools.entropy_tap.coding import ARGUMENT
from tools.images import MemoryImageStore

GLAUCOMA = "<answer>Glaucoma</answer>"


def passages(count: int, words: int = 20) -> list[Evidence]:
    return [
        Evidence(
            key=f"k{n}", text=f"Sentence-{n} {'word ' * words}", kind="management", concepts=("glaucoma",), source=SHELF_SOURCE, score=1.0
        )
        for n in range(count)
    ]


# The entropy tap


async def test_with_the_tap_the_measurement_is_exact_and_nothing_else_is_asked() -> None:
    with OpenAIDouble(Reply(entropy=0.7, logprob=math.log(0.8)), tap=True) as double:
        async with reasoner(double.url) as asked:
            first, second = [await asked.assess(dossier()) for _ in range(2)]
    assert double.self_tests == 1, "asked once for a connection"
    assert double.requests[0]["vllm_xargs"] == {ARGUMENT: 1}
    assert double.requests[0]["top_logprobs"] == 0
    for result in (first, second):
        measured = result.measurement
        assert measured.method == EXACT
        assert measured.lower <= 0.7 <= measured.upper
        assert measured.upper - measured.lower < 0.11
        assert measured.spans["think"] == pytest.approx(0.7, abs=0.05)
        assert "exact by the entropy tap" in result.steps[0].text
        assert result.differential[0].probability == pytest.approx(0.8)


async def test_without_the_tap_it_falls_back_and_says_so() -> None:
    with OpenAIDouble() as double:
        async with reasoner(double.url) as asked:
            result = await asked.assess(dossier())
    assert "vllm_xargs" not in double.requests[0]
    assert double.requests[0]["top_logprobs"] == 5
    assert result.measurement.method == BOUNDED
    assert "bounded from the 5 likeliest tokens: no entropy tap, its log-probabilities do not bear the tap's mark" in result.steps[0].text


async def test_the_tap_can_be_declined() -> None:
    with OpenAIDouble(tap=True) as double:
        async with reasoner(double.url, entropy="top_logprobs") as asked:
            await asked.assess(dossier())
    assert double.self_tests == 0
    assert "vllm_xargs" not in double.requests[0]


async def test_options_are_told_apart_through_the_tap() -> None:
    alternatives = {"B|B": 0.6, "B|C": 0.3}
    with OpenAIDouble(Reply(texts=("<answer>B</answer>",), alternatives=alternatives), tap=True) as double:
        async with reasoner(double.url) as asked:
            result = await asked.assess(dossier(options=OPTIONS))
    assert result.answer is not None
    assert result.answer.probabilities == pytest.approx({"A": 0.1 / 3, "B": 0.6 + 0.1 / 3, "C": 0.3 + 0.1 / 3}, abs=1e-6)


async def test_a_server_that_lost_its_tap_is_noticed() -> None:
    with OpenAIDouble(tap=True) as double:
        async with reasoner(double.url) as asked:
            await asked.assess(dossier())
            double.tap = False
            during = await asked.assess(dossier())
            after = await asked.assess(dossier())
    assert during.measurement.method == BOUNDED
    assert during.measurement.upper > during.measurement.lower + 0.5, "one log-probability bounds little"
    assert double.self_tests == 2
    assert "vllm_xargs" not in double.requests[-1]
    assert after.measurement.method == BOUNDED


# Streams


async def test_words_are_heard_while_they_are_written_and_the_answer_is_the_same() -> None:
    heard: list[str] = []
    with OpenAIDouble(tap=True) as double:
        async with reasoner(double.url) as asked:
            plain = await asked.assess(dossier())
            with listening(heard.append):
                streamed = await asked.assess(dossier())
    assert double.requests[-1]["stream"] is True
    assert heard[0] == "<"
    assert heard[-1] == Reply().texts[0]
    assert all(later.startswith(earlier) for earlier, later in pairwise(heard))
    assert streamed.measurement == plain.measurement
    assert streamed.differential == plain.differential
    assert streamed.usage.completion_tokens == plain.usage.completion_tokens


@pytest.mark.parametrize("cleanly", [False, True])
async def test_a_stream_that_is_killed_in_its_middle_is_asked_for_again(cleanly: bool) -> None:
    heard: list[str] = []
    with OpenAIDouble(Reply(cut_after=3, cut_cleanly=cleanly), Reply()) as double:
        async with reasoner(double.url) as asked:
            with listening(heard.append):
                result = await asked.assess(dossier())
    assert len(double.requests) == 2
    assert result.differential[0].concept_id == "glaucoma"
    assert result.usage.retries == 1
    assert heard[3] == "<", "it starts again from nothing"


@pytest.mark.parametrize("cleanly", [False, True])
async def test_a_stream_that_is_killed_every_time_keeps_nothing(cleanly: bool) -> None:
    with OpenAIDouble(Reply(cut_after=3, cut_cleanly=cleanly)) as double:
        async with reasoner(double.url, attempts=2) as asked:
            with listening(lambda _: None), pytest.raises(ReasonerUnreachable, match=r"in the middle of its answer \(2 attempts\); nothing of it"):
                await asked.assess(dossier())


# Long thoughts


async def test_a_thought_that_the_token_limit_cuts_off_is_closed_for_the_model() -> None:
    cut = Reply(texts=("<think>the disc is pale and",), finish_reason="length")
    with OpenAIDouble(cut, Reply(texts=("Glaucoma</answer>",)), tap=True) as double:
        async with reasoner(double.url) as asked:
            result = await asked.assess(dossier())
    request = double.requests[1]
    assert (request["continue_final_message"], request["add_generation_prompt"]) == (True, False)
    assert request["messages"][-1] == {"role": "assistant", "content": "<think>the disc is pale and\n</think>\n<answer>"}
    assert request["max_tokens"] == 64
    assert result.differential[0].concept_id == "glaucoma"
    assert result.measurement.method == EXACT
    assert result.usage.requests == 2


async def test_a_ramble_of_a_hundred_thousand_tokens_is_doubt() -> None:
    ramble = Reply(texts=("<think>" + "perhaps " * 100_000,), finish_reason="length")
    with OpenAIDouble(ramble) as double:
        async with reasoner(double.url, deadline=60) as asked:
            started = time.monotonic()
            result = await asked.assess(dossier())
    assert_doubtful(result)
    assert time.monotonic() - started < 30
    assert all(len(step.text) <= 4200 for step in result.steps)


async def test_prose_without_a_name_is_no_diagnosis() -> None:
    prose = "The photograph shows many things and " * 20
    with OpenAIDouble(Reply(texts=(prose,) * 4, logprob=0.0)) as double:
        async with reasoner(double.url) as asked:
            first = await asked.assess(dossier())
            again = await asked.deliberate(dossier(), first, [], EFFORT)
    for result in (first, again):
        assert result.differential == ()
        assert_doubtful(result)
        assert "prose" in result.parse_problem


# Deeper thinking


async def test_samples_that_agree_are_enough() -> None:
    with OpenAIDouble(Reply(texts=(GLAUCOMA,) * 10)) as double:
        async with reasoner(double.url) as asked:
            first = await asked.assess(dossier())
            result = await asked.deliberate(dossier(), first, [], EFFORT.model_copy(update={"samples": 10}))
    assert [request["n"] for request in double.requests] == [1, 1, 4]
    assert "4 came, stopped at 4 of 10 samples, which agree" in result.steps[-1].text


async def test_samples_that_disagree_are_asked_to_the_end() -> None:
    split = Reply(texts=(GLAUCOMA, "<answer>Cataract</answer>", GLAUCOMA, "<answer>Uveitis</answer>"))
    with OpenAIDouble(split) as double:
        async with reasoner(double.url) as asked:
            first = await asked.assess(dossier())
            result = await asked.deliberate(dossier(), first, [], EFFORT.model_copy(update={"samples": 10}))
    assert [request["n"] for request in double.requests[2:]] == [4, 3, 3]
    assert len({request["seed"] for request in double.requests[2:]}) == 3
    assert "10 came. Diagnoses named" in result.steps[-1].text


async def test_what_does_not_fit_into_the_context_is_left_out_least_valuable_last() -> None:
    with OpenAIDouble(Reply(texts=(GLAUCOMA,) * 4), context=1000) as double:
        async with reasoner(double.url) as asked:
            first = await asked.assess(dossier())
            result = await asked.deliberate(dossier(), first, passages(8), EFFORT)
    text = double.requests[-1]["messages"][1]["content"][0]["text"]
    shown = [n for n in range(8) if f"Sentence-{n} " in text]
    assert shown == list(range(len(shown)))
    assert 0 < len(shown) < 8
    assert len(str(double.requests[-1]["messages"]).split()) + EFFORT.tokens <= 1000
    assert f"{len(shown)} of 8 guideline passages" in result.steps[-1].text


async def test_close_ups_give_way_before_the_first_passages_do() -> None:
    store = MemoryImageStore(Intake())
    case = dossier(images=(with_image(store),))
    asks: list[list[Any]] = []
    for context in (8192, 2740):
        with OpenAIDouble(Reply(texts=(GLAUCOMA,) * 4), context=context) as double:
            async with reasoner(double.url, store) as asked:
                first = await asked.assess(case)
                await asked.deliberate(case, first, passages(2), EFFORT)
        asks.append(double.requests[-1]["messages"][1]["content"])
    roomy, tight = asks
    assert len(roomy) == 3
    assert len(tight) == 2
    assert "Sentence-1 " in tight[0]["text"]
    assert "Close-up" not in tight[0]["text"]


async def test_a_server_that_takes_fewer_images_gets_fewer_and_the_case_goes_on() -> None:
    store = MemoryImageStore(Intake())
    case = dossier(images=(with_image(store),))
    refuses = Reply(status=400, message="At most 1 image(s) may be provided in one prompt. (parameter=image)")
    with OpenAIDouble(Reply(), refuses, Reply(), Reply(texts=(GLAUCOMA,) * 4)) as double:
        async with reasoner(double.url, store) as asked:
            first = await asked.assess(case)
            result = await asked.deliberate(case, first, [], EFFORT)
    pictures = [sum(part["type"] == "image_url" for part in request["messages"][1]["content"]) for request in double.requests]
    assert pictures == [1, 2, 1, 1], "the first image, the photograph, is kept"
    assert "Sent were 1 image," in result.steps[-1].text


# What it cost


async def test_tokens_retries_and_time_are_counted() -> None:
    with OpenAIDouble(Reply(status=503), Reply()) as double:
        async with reasoner(double.url) as asked:
            result = await asked.assess(dossier())
    assert (result.usage.requests, result.usage.retries) == (1, 1)
    assert result.usage.prompt_tokens == 100
    assert result.usage.seconds > 0.1


def test_cost_needs_both_prices() -> None:
    usage = Usage(requests=1, prompt_tokens=2_000_000, completion_tokens=500_000)
    assert cost(usage, Vllm()) is None
    assert cost(usage, Vllm(prompt_price=1.0)) is None
    assert cost(usage, Vllm(prompt_price=1.0, completion_price=4.0)) == 4.0


# A server that fails


async def test_the_circuit_opens_and_later_cases_are_told_at_once() -> None:
    with OpenAIDouble(Reply(status=503)) as double:
        async with reasoner(double.url, attempts=1, circuit_failures=2, circuit_pause=60) as asked:
            for _ in range(2):
                with pytest.raises(ReasonerUnreachable, match="503"):
                    await asked.assess(dossier())
            had = len(double.requests)
            with pytest.raises(ReasonerUnreachable, match=r"2 requests in a row failed; tried again in \d+ s.*the engine is busy"):
                await asked.assess(dossier())
    assert len(double.requests) == had


async def test_a_server_that_recovers_is_used_again() -> None:
    with OpenAIDouble(Reply(status=503), Reply(status=503), Reply()) as double:
        async with reasoner(double.url, attempts=1, circuit_failures=2, circuit_pause=0.2) as asked:
            for _ in range(2):
                with pytest.raises(ReasonerUnreachable):
                    await asked.assess(dossier())
            await asyncio.sleep(0.3)
            assert (await asked.assess(dossier())).differential


async def test_a_refusal_does_not_open_the_circuit() -> None:
    with OpenAIDouble(Reply(status=422, message="no"), Reply(status=422, message="no"), Reply()) as double:
        async with reasoner(double.url, circuit_failures=1) as asked:
            for _ in range(2):
                with pytest.raises(Exception, match="422"):
                    await asked.assess(dossier())
            assert (await asked.assess(dossier())).differential


async def test_a_case_that_is_given_up_stops_asking() -> None:
    with OpenAIDouble(Reply(fault="hang")) as double:
        async with reasoner(double.url, deadline=30) as asked:
            task = asyncio.create_task(asked.assess(dossier()))
            await asyncio.to_thread(double.hanging.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            double.script = [Reply()]
            assert (await asked.assess(dossier())).differential, "and the client still works"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=503), "answered 503: the engine is busy (2 attempts)"),
        (Reply(fault="hang"), "did not answer within 3 s (vllm.deadline)"),
        (Reply(fault="garbage"), "is it OpenAI-compatible?"),
    ],
)
def test_the_command_ends_with_3_and_one_line(reply: Reply, said: str, consult: Consult) -> None:
    with OpenAIDouble(reply) as double:
        code, _, error = consult(double.url)
    assert code == 3
    assert said in error
    assert error.count("\n") == 1


def test_the_command_says_which_server_is_not_there(consult: Consult) -> None:
    with refusing_port() as port:
        code, _, error = consult(f"http://127.0.0.1:{port}/v1")
    assert code == 3
    assert f"no answer from the model server at http://127.0.0.1:{port}/v1" in error


@pytest.mark.parametrize(
    "reply",
    [Reply(texts=("",)), Reply(texts=(None,)), Reply(logprob=math.nan), Reply(with_logprobs=False), Reply(texts=("I am not sure.",))],
)
def test_no_case_is_lost_to_a_useless_answer(reply: Reply, consult: Consult) -> None:
    with OpenAIDouble(reply) as double:
        code, out, error = consult(double.url)
    assert code == 0, error
    report = json.loads(out)
    assert report["outcome"] == "refer_to_human" or report["diagnosis"] is not None
    assert report["notes"]


Consult = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def consult(tmp_path: Path, index_root: Path, index_directory: Path, monkeypatch: Any, capfd: pytest.CaptureFixture[str]) -> Consult:
    """`fovea consult` against the server at an address: exit code, standard output, standard error."""

    def run(url: str) -> tuple[int, str, str]:
        from agent.cli import app

        settings = {"VLLM__BASE_URL": url, "VLLM__DEADLINE": "3", "VLLM__CONNECT_TIMEOUT": "2", "VLLM__ATTEMPTS": "2"}
        for name, value in {**settings, "DATA_DIRECTORY": str(tmp_path), "KNOWLEDGE__DIRECTORY": str(index_root)}.items():
            monkeypatch.setenv(f"FOVEA_{name}", value)
        code = 0
        try:
            app(["consult", "--reasoner", "vllm", "--json", "--text", "Sudden painless loss of vision in the right eye."])
        except SystemExit as error:
            code = int(error.code or 0)
        return code, *capfd.readouterr()

    return run


def test_the_profile_allows_at_least_one_answer() -> None:
    assert load_profile("ophthareason-qwen-3b").serving.max_model_len > load_profile("ophthareason-qwen-3b").max_tokens
