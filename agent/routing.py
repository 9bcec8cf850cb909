"""Where a case goes next: pure functions of the state. Each returns a name from its Literal, and the reason in words."""

from __future__ import annotations

from typing import Generic, Literal, NamedTuple, TypeVar

from agent.state import CaseState

MIN_PROGRESS = 0.01
"""Nats by which a round must lower the uncertainty to be followed by another."""


Name = TypeVar("Name", bound=str)


class Route(NamedTuple, Generic[Name]):
    next: Name
    reason: str


def after_screen(state: CaseState) -> Route[Literal["assess", "compose"]]:
    """A case from which nothing was read and nothing was seen is not put to the reasoner: no diagnosis is made from nothing."""
    findings, images = state.get("findings", ()), state.get("image_findings", ())
    known = [f for f in findings if f.presence != "absent" and f.source != "measurement"]
    visible = [i for i in images if i.modality != "other" and i.gradability.status != "ungradable"]
    if known or state["case"].options or (visible and state["reasoner"].reads_images):
        return Route("assess", f"{len(known)} findings and {len(visible)} readable images to reason on")
    return Route("compose", "no finding was read from the narrative and none was seen on an image: there is nothing to reason on")


def after_retrieve(state: CaseState) -> Route[Literal["deliberate", "compose"]]:
    """The dial: with rounds left and doubt above the threshold the case is thought over, otherwise it is written up."""
    u = state["uncertainty"]
    held = f"H {u.entropy:.2f} nats against threshold {u.threshold:.2f}, omega {u.omega:+.2f}"
    if u.rounds < u.depth and u.uncertain:
        return Route("deliberate", f"deep path: {held}, round {u.rounds + 1} of {u.depth}")
    if u.rounds == 0:
        return Route("compose", f"fast path: {held}")
    return Route("compose", f"deliberated {u.rounds} of {u.depth} rounds: {held}")


def after_deliberate(state: CaseState) -> Route[Literal["retrieve", "compose"]]:
    """Back to the evidence while thinking helps; on to compose when certain, when the depth is spent, or when it no longer helps."""
    u, progress = state["uncertainty"], state["progress"]
    if not u.uncertain:
        return Route("compose", f"certain enough: H {u.entropy:.2f} is not above threshold {u.threshold:.2f}")
    if u.rounds >= u.depth:
        return Route("compose", f"depth spent, {u.rounds} of {u.depth} rounds: H {u.entropy:.2f} is still above {u.threshold:.2f}")
    if progress.same_method and progress.before - progress.after < MIN_PROGRESS:
        return Route("compose", f"the round did not lower the uncertainty: H {progress.before:.2f} to {progress.after:.2f}")
    return Route("retrieve", f"still unsure (H {u.entropy:.2f} above {u.threshold:.2f}), round {u.rounds + 1} of {u.depth} follows")
