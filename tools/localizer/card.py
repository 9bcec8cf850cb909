"""The card beside the weights: what they are, what they read, and the numbers that turn their raw scores into decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import LocalizerError
from agent.imaging import LesionLabel

OPTIC_DISC = "optic_disc"
FOVEA = "fovea"
NO_VISIBLE_LESION = "no_visible_lesion"
"""Key of `ImageFindings.image_level`: the chance that the photograph holds none of the lesions the detector knows."""
LESIONS: dict[str, LesionLabel] = {label: label for label in get_args(LesionLabel)} | {"hard_exudates": "hard_exudate"}
"""The detector's class names -> Fovea's lesion labels."""
Probability = Annotated[float, Field(ge=0, le=1)]
FLOOR = 0.001
"""A raw score nobody looks at: what a photograph without a box of a class is given."""
BEST_SHARE, REST = 0.6, 5
"""The strength of a class on a photograph is this share of its best logit, and for the rest the mean of its best five."""


def logit(raw: float) -> float:
    clipped = min(1 - 1e-6, max(1e-6, raw))
    return math.log(clipped / (1 - clipped))


def strength(raws: Sequence[float]) -> float:
    """How strongly a class shows on a photograph, from the raw scores of its boxes: one sure box counts, and several count more.

    >>> strength([0.5]) > strength([]), strength([0.5, 0.4, 0.4]) > strength([0.5])
    (True, True)
    """
    best = sorted((max(raw, FLOOR) for raw in raws), reverse=True)[:REST]
    logits = [logit(raw) for raw in (*best, *[FLOOR] * (REST - len(best)))]
    return BEST_SHARE * logits[0] + (1 - BEST_SHARE) * sum(logits) / REST


class Signal(BaseModel):
    """The chance of something on the photograph as a whole: 1 / (1 + exp(-(offset + sum of weight * strength of a class)))."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float]
    offset: float

    def chance(self, strengths: Mapping[str, float]) -> float:
        """The chance, to six places: coarser ones would tie photographs that differ.

        >>> Signal(weights={"drusen": 2.0}, offset=1.0).chance({"drusen": -0.5})
        0.5
        """
        total = self.offset + sum(weight * strengths[name] for name, weight in self.weights.items())
        return round(1 / (1 + math.exp(-max(-30.0, min(30.0, total)))), 6)


class ClassCard(BaseModel):
    """One class: its logistic fit (probability = 1 / (1 + exp(-(slope * logit(raw) + offset)))), and the probability it is shown from.

    A class that is not `enabled` is never shown. `learnt_from`: labels on real photographs, drawn ones, or both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    slope: Annotated[float, Field(gt=0)]
    offset: float
    threshold: Probability
    enabled: bool = True
    learnt_from: Literal["real", "drawn", "both"] = "real"

    def probability(self, raw: float) -> float:
        """The fitted probability of a raw score.

        >>> ClassCard(name="haemorrhage", slope=1, offset=0, threshold=0.5).probability(0.25)
        0.25
        """
        return round(1 / (1 + math.exp(-max(-30.0, min(30.0, self.slope * logit(raw) + self.offset)))), 6)

    @property
    def raw_threshold(self) -> float:
        """The raw score whose fitted probability is the threshold.

        >>> round(ClassCard(name="haemorrhage", slope=2, offset=1, threshold=0.5).raw_threshold, 4)
        0.3775
        """
        return 1 / (1 + math.exp(-(logit(self.threshold) - self.offset) / self.slope))


class Card(BaseModel):
    """`sha256` is that of the weights; `measured` is for readers and evaluations, nothing is decided by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    image_size: Annotated[int, Field(ge=32, multiple_of=32, description="side of the square the detector reads, pixels")]
    overlap: Probability = Field(description="IoU above which the weaker of two boxes of one class is dropped")
    max_boxes: Annotated[int, Field(ge=1, description="boxes per class and photograph")]
    classes: Annotated[tuple[ClassCard, ...], Field(min_length=1)]
    signals: dict[str, Signal] = Field(default={}, description="lesion label or no_visible_lesion -> its fit over the photograph")
    measured: dict[str, Any] = {}

    def image_level(self, raws: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """The fitted chances on a photograph whose boxes have these raw scores, class by class; a class without boxes may be missing.

        An enabled lesion class without a fit of its own gives the probability of its best box.
        """
        strengths = {one.name: strength(raws.get(one.name, ())) for one in self.classes}
        plain = {
            LESIONS[one.name]: one.probability(max(raws[one.name])) if raws.get(one.name) else 0.0
            for one in self.classes
            if one.enabled and one.name in LESIONS and LESIONS[one.name] not in self.signals
        }
        table = {label: signal.chance(strengths) for label, signal in self.signals.items()} | plain
        if NO_VISIBLE_LESION in table:  # it excludes each of the others
            others = [chance for label, chance in table.items() if label != NO_VISIBLE_LESION]
            table[NO_VISIBLE_LESION] = round(min(table[NO_VISIBLE_LESION], 1 - max(others, default=0.0)), 6)
        return table


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
    unknown = [name for name in names if name not in (OPTIC_DISC, FOVEA) and name not in LESIONS]
    if unknown or OPTIC_DISC not in names or len(set(names)) != len(names):
        raise LocalizerError(
            f"{path}: classes {names!r}; expected {OPTIC_DISC!r}, perhaps {FOVEA!r}, and lesions out of {sorted(LESIONS)!r}, each once"
        )
    strange = sorted({name for signal in card.signals.values() for name in signal.weights} - set(names))
    if strange:
        raise LocalizerError(f"{path}: the image level is fitted to {strange!r}, which are no classes of the card")
    return card
