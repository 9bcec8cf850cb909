"""What Prometheus may know: counts and seconds, nothing of a case. One registry per application, so that two in a process do not mix."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from agent.domain import Usage

STAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
TURN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.turns = Counter(
            "fovea_turns", "Turns that ended, by kind (walk, answer, noted) and outcome.", ["kind", "outcome"], registry=self.registry
        )
        self.stage_seconds = Histogram(
            "fovea_stage_seconds", "Seconds a stage took.", ["stage"], buckets=STAGE_SECONDS, registry=self.registry
        )
        self.turn_seconds = Histogram(
            "fovea_turn_seconds", "Seconds a turn took, waiting left out.", buckets=TURN_SECONDS, registry=self.registry
        )
        self.running = Gauge("fovea_turns_running", "Turns being walked.", registry=self.registry)
        self.waiting = Gauge("fovea_turns_waiting", "Turns waiting for their place.", registry=self.registry)
        self.refused = Counter("fovea_refused", "Requests refused, by reason.", ["reason"], registry=self.registry)
        self.tokens = Counter("fovea_tokens", "Tokens of generating models, by kind.", ["kind"], registry=self.registry)

    def used(self, usage: Usage) -> None:
        self.tokens.labels("prompt").inc(usage.prompt_tokens)
        self.tokens.labels("completion").inc(usage.completion_tokens)

    def text(self) -> bytes:
        return generate_latest(self.registry)
