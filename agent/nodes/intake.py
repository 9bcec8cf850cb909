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
    narrative = cleaned(request.narrative, limits)
    choices = checked(request.options)
    if len(request.images) > limits.max_images:
        raise ImageError(f"{len(request.images)} images given; at most {limits.max_images} (intake.max_images)")
    if not narrative and not request.images:
        raise InputError("the case is empty: give a narrative, an image, or both")
    known = {found.image.sha256: found.image for found in state["earlier"].images} if "earlier" in state else {}
    images = tuple(
        [
            known[i.sha256].model_copy(update={"number": n}) if i.sha256 in known else await asyncio.to_thread(stored, deps, i, n)
            for n, i in enumerate(request.images, start=1)
        ]
    )
    case = Case(
        case_id=request.case_id or _case_id(narrative, images, choices), narrative=narrative, language=detect(narrative), options=choices
    )
    return {"schema_version": SCHEMA_VERSION, "case": case, "images": images, "reasoner": deps.reasoner.identity}


def cleaned(given: str, limits: Intake) -> str:
    """A narrative, cleaned. Raises `NarrativeError`."""
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise NarrativeError(f"the narrative is not Unicode text (character {error.start}): convert it to UTF-8 first") from error
    kept = given.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(kept) > limits.max_narrative_characters:
        raise NarrativeError(
            f"the narrative has {len(kept)} characters; at most {limits.max_narrative_characters} "
            "(intake.max_narrative_characters): shorten it to what concerns the eyes"
        )
    return kept


def checked(given: tuple[AnswerOption, ...]) -> tuple[AnswerOption, ...]:
    """Answer options that make a question. Raises `OptionError`."""
    if len(given) == 1:
        raise OptionError(f"one answer option ({given[0].key}) is no question: give at least two, or none")
    for option in given:
        if any("\ud800" <= letter <= "\udfff" for letter in option.text):
            raise OptionError(f"answer option {option.key} is not Unicode text: convert it to UTF-8 first")
    keys = [option.key for option in given]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise OptionError(f"answer option {twice[0]} is given twice")
    return given


def stored(deps: Deps, image: ImageInput, number: int) -> ImageRef:
    """The reference of an image that the store now holds. Blocking. Raises `ImageError` naming it."""
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
