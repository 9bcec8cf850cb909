"""localize: positions first. What the detector sees on each image, or why an image was passed over.

What an earlier walk of the case saw on an image is taken as it was: the same pixels give the same findings.
"""

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
    known = {found.image.sha256: found for found in state["earlier"].images} if "earlier" in state else {}
    again = [image.number for image in images if image.sha256 in known]
    seen = tuple([_renumbered(known[i.sha256], i) if i.sha256 in known else await asyncio.to_thread(_localized, deps, i) for i in images])
    notes = ((_reused(again, len(images)),) if again else ()) + tuple(f"image {f.image.number}: {f.note}" for f in seen if f.note)
    return {"image_findings": seen, "findings": findings_from(seen), "notes": notes}


def _renumbered(found: ImageFindings, image: ImageRef) -> ImageFindings:
    return found.model_copy(update={"image": image})


def _reused(numbers: list[int], total: int) -> str:
    """
    >>> _reused([1, 2], 3)
    'image 1, 2: findings re-used from an earlier walk of this case; 1 localized now'
    """
    return f"image {', '.join(map(str, numbers))}: findings re-used from an earlier walk of this case; {total - len(numbers)} localized now"


def _localized(deps: Deps, image: ImageRef) -> ImageFindings:
    return deps.localizer.localize(image, deps.images.pixels(image.sha256))
