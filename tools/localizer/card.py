"""The card beside the weights: what they are, what they read, and the numbers that turn their raw scores into decisions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.domain import LesionLabel
from agent.errors import LocalizerError

OPTIC_DISC = "optic_disc"
LESIONS: dict[str, LesionLabel] = {label: label for label in get_args(LesionLabel)} | {"hard_exudates": "hard_exudate"}
"""The detector's class names -> Fovea's lesion labels."""
Probability = Annotated[float, Field(ge=0, le=1)]


class ClassCard(BaseModel):
    """One class: its logistic fit (probability = 1 / (1 + exp(-(slope * logit(raw) + offset)))), and the probability it is shown from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    slope: Annotated[float, Field(gt=0)]
    offset: float
    threshold: Probability

    def probability(self, raw: float) -> float:
        """The fitted probability of a raw score.

        >>> ClassCard(name="haemorrhage", slope=1, offset=0, threshold=0.5).probability(0.25)
        0.25
        """
        clipped = min(1 - 1e-6, max(1e-6, raw))
        logit = self.slope * math.log(clipped / (1 - clipped)) + self.offset
        return round(1 / (1 + math.exp(-max(-30.0, min(30.0, logit)))), 4)

    @property
    def raw_threshold(self) -> float:
        """The raw score whose fitted probability is the threshold.

        >>> round(ClassCard(name="haemorrhage", slope=2, offset=1, threshold=0.5).raw_threshold, 4)
        0.3775
        """
        clipped = min(1 - 1e-6, max(1e-6, self.threshold))
        return 1 / (1 + math.exp(-(math.log(clipped / (1 - clipped)) - self.offset) / self.slope))


class Card(BaseModel):
    """`sha256` is that of the weights; `measured` is for readers and evaluations, nothing is decided by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    image_size: Annotated[int, Field(ge=32, multiple_of=32, description="side of the square the detector reads, pixels")]
    overlap: Probability = Field(description="IoU above which the weaker of two boxes of one class is dropped")
    max_boxes: Annotated[int, Field(ge=1, description="boxes per class and photograph")]
    classes: Annotated[tuple[ClassCard, ...], Field(min_length=1)]
    measured: dict[str, Any] = {}


def load_card(path: Path) -> Card:
    """Reads a card; raises LocalizerError when it is missing, malformed, or names classes Fovea does not know."""
    try:
        card = Card.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LocalizerError(f"{path}: the card of the detector cannot be read ({error.strerror}); it lies beside the weights") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LocalizerError(f"{path}: not a detector card: {where or 'file'}: {first['msg']}") from error
    names = [one.name for one in card.classes]
    unknown = [name for name in names if name != OPTIC_DISC and name not in LESIONS]
    if unknown or OPTIC_DISC not in names or len(set(names)) != len(names):
        raise LocalizerError(f"{path}: classes {names!r}; expected {OPTIC_DISC!r} and lesions out of {sorted(LESIONS)!r}, each once")
    return card
