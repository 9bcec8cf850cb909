"""Which threshold a measurement is held against: each reasoner profile has one for every scale it measures on."""

from __future__ import annotations

import asyncio
import math

from agent.deps import Deps
from agent.ports import LETTERS, SEMANTIC, UNMEASURED, Measurement


async def threshold_for(deps: Deps, measurement: Measurement, conflict: float, options: int) -> float:
    """The threshold in nats, from the cases before this one; its entropy plus `conflict`, the disagreement with the localizer, then joins
    the moving average unless it could not be measured or rests on damaged values. `options` is the number of answer options."""
    dial, profile, initial = deps.settings.dial, deps.reasoner.identity.profile, deps.initial_threshold
    if measurement.method == LETTERS:
        profile, initial = f"{profile}, letters", dial.letters_share * math.log(options)
    elif measurement.method == SEMANTIC:
        profile, initial = f"{profile}, samples", dial.semantic_threshold
    told = measurement.entropy + conflict if measurement.sound and measurement.method != UNMEASURED else None
    return await asyncio.to_thread(deps.thresholds.observe, profile, told, initial)
