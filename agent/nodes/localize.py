"""localize: positions first. What the detector sees on each image, or why an image was passed over."""

from __future__ import annotations

import asyncio

from agent.deps import Deps
from agent.imaging import ImageFindings, ImageRef
from agent.state import CaseState, Update
from tools.localizer.findings import findings_from


async def localize(state: CaseState, deps: Deps) -> Update:
    """Writes `image_findings` and the findings they amount to."""
    images = state["images"]
    if not images:
        return {"image_findings": (), "findings": (), "notes": ("no image was given: nothing to localize",)}
    seen = tuple([await asyncio.to_thread(_localized, deps, image) for image in images])
    notes = tuple(f"image {f.image.number}: {f.note}" for f in seen if f.note)
    return {"image_findings": seen, "findings": findings_from(seen), "notes": notes}


def _localized(deps: Deps, image: ImageRef) -> ImageFindings:
    return deps.localizer.localize(image, deps.images.pixels(image.sha256))
