"""Diagnosed, referred to a human, or ungradable: the last word on a case, with its reasons. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from agent.domain import Outcome
from agent.settings import Abstention
from agent.state import CaseState
from agent.wording import percent
from tools.language import READ_LANGUAGES

DEFAULT_MAX_ENTROPY = {"atlas": 1.2}
"""Nats above which a reasoner's answer is not given as a diagnosis; other profiles rely on `min_probability` alone (ours)."""


def decide(state: CaseState, limits: Abstention) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome and every reason for not diagnosing; the reasons are empty for a diagnosis."""
    images = state["image_findings"]
    assessment = state.get("assessment")
    known = [f for f in state["findings"] if f.presence != "absent" and f.source != "localizer"]
    image_reasons = tuple(_image_reasons(state))
    if (
        not known
        and not state["case"].options
        and images
        and all(i.modality == "other" or i.gradability.status == "ungradable" for i in images)
    ):
        return "ungradable", image_reasons
    language = state["case"].language
    reasons = [f"the narrative was not read: it seems to be in language {language!r}"] if language not in READ_LANGUAGES else []
    if assessment is None or not assessment.differential:
        reasons += image_reasons
        if assessment is None:
            reasons.append("nothing that bears on a diagnosis could be read or seen: add symptoms, signs or a gradable photograph")
        else:
            reasons.append(f"the reasoner named no diagnosis{f': {assessment.parse_problem}' if assessment.parse_problem else ''}")
        return "refer_to_human", tuple(reasons)
    if not known and not images:
        reasons.append("no finding was read from the narrative: what is given rests on prior probabilities alone")
    reasons += _doubts(state, limits)
    return ("refer_to_human", (*reasons, *image_reasons)) if reasons else ("diagnosed", ())


def _doubts(state: CaseState, limits: Abstention) -> list[str]:
    assessment, u = state["assessment"], state["uncertainty"]
    first = assessment.differential[0]
    doubts = []
    if assessment.parse_problem:
        doubts.append(f"the model's answer could not be taken as it stands: {assessment.parse_problem}")
    if first.probability < limits.min_probability:
        doubts.append(
            f"the most likely diagnosis, {first.name}, has probability {percent(first.probability)}, below {percent(limits.min_probability)}"
        )
    if assessment.answer is not None and len(set(assessment.answer.probabilities.values())) == 1:
        doubts.append("nothing that is known tells the answer options apart")
    ceiling = _ceiling(state, limits)
    if ceiling is not None and u.entropy > ceiling:
        doubts.append(f"uncertainty {u.entropy:.2f} nats stays above {ceiling:.2f} after {u.rounds} of {u.depth} rounds of deliberation")
    if u.rounds and u.uncertain and doubts:
        doubts.append(f"thinking deeper did not settle it (threshold {u.threshold:.2f} nats)")
    return doubts


def _ceiling(state: CaseState, limits: Abstention) -> float | None:
    profile = state["reasoner"].profile
    return limits.max_entropy.get(profile, DEFAULT_MAX_ENTROPY.get(profile))


def _image_reasons(state: CaseState) -> Iterator[str]:
    for image in state["image_findings"]:
        number = image.image.number
        if image.modality == "other":
            yield f"image {number} shows no retina: {image.note}"
        elif image.modality != "cfp" and not state["reasoner"].reads_images:
            yield f"image {number} was not read: {image.note}"
        elif image.gradability.status == "ungradable":
            yield f"image {number} is ungradable: {', '.join(image.gradability.reasons)}"
