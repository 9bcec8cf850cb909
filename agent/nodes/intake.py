"""intake: validates the request, decodes the images and keeps their bytes by hash. Nothing unreadable gets past here."""

from __future__ import annotations

import asyncio
import hashlib

from agent.deps import Deps
from agent.domain import AnswerOption, Case, CaseRequest
from agent.errors import ImageError, InputError, NarrativeError, OptionError
from agent.imaging import ImageInput, ImageRef
from agent.settings import Intake
from agent.state import SCHEMA_VERSION, CaseState, Update
from tools.language import detect


async def intake(state: CaseState, deps: Deps) -> Update:
    """Writes `case`, `images` and who will reason. Raises `InputError` with one line that says what to do."""
    if "case" in state:
        raise InputError("this thread already holds a case: start a new thread, so that no patient's findings reach another's report")
    request = CaseRequest.model_validate(state["request"])
    limits = deps.settings.intake
    narrative = _narrative(request.narrative, limits)
    options = _options(request.options)
    if len(request.images) > limits.max_images:
        raise ImageError(f"{len(request.images)} images given; at most {limits.max_images} (intake.max_images)")
    if not narrative and not request.images:
        raise InputError("the case is empty: give a narrative, an image, or both")
    images = tuple([await asyncio.to_thread(_stored, deps, i, n) for n, i in enumerate(request.images, start=1)])
    case = Case(
        case_id=request.case_id or _case_id(narrative, images, options), narrative=narrative, language=detect(narrative), options=options
    )
    return {"schema_version": SCHEMA_VERSION, "case": case, "images": images, "reasoner": deps.reasoner.identity}


def _narrative(text: str, limits: Intake) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NarrativeError(f"the narrative is not Unicode text (character {error.start}): convert it to UTF-8 first") from error
    cleaned = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(cleaned) > limits.max_narrative_characters:
        raise NarrativeError(
            f"the narrative has {len(cleaned)} characters; at most {limits.max_narrative_characters} "
            "(intake.max_narrative_characters): shorten it to what concerns the eyes"
        )
    return cleaned


def _options(options: tuple[AnswerOption, ...]) -> tuple[AnswerOption, ...]:
    if len(options) == 1:
        raise OptionError(f"one answer option ({options[0].key}) is no question: give at least two, or none")
    for option in options:
        if any("\ud800" <= letter <= "\udfff" for letter in option.text):
            raise OptionError(f"answer option {option.key} is not Unicode text: convert it to UTF-8 first")
    keys = [option.key for option in options]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise OptionError(f"answer option {twice[0]} is given twice")
    return options


def _stored(deps: Deps, image: ImageInput, number: int) -> ImageRef:
    if image.sha256 is not None:
        try:
            return deps.images.reference(image.sha256, number)
        except ImageError as error:
            raise ImageError(f"image {number}: {error}") from error
    from tools.images import read_image_file

    assert image.path is not None
    try:
        return deps.images.put(read_image_file(image.path, deps.settings.intake), number)
    except ImageError as error:
        # The file is named once, whoever noticed: the reader by its path, the store by its number.
        reason = str(error).removeprefix(f"{image.path!r} ").removeprefix(f"image {number}: ")
        raise ImageError(f"image {number} ({image.path}): {reason}") from error


def _case_id(narrative: str, images: tuple[ImageRef, ...], options: tuple[AnswerOption, ...]) -> str:
    """The same case has the same id, whoever sends it."""
    parts = (narrative, *(i.sha256 for i in images), *(f"{o.key}={o.text}" for o in options))
    return f"case-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"
