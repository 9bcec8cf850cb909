"""`fovea model check`: against a real vLLM everything is there; against a poor server what is missing is named, with what is used instead."""

from __future__ import annotations

import json
import subprocess

import pytest

from agent.reasoners.capabilities import Capability, Checker
from agent.reasoners.profile import load_profile
from agent.reasoners.serving import command
from agent.settings import Vllm
from tests.integration.openai_double import OpenAIDouble, Reply
from tests.integration.test_vllm_reasoner import refusing_port
from tests.unit.test_serving import run
from tests.vllm_cpu.fixtures import MISSING
from tests.vllm_cpu.server import PYTHON, available, environment

PROFILE = load_profile("ophthareason-qwen-3b").model_copy(update={"max_images": 2})


async def checked(url: str) -> dict[str, Capability]:
    found = await Checker(Vllm(base_url=url, attempts=1, deadline=60), PROFILE).check()
    return {each.name: each for each in found}


async def test_a_real_server_has_it_all(tapped_url: str) -> None:
    found = await checked(tapped_url)
    assert len(found) == 13
    assert {name: each.found for name, each in found.items() if not each.there} == {}
    assert "2 of 112 by 112 pixels" in found["2 images in order"].found
    assert found["entropy tap"].found == "exact entropies over the whole vocabulary"


async def test_a_real_server_without_the_tap(plain_url: str) -> None:
    found = await checked(plain_url)
    assert {name for name, each in found.items() if not each.there} == {"entropy tap"}
    assert found["entropy tap"].instead == "bounds from the likeliest tokens"


async def test_a_poor_server() -> None:
    with OpenAIDouble(Reply()) as double:
        found = await checked(double.url)
    missing = {name: each.found for name, each in found.items() if not each.there}
    assert set(missing) == {
        "one image", "2 images in order", "n answers in one request", "entropy tap", "letter distribution", "structured output",
        "a begun answer", "its tokenizer",
    }  # fmt: skip
    assert missing["one image"] == "accepted, and the prompt did not grow by it"
    assert missing["n answers in one request"] == "3 were asked for, 1 came"
    assert all(found[name].instead for name in missing)
    assert not any(each.needed for name, each in found.items() if name in missing)


async def test_a_server_without_log_probabilities() -> None:
    with OpenAIDouble(Reply(with_logprobs=False)) as double:
        found = await checked(double.url)
    assert not found["log-probabilities"].there
    assert "every case goes deep" in found["log-probabilities"].instead


async def test_raw_logits_are_no_log_probabilities() -> None:
    with OpenAIDouble(Reply(logprob=17.5)) as double:
        found = await checked(double.url)
    assert "what came are no log-probabilities" in found["log-probabilities"].found


def test_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    with OpenAIDouble(Reply()) as double:
        assert run("check", double.url, "--json") == 0
        found = json.loads(capfd.readouterr().out)
        assert found[0]["name"] == "models listed"
        assert run("check", double.url) == 0
    table = capfd.readouterr().out
    assert "✗" in table
    assert "✓" in table


def test_no_server(capfd: pytest.CaptureFixture[str]) -> None:
    with refusing_port() as port:
        assert run("check", f"http://127.0.0.1:{port}/v1", "--json") == 3
    found = json.loads(capfd.readouterr().out)
    assert len(found) == 1
    assert "start it, or set vllm.base_url" in found[0]["found"]


@pytest.mark.skipif(not available(), reason=MISSING)
def test_every_option_of_the_line_is_one_of_vllms(tmp_path) -> None:  # type: ignore[no-untyped-def]
    said = subprocess.run(
        [str(PYTHON), "-m", "vllm.entrypoints.cli.main", "serve", "--help=all"], capture_output=True, text=True, env=environment(tmp_path), check=True
    ).stdout
    options = [word for word in command(load_profile("fundusexpert-8b")) if word.startswith("--")]
    assert len(options) > 10
    assert [option for option in options if option not in said] == []
