"""The `vllm serve` line of each profile, and `fovea model serve`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from agent.cli import app
from agent.errors import InputError
from agent.reasoners.profile import load_profile, profile_names
from agent.reasoners.serving import command, warnings

QWEN = load_profile("ophthareason-qwen-3b")


def value(line: list[str], option: str) -> str:
    return line[line.index(option) + 1]


@pytest.mark.parametrize("name", sorted(set(profile_names()) - {"generic"}))
def test_every_line_is_closed_and_measured(name: str) -> None:
    profile = load_profile(name)
    line = command(profile)
    assert line[:3] == ["vllm", "serve", profile.serving.model]
    assert value(line, "--host") == "127.0.0.1"
    assert value(line, "--allowed-media-domains").endswith(".invalid")
    assert json.loads(value(line, "--limit-mm-per-prompt")) == {"image": profile.max_images, "video": 0}
    assert value(line, "--logprobs-mode") == "processed_logits"
    assert value(line, "--logits-processors") == "tools.entropy_tap.processor:EntropyTap"
    assert value(line, "--generation-config") == "vllm", "the checkpoint's own defaults would change the sampling"
    assert ("--trust-remote-code" in line) == profile.serving.trust_remote_code
    assert not any(word.startswith("--reasoning-parser") for word in line)


def test_what_is_asked_for_takes_the_place_of_the_default(tmp_path: Path) -> None:
    line = command(QWEN, model=str(tmp_path), host="0.0.0.0", port=9000, tap=False, extra=["--dtype", "bfloat16"])
    assert (line[2], value(line, "--host"), value(line, "--port")) == (str(tmp_path), "0.0.0.0", "9000")
    assert "--logits-processors" not in line
    assert line[-2:] == ["--dtype", "bfloat16"]


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(InputError, match="no such model directory"):
        command(QWEN, model="./nowhere")
    with pytest.raises(InputError, match="names no model: give --model"):
        command(load_profile("generic"))


def test_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    assert warnings(QWEN, "127.0.0.1") == []
    assert "no key is asked for" in warnings(QWEN, "0.0.0.0")[0]
    assert "trust its maker" in warnings(load_profile("fundusexpert-8b"), "localhost")[0]
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    assert warnings(QWEN, "0.0.0.0") == []


def run(*words: str) -> int:
    try:
        app(["model", *words])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def test_the_line_is_printed_as_a_shell_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--print", "--", "--dtype", "bfloat16") == 0
    assert shlex.split(capsys.readouterr().out) == [*command(QWEN), "--dtype", "bfloat16"]


def test_without_vllm_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("serve") == 2
    assert "vLLM is not installed in this environment" in capsys.readouterr().err


def test_it_becomes_the_server(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken: list[list[str]] = []
    monkeypatch.setattr("shutil.which", lambda _: "/bin/vllm")
    monkeypatch.setattr("os.execvp", lambda _, line: taken.append(line))
    run("serve", "--port", "8123")
    assert taken == [command(QWEN, port=8123)]


def test_an_unknown_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--profile", "gpt") == 2
    assert "known profiles" in capsys.readouterr().err
