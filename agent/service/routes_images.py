"""/api/images: hand images in, look at them, look at them with their lesions numbered."""

from __future__ import annotations

import asyncio
import io
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Request, Response

from agent.imaging import ImageFindings
from agent.service.access import Caller, Changing, Reading
from agent.service.cases import NO_SUCH_CASE, Cases
from agent.service.house import House
from agent.service.problems import NotFound, responses
from agent.service.schemas import Uploaded
from agent.service.uploads import BODY, image_bytes

router = APIRouter(prefix="/api/images", tags=["images"], responses=responses(401, 403, 422, 429))
Name = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="the sha256 of the image as it was handed in")]
SHOWN_AS_THEY_ARE = ("image/jpeg", "image/png")
"""What every browser shows; the rest is shown as PNG."""


def _picture(description: str) -> dict[int | str, dict[str, object]]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": description, "content": {"image/png": binary, "image/jpeg": binary}}}


@router.post("", status_code=201, openapi_extra=BODY, responses=responses(400, 408, 413, 500, 503))
async def put_image(request: Request, caller: Changing) -> Uploaded:
    """Hand in one image: JPEG, PNG, TIFF or DICOM, as the body itself or as one file of a form. What it is, its bytes decide."""
    house = cast(House, request.app.state.house)
    house.gate.may_upload(caller)
    data = await image_bytes(request, house.settings.intake.max_image_bytes)
    return Uploaded.of(await house.keep_image(caller, data), len(data))


@router.get("/{sha256}", response_class=Response, responses={**_picture("The image, upright."), **responses(404)})
async def get_image(
    request: Request, caller: Reading, sha256: Name, case_id: Annotated[str | None, Query(description="a case that uses it")] = None
) -> Response:
    """An image the caller handed in, or one of a case the caller may see."""
    house = cast(House, request.app.state.house)
    await _may_see(request, caller, sha256, case_id)
    ref = await asyncio.to_thread(house.deps.images.reference, sha256)
    await house.gate.note(caller, "image.view", sha256)
    if ref.media_type in SHOWN_AS_THEY_ARE:
        return Response(await asyncio.to_thread(house.deps.images.data, sha256), media_type=ref.media_type)
    return Response(await asyncio.to_thread(_png, house, sha256, None), media_type="image/png")


@router.get("/{sha256}/overlay", response_class=Response, responses={**_picture("The image with its lesions numbered."), **responses(404, 500)})
async def get_overlay(
    request: Request, caller: Reading, sha256: Name, case_id: Annotated[str | None, Query(description="a case that uses it")] = None
) -> Response:
    """An image with what the localizer found on it. With `case_id`, as it stands in that case's last report; else looked at anew."""
    house = cast(House, request.app.state.house)
    await _may_see(request, caller, sha256, case_id)
    findings = await _findings(request, case_id, sha256)
    async with house.decoding:
        drawn = await asyncio.to_thread(_png, house, sha256, findings or await asyncio.to_thread(_looked, house, sha256))
    await house.gate.note(caller, "image.view", sha256)
    return Response(drawn, media_type="image/png")


async def _may_see(request: Request, caller: Caller, sha256: str, case_id: str | None) -> None:
    """Raises `NotFound` for an image that is not there, and just so for one of another owner."""
    house, cases = cast(House, request.app.state.house), cast(Cases, request.app.state.cases)
    if case_id is not None:
        await cases.row(caller, case_id)
        if sha256 in await asyncio.to_thread(house.register.images, case_id):
            return
        raise NotFound(NO_SUCH_CASE if not caller.sees_all else "this case has no such image")
    held = house.register.held(sha256) if caller.sees_all else await asyncio.to_thread(house.register.holds, caller.owner, sha256)
    if not held:
        raise NotFound("there is no such image")


async def _findings(request: Request, case_id: str | None, sha256: str) -> ImageFindings | None:
    report = await cast(Cases, request.app.state.cases).report(case_id) if case_id is not None else None
    return next((seen for seen in report.images if seen.image.sha256 == sha256), None) if report is not None else None


def _looked(house: House, sha256: str) -> ImageFindings:
    images = house.deps.images
    return house.deps.localizer.localize(images.reference(sha256), images.pixels(sha256))


def _png(house: House, sha256: str, findings: ImageFindings | None) -> bytes:
    from tools.overlay import draw

    pixels = house.deps.images.pixels(sha256)
    out = io.BytesIO()
    (pixels if findings is None else draw(pixels, findings)).save(out, "PNG", compress_level=1)
    return out.getvalue()
