"""Entropy bounds hold for every distribution, however it was truncated or damaged on the way."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.letters import letter_distribution
from agent.token_entropy import (
    Token,
    entropy_bounds,
    joint_probability,
    mean_bounds,
    sequence_bounds,
    tokens_within,
    unknown,
)
from tools.entropy_tap.coding import RES

DISTRIBUTIONS = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=60).map(lambda ws: sorted((w / sum(ws) for w in ws), reverse=True))
LOGPROBS = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=8)


def true_entropy(distribution: list[float]) -> float:
    return -math.fsum(p * math.log(p) for p in distribution if p > 0)


@given(DISTRIBUTIONS, st.integers(1, 60), st.booleans())
def test_bounds_contain_the_entropy_of_the_whole_distribution(distribution: list[float], k: int, capped: bool) -> None:
    top = [math.log(p) for p in distribution[:k]]
    bounds = entropy_bounds(top, len(distribution), cap=top[-1] if capped else math.inf)
    assert bounds.lower - 1e-6 <= true_entropy(distribution) <= bounds.upper + 1e-6


@given(DISTRIBUTIONS, st.integers(1, 20))
def test_a_cap_only_narrows_the_bounds(distribution: list[float], k: int) -> None:
    top = [math.log(p) for p in distribution[:k]]
    wide, narrow = entropy_bounds(top, len(distribution)), entropy_bounds(top, len(distribution), cap=top[-1])
    assert wide.lower <= narrow.lower + 1e-9
    assert wide.upper == narrow.upper


@given(DISTRIBUTIONS, st.integers(1, 8), st.integers(0, 59))
def test_bounds_hold_when_an_unlikely_token_was_sampled(distribution: list[float], k: int, sampled: int) -> None:
    """The server lists the sampled token first and cuts the list at k, so the last of the likeliest may be missing."""
    sampled %= len(distribution)
    listed = list(dict.fromkeys([sampled, *range(min(k, len(distribution)))]))[: max(k, 1)]
    alternatives = tuple((str(i), math.log(distribution[i])) for i in listed)
    bounds = mean_bounds([Token(str(sampled), math.log(distribution[sampled]), alternatives)], len(distribution))
    assert bounds.lower - 1e-6 <= true_entropy(distribution) <= bounds.upper + 1e-6


@given(DISTRIBUTIONS, st.integers(1, 20), st.randoms())
def test_order_does_not_matter(distribution: list[float], k: int, chance: random.Random) -> None:
    top = [math.log(p) for p in distribution[:k]]
    shuffled = chance.sample(top, len(top))
    before, after = entropy_bounds(top, 100), entropy_bounds(shuffled, 100)
    assert (before.lower, before.upper) == pytest.approx((after.lower, after.upper), abs=1e-9)


@given(st.integers(1, 5), st.integers(2, 200_000))
def test_a_sure_token_has_no_entropy(others: int, vocabulary: int) -> None:
    bounds = entropy_bounds([0.0, *[-math.inf] * others], vocabulary)
    assert (bounds.lower, bounds.upper, bounds.decision) == (0.0, 0.0, 0.0)


@given(LOGPROBS, st.integers(2, 200_000), st.floats(allow_nan=True, allow_infinity=True))
def test_damaged_values_give_ordered_finite_bounds_and_never_confidence(logprobs: list[float], vocabulary: int, cap: float) -> None:
    bounds = entropy_bounds(logprobs, vocabulary, cap)
    assert 0 <= bounds.lower <= bounds.upper < math.inf
    if any(math.isnan(value) for value in logprobs):
        assert bounds.decision == bounds.upper


def test_the_tail_counts() -> None:
    """A flat distribution seen through its first five tokens is not mistaken for a sure one."""
    flat = [math.log(1 / 1000)] * 5
    assert entropy_bounds(flat, 1000, cap=flat[0]).lower == pytest.approx(math.log(1000), abs=1e-6)
    assert entropy_bounds(flat, 1000).decision > 3


def test_a_sum_above_one_is_scaled_back() -> None:
    bounds = entropy_bounds([math.log(0.5005), math.log(0.5005)], 1000)
    assert bounds.lower == pytest.approx(math.log(2), abs=1e-3)
    assert bounds.upper == bounds.lower


def test_nothing_told_is_the_largest_entropy() -> None:
    assert mean_bounds([], 150_000) == unknown(150_000)
    assert unknown(150_000).decision == pytest.approx(math.log(150_000))
    assert mean_bounds([Token("Glaucoma", math.nan)], 150_000).decision == pytest.approx(math.log(150_000))


def test_one_damaged_token_of_a_span_takes_the_upper_bound() -> None:
    bounds = mean_bounds([Token("a", 0.0), Token("b", math.nan)], 1000)
    assert not bounds.usable
    assert bounds.decision == bounds.upper == pytest.approx(math.log(1000) / 2)


def test_the_sampled_token_is_counted_once() -> None:
    both = (("a", math.log(0.5)), ("b", math.log(0.5)))
    assert mean_bounds([Token("a", math.log(0.5), both)], 1000).decision == pytest.approx(math.log(2))
    missing = mean_bounds([Token("a", math.log(0.5), both[1:])], 1000)
    assert missing.decision == pytest.approx(math.log(2))


def test_probability_of_a_span() -> None:
    assert joint_probability([Token("a", math.log(0.5)), Token("b", math.log(0.4))]) == pytest.approx(0.2)
    assert joint_probability([Token("a", 1e-6)]) == 1.0
    assert joint_probability([Token("a", 0.3)]) is None
    assert joint_probability([]) is None


@given(st.lists(st.text(max_size=5), max_size=12), st.integers(0, 30), st.integers(0, 30))
def test_tokens_within_cover_exactly_the_span(texts: list[str], start: int, length: int) -> None:
    tokens = [Token(text, 0.0) for text in texts]
    whole = "".join(texts)
    start, end = min(start, len(whole)), min(start + length, len(whole))
    inside = "".join(token.text for token in tokens_within(tokens, start, end))
    assert whole[start:end] in inside
    if start == end:
        assert inside == "" or any(len(text) > 1 for text in texts)


@given(st.dictionaries(st.sampled_from(["A", " B", "C)", "The", "D"]), st.floats(1e-4, 0.25), min_size=1))
def test_letters_sum_to_one_and_unseen_mass_favours_none(seen: dict[str, float]) -> None:
    distribution = letter_distribution([(token, math.log(p)) for token, p in seen.items()], "ABCD")
    assert sum(distribution.values()) == pytest.approx(1)
    assert distribution["A"] - distribution["B"] == pytest.approx(seen.get("A", 0) - seen.get(" B", 0))



@given(st.lists(st.tuples(DISTRIBUTIONS, st.booleans()), min_size=1, max_size=8), st.integers(1, 6))
def test_a_span_of_told_and_bounded_tokens_holds_the_true_sum(positions: list[tuple[list[float], bool]], k: int) -> None:
    """Tokens whose entropy a tap told stand beside tokens of which only the likeliest alternatives are known."""
    told, carried, tokens = 0.0, 0.0, []
    for distribution, exact in positions:
        true = true_entropy(distribution)
        told += true
        steps = round((true + carried) / RES)
        carried += (true - steps * RES) if exact else 0.0
        alternatives = tuple((str(i), math.log(p)) for i, p in enumerate(distribution[:k]))
        tokens.append(Token("0", math.log(distribution[0]), alternatives, entropy=max(0, steps) * RES if exact else None))
    bounds = sequence_bounds(tokens, 60)
    assert bounds.lower - 1e-6 <= told <= bounds.upper + 1e-6
    mean = mean_bounds(tokens, 60)
    assert (mean.lower * len(tokens), mean.upper * len(tokens)) == pytest.approx((bounds.lower, bounds.upper))


def test_a_sum_far_above_one_tells_nothing() -> None:
    assert entropy_bounds([math.log(0.9)] * 5, 1000) == unknown(1000)
