"""The three tools themselves. Text and images handed in are data: nothing in them is followed."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Sequence

from agent.deps import Deps
from agent.domain import CaseRequest
from agent.errors import ImageError, InputError
from agent.imaging import ImageFindings, ImageInput, ImageRef
from agent.toolbox.values import Consultation, Option, Passage, passage, told
from agent.walk import consult

DATA_URL = re.compile(r"data:[\w/.+-]*(?:;[\w=.+-]+)*;base64,(?P<data>.*)", re.IGNORECASE | re.DOTALL)
"""Whatever type it claims: an image is judged by its bytes."""
MOST_PASSAGES = 20


class Toolbox:
    """Tools over one set of ports. `local_files`: whether an image may be named by a path on this machine, which only a caller who could
    read the file anyway should be allowed. All methods raise `InputError` for what cannot be used, and what the stages raise."""

    def __init__(self, deps: Deps, *, local_files: bool) -> None:
        self._deps, self._local_files = deps, local_files

    async def consult(self, narrative: str, images: Sequence[str] = (), options: Sequence[Option] = ()) -> Consultation:
        """Walks a case from narrative and photographs to a cited diagnosis, or to a referral with reasons."""
        stored = [await asyncio.to_thread(self._kept, image, number) for number, image in enumerate(images, start=1)]
        request = CaseRequest(
            narrative=narrative,
            images=tuple(ImageInput(sha256=reference.sha256) for reference in stored),
            options=tuple(option.option() for option in options),
        )
        return told(await consult(request, self._deps))

    async def localize_lesions(self, image: str) -> ImageFindings:
        """Optic disc, fovea and lesions on one photograph, with boxes, scores and distances, and whether it can be judged."""
        reference = await asyncio.to_thread(self._kept, image, 1)
        pixels = await asyncio.to_thread(self._deps.images.pixels, reference.sha256)
        return await asyncio.to_thread(self._deps.localizer.localize, reference, pixels)

    async def search_guidelines(self, question: str, passages: int = 5) -> tuple[Passage, ...]:
        """Guideline statements for a question in words, best first, each with its source."""
        if not question.strip():
            raise InputError("the question is empty")
        wanted = min(max(1, passages), MOST_PASSAGES)
        return tuple(passage(found) for found in await asyncio.to_thread(self._deps.retriever.search, question, wanted))

    def _kept(self, image: str, number: int) -> ImageRef:
        """An image kept by the store, from a data URL or, where that is allowed, a path."""
        from tools.images import read_image_file

        limits = self._deps.settings.intake
        match = DATA_URL.fullmatch(image.strip())
        if match is not None:
            if len(match["data"]) * 3 // 4 > limits.max_image_bytes:
                raise ImageError(f"image {number} is larger than {limits.max_image_bytes} bytes (intake.max_image_bytes)")
            try:
                data = base64.b64decode(match["data"], validate=True)
            except (binascii.Error, ValueError) as error:
                raise ImageError(f"image {number}: its data URL is not base64") from error
        elif re.match(r"[a-z][a-z0-9+.-]+:", image, re.IGNORECASE):
            raise ImageError(f"image {number} is an address: Fovea fetches nothing, give the image itself as a base64 data URL")
        elif self._local_files:
            data = read_image_file(image, limits)
        else:
            raise ImageError(f"image {number} is no base64 data URL")
        return self._deps.images.put(data, number)
