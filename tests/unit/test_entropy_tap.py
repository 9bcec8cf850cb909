"""The entropy tap without vLLM: its numbers, its arithmetic, and its rows through every change of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.entropy_tap.batch import Rows
from tools.entropy_tap.coding import ARGUMENT, COLDEST, RES, STEP, asks, decode, encode, tapped
from tools.entropy_tap.shifting import shift_rows

SWAP, ONE_WAY = "swap", "one way"
LARGEST = math.log(300_000)
temperatures = st.sampled_from([0.0, COLDEST, 0.7, 1.0, 1.5])
tokens = st.lists(st.tuples(st.floats(-15, 0), st.floats(0, LARGEST)), min_size=1, max_size=40)


@given(tokens, temperatures)
def test_what_is_written_is_read(answer: list[tuple[float, float]], temperature: float) -> None:
    logprobs, entropies = [p for p, _ in answer], [h for _, h in answer]
    values = encode(logprobs, entropies, temperature)
    assert min(values) > -9999, "the server's interface cuts off below"
    read = decode(values, temperature)
    assert [r.logprob for r in read] == pytest.approx(logprobs, abs=1e-6)
    assert all(abs(r.entropy - h) <= RES + 1e-9 for r, h in zip(read, entropies, strict=True))
    for n in range(1, len(answer) + 1):
        assert abs(math.fsum(r.entropy for r in read[:n]) - math.fsum(entropies[:n])) <= RES / 2 + 1e-9
    for first in range(len(answer)):
        assert abs(math.fsum(r.entropy for r in read[first:]) - math.fsum(entropies[first:])) <= RES + 1e-9


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -0.5, -31.9, 12.0])
def test_a_value_without_the_mark_is_refused(value: float) -> None:
    assert not tapped([-40.0, value])
    with pytest.raises(ValueError, match="not written by the entropy tap"):
        decode([value])


def test_a_certain_token_that_rounds_above_zero_is_still_certain() -> None:
    assert decode([-STEP + 5e-4, -3 * STEP + 5e-4]) == [(0.0, 0.0), (0.0, 2 * RES)]


@pytest.mark.parametrize("temperature", [-1.0, 0.01, COLDEST - 0.01])
def test_a_temperature_it_cannot_bear(temperature: float) -> None:
    with pytest.raises(ValueError, match="bears no temperature"):
        decode([-40.0], temperature)


@pytest.mark.parametrize("value", [2, -1, "yes", 0.5, None])
def test_an_odd_wish_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=ARGUMENT):
        asks({ARGUMENT: value})


# rows of logits


def _entropies(logits: torch.Tensor) -> list[float]:
    p = torch.softmax(logits.double(), -1)
    return [float(h) for h in -torch.where(p > 0, p * p.log(), 0.0).sum(-1)]


@given(st.integers(0, 2**31), temperatures)
@settings(max_examples=25, deadline=None)
def test_rows_are_lowered_as_the_coding_says_and_the_best_token_stays(seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(scale=rng.choice([0.01, 1, 8]), size=(4, 999)), dtype=torch.float32)
    logits[1, 5:] = -torch.inf
    logits[2, 7:] = -torch.inf
    logits[2, :7] = torch.tensor([0.0] + [-80.0] * 6)
    before, carry = logits.clone(), torch.zeros((4, 1))
    shift_rows(logits, carry, torch.full((4, 1), temperature or 1.0))
    returned = logits / (temperature or 1.0)
    for row, entropy in enumerate(_entropies(before)):
        best = int(before[row].argmax())
        logprob = float(torch.log_softmax(before[row].double(), -1)[best])
        (read,) = decode([float(returned[row, best])], temperature)
        assert read.logprob == pytest.approx(logprob, abs=2e-3)
        assert abs(read.entropy - entropy) <= RES / 2 + 1e-3
        assert float(carry[row]) == pytest.approx(entropy - read.entropy, abs=1e-3)
        top = before[row].topk(2).values
        if float(top[0] - top[1]) > 1e-3:
            assert int(logits[row].argmax()) == best
    assert torch.equal(torch.isneginf(before), torch.isneginf(logits))


def test_the_carry_keeps_sums_exact_on_rows() -> None:
    rng = np.random.default_rng(1)
    carry, read, true = torch.zeros((1, 1)), 0.0, 0.0
    for _ in range(60):
        logits = torch.tensor(rng.normal(scale=3, size=(1, 500)), dtype=torch.float32)
        true += _entropies(logits)[0]
        shift_rows(logits, carry, torch.ones((1, 1)))
        read += decode([float(logits.max())])[0].entropy
        assert abs(read - true) <= RES / 2 + 2e-3


# the batch


@dataclass
class Params:
    temperature: float = 1.0
    extra_args: dict[str, object] | None = None


@dataclass
class Change:
    batch_size: int = 8
    removed: list[int] = field(default_factory=list)
    added: list[tuple[int, Params, None, list[int]]] = field(default_factory=list)
    moved: list[tuple[int, int, str]] = field(default_factory=list)


SIZE = 8
row_numbers = st.integers(0, SIZE - 1)
changes = st.builds(
    Change,
    removed=st.lists(row_numbers, max_size=3, unique=True),
    added=st.lists(
        st.tuples(row_numbers, st.builds(Params, st.sampled_from([0.0, 0.7, 1.0]), st.sampled_from([None, {ARGUMENT: 1}])), st.none(), st.just([])),
        max_size=4,
    ),
    moved=st.lists(st.tuples(row_numbers, row_numbers, st.sampled_from([SWAP, ONE_WAY])).filter(lambda m: m[0] != m[1]), max_size=4),
)


@dataclass
class Request:
    temperature: float
    carry: float = 0.0


@given(st.lists(st.one_of(st.none(), changes), max_size=12))
@settings(deadline=None, max_examples=150)
def test_rows_follow_every_change_as_requests_do(steps: list[Change | None]) -> None:
    rows, model, written = Rows(SIZE, "cpu"), dict[int, Request](), 0.0
    for change in steps:
        if change is not None:
            for row in change.removed:
                model.pop(row, None)
            for row, params, _, _ in change.added:
                model.pop(row, None)
                if params.extra_args:
                    model[row] = Request(params.temperature or 1.0)
            for one, other, direction in change.moved:
                mine, theirs = model.pop(one, None), model.pop(other, None)
                if mine is not None:
                    model[other] = mine
                if direction == SWAP and theirs is not None:
                    model[one] = theirs
        rows.update(change, SWAP)
        asking = sorted(model)
        assert rows.indices.tolist() == asking
        assert rows.count == len(asking)
        assert rows.contiguous == (asking == list(range(len(asking))))
        assert rows.temperatures.squeeze(1).tolist() == pytest.approx([model[r].temperature for r in asking])
        assert rows.carry[rows.indices].squeeze(1).tolist() == pytest.approx([model[r].carry for r in asking])
        for row in asking:  # a step leaves something over
            written += 0.001
            rows.carry[row], model[row].carry = written, written
