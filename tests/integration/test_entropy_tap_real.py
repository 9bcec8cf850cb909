"""The entropy tap in a real vLLM: the same tokens with and without it, and its entropies against the whole distribution of every token."""

from __future__ import annotations

import base64
import io
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.vllm_cpu.fixtures import MISSING
from tests.vllm_cpu.server import MODEL, Running, available, refused
from tools.entropy_tap.coding import ARGUMENT, RES, Reading, decode, tapped

pytestmark = pytest.mark.skipif(not available(), reason=MISSING)
ASKED = {"vllm_xargs": {ARGUMENT: 1}}
WAYS: tuple[dict[str, Any], ...] = (
    {"temperature": 0},
    {"temperature": 0.5, "seed": 1, "top_k": 7},
    {"temperature": 0.7, "seed": 2},
    {"temperature": 1.0, "seed": 3, "min_p": 0.05},
    {"temperature": 1.3, "seed": 4, "top_p": 0.9},
)
NARRATIVE = "the patient has painless loss of vision in left eye"


def post(url: str, text: str = NARRATIVE, *, pictures: int = 0, **fields: Any) -> httpx.Response:
    images = [{"type": "image_url", "image_url": {"url": picture(n)}} for n in range(pictures)]
    body = {
        "model": MODEL, "messages": [{"role": "user", "content": [{"type": "text", "text": text}, *images]}], "max_tokens": 40,
        "logprobs": True, "top_logprobs": 0, "return_token_ids": True, **fields,
    }  # fmt: skip
    return httpx.post(f"{url}/chat/completions", json=body, timeout=300)


def choices(url: str, text: str = NARRATIVE, **fields: Any) -> list[dict[str, Any]]:
    answer = post(url, text, **fields)
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["choices"], key=lambda choice: choice["index"])


def picture(number: int) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (112, 84), (150 - 40 * number, 70, 30)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def values(choice: dict[str, Any]) -> list[float]:
    return [token["logprob"] for token in choice["logprobs"]["content"]]


def whole(choice: dict[str, Any]) -> list[Reading]:
    """Log-probability and entropy of each token from its whole distribution."""
    read = []
    for token in choice["logprobs"]["content"]:
        logprobs = [t["logprob"] for t in token["top_logprobs"] if t["logprob"] > -300]
        assert math.fsum(map(math.exp, logprobs)) == pytest.approx(1, abs=1e-3)
        read.append(Reading(token["logprob"], -math.fsum(math.exp(p) * p for p in logprobs)))
    return read


def assert_reads(choice: dict[str, Any], true: list[Reading], temperature: float) -> None:
    read = decode(values(choice), temperature)
    assert [r.logprob for r in read] == pytest.approx([t.logprob for t in true], abs=2e-3)
    assert all(abs(r.entropy - t.entropy) <= RES + 2e-3 for r, t in zip(read, true, strict=True))
    for n in range(1, len(read) + 1):
        assert abs(math.fsum(r.entropy for r in read[:n]) - math.fsum(t.entropy for t in true[:n])) <= RES / 2 + 2e-3 * n


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("pictures", [0, 2])
def test_same_tokens_and_true_entropies(tapped_url: str, plain_url: str, way: dict[str, Any], pictures: int) -> None:
    (with_tap,) = choices(tapped_url, pictures=pictures, **ASKED, **way)
    (not_asked,) = choices(tapped_url, pictures=pictures, **way)
    (without,) = choices(plain_url, pictures=pictures, **{**way, "top_logprobs": -1})
    assert with_tap["token_ids"] == not_asked["token_ids"] == without["token_ids"]
    assert tapped(values(with_tap))
    assert not tapped(values(not_asked))
    true = whole(without)
    assert max(t.entropy for t in true) > 1, "a model that is always certain would prove nothing"
    assert_reads(with_tap, true, way["temperature"])


def test_every_one_of_several_samples_has_a_carry_of_its_own(tapped_url: str, plain_url: str) -> None:
    way = {"temperature": 1.0, "seed": 9, "n": 3}
    with_tap, without = choices(tapped_url, **ASKED, **way), choices(plain_url, **{**way, "top_logprobs": -1})
    assert len({tuple(choice["token_ids"]) for choice in with_tap}) == 3
    for one, other in zip(with_tap, without, strict=True):
        assert one["token_ids"] == other["token_ids"]
        assert_reads(one, whole(other), 1.0)


def test_a_batch_in_which_some_ask_and_requests_come_and_go(tapped_url: str, plain_url: str) -> None:
    asked = [(f"{NARRATIVE} case {n}", {"max_tokens": 3 + 7 * n % 50, **WAYS[n % len(WAYS)]}, n % 3 != 0) for n in range(32)]

    def both(case: tuple[str, dict[str, Any], bool]) -> tuple[dict[str, Any], dict[str, Any]]:
        text, way, asks = case
        (one,) = choices(tapped_url, text, **way, **(ASKED if asks else {}))
        (other,) = choices(plain_url, text, **{**way, "top_logprobs": -1})
        return one, other

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(both, asked))
    same = 0
    for (_, way, asks), (one, other) in zip(asked, answers, strict=True):
        assert tapped(values(one)) == asks
        if one["token_ids"] == other["token_ids"]:  # a sum in another order may turn a near tie: it does so without the tap too
            same += 1
            if asks:
                assert_reads(one, whole(other), way["temperature"])
    assert same >= 28


def test_tokens_ruled_out_by_a_schema_do_not_count(tapped_url: str) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "string", "enum": ["A", "B"]}}}
    (choice,) = choices(tapped_url, temperature=0, response_format=schema, **ASKED)
    assert choice["message"]["content"] in ('"A"', '"B"')
    assert all(r.entropy < 1.2 for r in decode(values(choice)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"temperature": 0.2}, "a temperature of 0.2"),
        ({"presence_penalty": 0.5}, "penalties"),
        ({"frequency_penalty": 0.5}, "penalties"),
        ({"repetition_penalty": 1.1}, "penalties"),
        ({"logprobs": False, "top_logprobs": None}, "no log-probabilities"),
        ({"vllm_xargs": {ARGUMENT: 3}}, "must be 0 or 1"),
    ],
)
def test_what_it_cannot_bear_is_refused(tapped_url: str, fields: dict[str, Any], words: str) -> None:
    answer = post(tapped_url, **{"temperature": 1.0, **ASKED, **fields})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    if "vllm_xargs" not in fields:
        assert post(tapped_url, **{"temperature": 1.0, **fields}).status_code == 200, "who did not ask is left alone"


def test_a_server_in_another_mode_does_not_start_with_it(tmp_path: Path) -> None:
    said = refused(tmp_path, ("--logits-processors", "tools.entropy_tap.processor:EntropyTap"))
    assert "the entropy tap needs --logprobs-mode processed_logits, and this server has raw_logprobs" in said


def test_installed_beside_a_server_that_is_not_set_up_for_it_it_says_so_and_does_nothing(plain_server: Running) -> None:
    said = plain_server.log.read_text(encoding="utf-8", errors="replace")
    assert "the entropy tap needs --logprobs-mode processed_logits, and this server has raw_logprobs: it does nothing here" in said
    (choice,) = choices(plain_server.url, temperature=0, **ASKED)
    assert not tapped(values(choice))
    assert max(values(choice)) <= 0
