"""What is checked of a turn before it is taken: what cannot be read is refused here, and the conversation stays as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from agent.conversation.state import narrative
from agent.conversation.values import TurnInput
from agent.deps import Deps
from agent.errors import ImageError, InputError, NarrativeError
from agent.imaging import ImageInput
from agent.nodes.intake import checked, cleaned, stored

ROOM = 400
"""Characters that an addition may grow by: its date, and a short answer put into words."""


async def admitted(turn: TurnInput, state: Mapping[str, Any], deps: Deps) -> TurnInput:
    """The turn as it is kept: its text cleaned, its images in the store and named by sha256. Raises `InputError`.

    `state` is what the conversation holds so far; the limits of a case are those of all its turns together.
    """
    limits = deps.settings.intake
    said = cleaned(turn.text, limits)
    checked(turn.options)
    if not (said or turn.images or turn.options or turn.unknown):
        raise InputError("the turn is empty: give a text, an image, or both")
    if not state and not (said or turn.images):
        raise InputError("the case is empty: give a narrative, an image, or both")
    told = len(narrative(tuple(state["statements"]))) + len(said) + ROOM if state else len(said)
    if told > limits.max_narrative_characters:
        raise NarrativeError(
            f"the case would have about {told} characters; at most {limits.max_narrative_characters} (intake.max_narrative_characters): "
            "shorten what is added"
        )
    if len(turn.images) > limits.max_images:
        raise ImageError(f"{len(turn.images)} images given; at most {limits.max_images} (intake.max_images)")
    kept = [await asyncio.to_thread(stored, deps, image, number) for number, image in enumerate(turn.images, start=1)]
    held = dict.fromkeys((*state.get("images", ()), *(ref.sha256 for ref in kept)))
    if len(held) > limits.max_images:
        raise ImageError(f"the case would have {len(held)} images; at most {limits.max_images} (intake.max_images): leave some out")
    images = tuple(ImageInput(sha256=sha256) for sha256 in dict.fromkeys(ref.sha256 for ref in kept))
    return turn.model_copy(update={"text": said, "images": images})
