"""Images as values: what was handed in, what the localizer saw, never the bytes themselves.

Coordinates are fractions of the upright (EXIF-applied) image, origin at the upper left, unless a name says `_999`
(integers 0 to 999, FundusExpert's convention). Distances on the retina are in optic disc diameters (DD).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agent.values import Laterality, Modality, Probability, Value

LesionLabel = Literal["hard_exudate", "haemorrhage", "microaneurysm", "soft_exudate", "drusen", "neovascularisation"]
Quadrant = Literal["superior_temporal", "inferior_temporal", "superior_nasal", "inferior_nasal"]


class Box(Value):
    """An axis-aligned box, upper-left then lower-right corner, in fractions of the image."""

    x1: Probability
    y1: Probability
    x2: Probability
    y2: Probability

    @model_validator(mode="after")
    def _ordered(self) -> Box:
        if self.x1 > self.x2 or self.y1 > self.y2:
            raise ValueError(f"box corners are not ordered: {(self.x1, self.y1, self.x2, self.y2)!r}")
        return self

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def to_999(self) -> tuple[int, int, int, int]:
        """Integers 0 to 999 as grounded reports write them (FundusExpert).

        >>> Box(x1=0, y1=0.5, x2=1, y2=1).to_999()
        (0, 500, 999, 999)
        """
        x1, y1, x2, y2 = (min(999, round(v * 1000)) for v in (self.x1, self.y1, self.x2, self.y2))
        return x1, y1, x2, y2

    @classmethod
    def from_999(cls, corners: tuple[int, int, int, int]) -> Box:
        """The box such integers stand for; `to_999` gives them back. Raises ValueError for numbers outside 0 to 999.

        >>> Box.from_999((0, 500, 250, 999)).to_999()
        (0, 500, 250, 999)
        """
        if not all(0 <= value <= 999 for value in corners):
            raise ValueError(f"box {corners!r} is not in integers 0 to 999")
        return cls(x1=corners[0] / 1000, y1=corners[1] / 1000, x2=corners[2] / 1000, y2=corners[3] / 1000)


class ImageInput(Value):
    """An image as it was handed in: a local path, or the sha256 of one the image store already holds."""

    path: str | None = None
    sha256: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ImageInput:
        if (self.path is None) == (self.sha256 is None):
            raise ValueError("give exactly one of path and sha256")
        return self


class ImageRef(Value):
    """A validated, upright image in the image store. `number` counts from 1 in the order given."""

    number: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    media_type: str
    width: Annotated[int, Field(ge=1, description="pixels, after EXIF orientation")]
    height: Annotated[int, Field(ge=1, description="pixels, after EXIF orientation")]
    laterality: Laterality = "unknown"
    stated_modality: Modality = Field(default="unknown", description="what the file says it is (DICOM SOP class); pixels may say other")
    several_frames: bool = Field(default=False, description="the file holds more pictures than the one that is read")


class Gradability(Value):
    """Whether a photograph can be judged, and why not when it cannot."""

    status: Literal["gradable", "limited", "ungradable"]
    reasons: tuple[str, ...] = ()


class Lesion(Value):
    """One detected lesion. `number` is what the overlay shows; distances are centre to centre in disc diameters (DD), but for
    `fovea_edge_dd`, from the fovea to the nearest edge of the box (0 inside it)."""

    number: Annotated[int, Field(ge=1)]
    label: LesionLabel
    score: Probability
    box: Box
    quadrant: Quadrant | None = None
    disc_distance_dd: float | None = None
    fovea_distance_dd: float | None = None
    fovea_edge_dd: float | None = None


class ImageFindings(Value):
    """What the localizer saw on one image. For a modality it does not read, `note` says so and the rest stays empty.

    `fovea_uncertainty_dd` is the radius about `fovea` that holds the true one in two of three photographs. Areas are those of the
    boxes, so upper bounds of the lesions' own. `nearest_exudate_range_dd` is the distance less and plus that radius, from 0 on.
    """

    image: ImageRef
    modality: Modality
    gradability: Gradability
    field_of_view: Box | None = None
    optic_disc: Box | None = None
    optic_disc_score: Probability | None = None
    optic_disc_diameter_px: float | None = Field(default=None, description="one disc diameter (DD) in pixels of the image")
    fovea: tuple[float, float] | None = Field(default=None, description="centre (x, y), fractions of the image")
    fovea_source: Literal["detected", "estimated"] | None = Field(default=None, description="seen itself, or placed from the disc")
    fovea_box: Box | None = Field(default=None, description="a detected fovea's box, also one that was too doubtful to measure from")
    fovea_score: Probability | None = Field(default=None, description="that box's score")
    fovea_uncertainty_dd: float | None = Field(default=None, description="radius that holds the fovea in two of three photographs")
    laterality: Laterality = "unknown"
    lesions: tuple[Lesion, ...] = ()
    counts: dict[str, dict[str, int]] = Field(default_factory=dict, description="label -> quadrant -> number of lesions")
    areas: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="label -> quadrant -> area of the union of its boxes, in squared disc diameters"
    )
    nearest_exudate_dd: float | None = Field(default=None, description="from the fovea to the nearest edge of a hard exudate box, DD")
    nearest_exudate_range_dd: tuple[float, float] | None = None
    image_level: dict[str, Probability] = Field(
        default_factory=dict, description="label -> chance that the image holds it; no_visible_lesion -> that it holds none"
    )
    note: str = ""
