"""The images of a case as a model is sent them: whole photographs first, then close-ups of what the localizer marked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.imaging import ImageFindings
from agent.ports import ImageStore
from agent.reasoners.budget import image_tokens
from agent.reasoners.profile import Profile
from agent.reasoners.prompting import data_url
from tools.crops import crop

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """One image as a data URL, its cost in tokens by the profile's rule, and for a close-up its caption."""

    url: str
    tokens: int
    caption: str = ""


async def whole(profile: Profile, images: ImageStore, found: Sequence[ImageFindings], limit: int | None = None) -> list[Picture]:
    """As many photographs as the profile, and the server's own limit, allow. Raises `ImageError` for one that is not stored."""
    return [await asyncio.to_thread(_photograph, profile, images, each) for each in found[: _places(profile, limit)]]


async def closeups(profile: Profile, images: ImageStore, found: Sequence[ImageFindings], limit: int | None = None) -> list[Picture]:
    """Close-ups for the places that the photographs leave free, the photographs' most important regions in turn."""
    shown = found[: _places(profile, limit)]
    places = _places(profile, limit) - len(shown)
    if places < 1:
        return []
    of_each = [await asyncio.to_thread(_crops, profile, images, each, places) for each in shown]
    ranked = [crops[rank] for rank in range(places) for crops in of_each if rank < len(crops)]
    return ranked[:places]


def said(sent: int, found: Sequence[ImageFindings], crops: int) -> str:
    """In words how many images were sent."""
    words = f"{sent} image{'' if sent == 1 else 's'}"
    if crops:
        words += f" and {crops} close-up{'' if crops == 1 else 's'}"
    left_out = len(found) - sent
    return words + (f" ({left_out} beyond the limit not sent)" if left_out > 0 else "")


def _places(profile: Profile, limit: int | None) -> int:
    return profile.max_images if limit is None else min(profile.max_images, limit)


def _photograph(profile: Profile, images: ImageStore, found: ImageFindings) -> Picture:
    pixels = images.pixels(found.image.sha256)
    return Picture(*_encoded(profile, pixels))


def _crops(profile: Profile, images: ImageStore, found: ImageFindings, most: int) -> list[Picture]:
    cut = crop(images.pixels(found.image.sha256), found, most=most)
    return [Picture(*_encoded(profile, pixels), f"{region.caption} of image {found.image.number}") for region, pixels in cut]


def _encoded(profile: Profile, pixels: Image) -> tuple[str, int]:
    scale = min(1.0, profile.max_image_side / max(pixels.size))
    width, height = (max(1, round(length * scale)) for length in pixels.size)
    return data_url(pixels, profile.max_image_side), image_tokens(profile.image_tokens, width, height)
