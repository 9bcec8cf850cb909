"""The circuit breaker, on a clock of its own."""

from __future__ import annotations

import pytest

from agent.errors import ReasonerUnreachable
from agent.reasoners.circuit import Circuit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(3, 30.0, clock)


def broken(circuit: Circuit) -> Circuit:
    for number in range(3):
        circuit.enter()
        circuit.failed(f"503 number {number}")
    return circuit


def test_it_opens_after_failures_in_a_row_only(circuit: Circuit) -> None:
    for _ in range(5):
        circuit.failed("a")
        circuit.failed("b")
        circuit.succeeded()
    circuit.enter()
    assert not circuit.open


def test_open_it_refuses_at_once_and_says_why_and_how_long(circuit: Circuit, clock: Clock) -> None:
    broken(circuit)
    clock.now += 10
    assert circuit.open
    with pytest.raises(ReasonerUnreachable, match=r"3 requests in a row failed; tried again in 20 s\. The last one: 503 number 2"):
        circuit.enter()


def test_one_trial_after_the_pause_closes_it(circuit: Circuit, clock: Clock) -> None:
    broken(circuit)
    clock.now += 31
    circuit.enter()
    with pytest.raises(ReasonerUnreachable, match="being tried again now"):
        circuit.enter()
    circuit.succeeded()
    circuit.enter()
    assert not circuit.open


def test_a_failed_trial_opens_it_for_another_pause(circuit: Circuit, clock: Clock) -> None:
    broken(circuit)
    clock.now += 31
    circuit.enter()
    circuit.failed("still down")
    with pytest.raises(ReasonerUnreachable, match=r"tried again in 30 s.*still down"):
        circuit.enter()


def test_a_trial_given_up_by_the_caller_leaves_room_for_another(circuit: Circuit, clock: Clock) -> None:
    broken(circuit)
    clock.now += 31
    circuit.enter()
    circuit.abandoned()
    circuit.enter()
