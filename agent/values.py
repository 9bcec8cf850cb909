"""What every value of Fovea is built of: the frozen base, and the small vocabularies and ranges that all of them share.

Entropies are in nats.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Laterality = Literal["right", "left", "both", "unknown"]
Modality = Literal["cfp", "oct", "ffa", "other", "unknown"]
"""cfp: colour fundus photograph; oct: optical coherence tomography; ffa: fundus fluorescein angiography; other: no retina seen."""
Presence = Literal["present", "possible", "absent"]
Course = Literal["acute", "subacute", "chronic", "past", "unknown"]
"""acute: up to 14 days; subacute: up to 90; chronic: longer or lifelong; past: over long ago, in so many words."""
Probability = Annotated[float, Field(ge=0, le=1)]
Nats = Annotated[float, Field(ge=0)]


class Value(BaseModel):
    """Base of every domain value: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
