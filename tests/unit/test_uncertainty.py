from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import uncertainty
from agent.domain import URGENCIES, strictest
from agent.ports import Measurement
from agent.settings import Dial
from agent.thresholds import ThresholdStore

weights = st.lists(st.floats(0.001, 1), min_size=2, max_size=30)


@given(weights)
def test_entropy_lies_between_zero_and_the_uniform(values: list[float]) -> None:
    shares = [v / sum(values) for v in values]
    assert 0 <= uncertainty.entropy(shares) <= math.log(len(shares)) + 1e-9


@given(weights, st.randoms())
def test_entropy_does_not_mind_the_order(values: list[float], rng: object) -> None:
    shares = [v / sum(values) for v in values]
    shuffled = sorted(shares, key=lambda _: rng.random())  # type: ignore[attr-defined]
    assert uncertainty.entropy(shares) == pytest.approx(uncertainty.entropy(shuffled))


@pytest.mark.parametrize("bad", [[-0.1, 1.1], [0.7, 0.7], [float("nan")]])
def test_entropy_refuses_what_is_no_distribution(bad: list[float]) -> None:
    with pytest.raises(ValueError):
        uncertainty.entropy(bad)


def test_every_part_of_the_effort_grows_with_omega() -> None:
    efforts = [uncertainty.effort(omega, 1, Dial()) for omega in (0.1, 0.5, 0.9)]
    for part in ("samples", "passages", "tokens"):
        sizes = [getattr(effort, part) for effort in efforts]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[-1]


def test_disagreement_counts_as_uncertainty() -> None:
    measured = Measurement(entropy=1.0, lower=1.0, upper=1.0, method="m")
    calm, doubting = (uncertainty.report(measured, d, 1.2, Dial()) for d in (0.0, 0.69))
    assert not calm.uncertain
    assert doubting.uncertain
    assert doubting.depth > calm.depth == 0


def test_remeasuring_keeps_threshold_and_dial() -> None:
    first = uncertainty.report(Measurement(entropy=2.0, lower=2.0, upper=2.0, method="a"), 0.0, 1.0, Dial())
    second = uncertainty.remeasured(first, Measurement(entropy=0.5, lower=0.4, upper=0.6, method="b"), 0.0, first.threshold)
    assert (second.threshold, second.omega, second.depth, second.initial_entropy) == (1.0, first.omega, first.depth, 2.0)
    assert (second.entropy, second.rounds, second.method) == (0.5, 1, "b")


class TestThreshold:
    def test_starts_at_the_initial_value_until_warm(self) -> None:
        store = ThresholdStore(Dial(warm_up=3, momentum=0.5))
        assert [store.observe("p", 3.0, 1.0) for _ in range(3)] == [1.0, 1.0, 1.0]

    def test_follows_the_cases_within_its_bounds(self) -> None:
        store = ThresholdStore(Dial(warm_up=0, momentum=0.5, floor=0.5, ceiling=1.5))
        seen = [store.observe("p", 9.0, 1.0) for _ in range(6)]
        assert seen[0] == 1.0
        assert seen[-1] == 1.5
        low = [store.observe("q", 0.0, 1.0) for _ in range(9)]
        assert low[-1] == 0.5

    def test_profiles_do_not_mix(self) -> None:
        store = ThresholdStore(Dial(warm_up=0, momentum=0.5))
        store.observe("a", 1.4, 1.0)
        assert store.observe("b", 1.0, 1.0) == 1.0
        assert store.observe("a", 1.0, 1.0) == pytest.approx(1.2)

    def test_survives_the_process(self, tmp_path) -> None:
        path = tmp_path / "t.sqlite"
        first = ThresholdStore(Dial(warm_up=0, momentum=0.5), path)
        first.observe("p", 1.4, 1.0)
        first.close()
        assert ThresholdStore(Dial(warm_up=0, momentum=0.5), path).observe("p", 1.0, 1.0) == pytest.approx(1.2)

    def test_fixed_when_not_adaptive(self) -> None:
        store = ThresholdStore(Dial(adaptive=False))
        assert [store.observe("p", 9.0, 1.0) for _ in range(50)][-1] == 1.0


@given(st.lists(st.sampled_from(URGENCIES)))
def test_the_strictest_urgency_is_never_below_any(urgencies: list[str]) -> None:
    result = strictest(*urgencies)  # type: ignore[arg-type]
    assert all(URGENCIES.index(result) >= URGENCIES.index(u) for u in urgencies)  # type: ignore[arg-type]
