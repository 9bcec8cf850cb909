"""What a rendered fundus photograph shows: frozen values, and the ground truth that comes back with the picture.

Lengths are in optic disc diameters (DD) unless a name says otherwise. Nothing here is a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from PIL.Image import Image
from pydantic import Field

from agent.imaging import Box, LesionLabel
from agent.values import Laterality, Value

Kind = Literal[
    "hard_exudate",
    "dot_haemorrhage",
    "blot_haemorrhage",
    "flame_haemorrhage",
    "preretinal_haemorrhage",
    "microaneurysm",
    "soft_exudate",
    "drusen",
    "neovascularisation",
]
LABELS: dict[Kind, LesionLabel] = {
    "hard_exudate": "hard_exudate",
    "dot_haemorrhage": "haemorrhage",
    "blot_haemorrhage": "haemorrhage",
    "flame_haemorrhage": "haemorrhage",
    "preretinal_haemorrhage": "haemorrhage",
    "microaneurysm": "microaneurysm",
    "soft_exudate": "soft_exudate",
    "drusen": "drusen",
    "neovascularisation": "neovascularisation",
}
Region = Literal["fovea", "macula", "disc", "everywhere", "superior_temporal", "inferior_temporal", "superior_nasal", "inferior_nasal"]
Pattern = Literal["scattered", "circinate", "star"]
LookAlikeKind = Literal[
    "fibre_sheen",
    "foveal_ring",
    "macular_reflex",
    "vessel_glints",
    "myelinated_fibres",
    "laser_scars",
    "naevus",
    "crescent_glare",
    "lens_spots",
    "dust",
    "hair",
]
Unit = Annotated[float, Field(ge=0, le=1)]


class LesionGroup(Value):
    """`count` lesions of one kind in one region; `size` scales their usual diameter. A hard exudate of this count is one patch of
    specks; `circinate` arranges the patches in a ring about the region's centre, `star` in rays about the fovea. `natural` draws the
    irregular shapes of photographs instead of the clear ones of an illustration; `contrast` then thins or thickens them."""

    kind: Kind
    count: Annotated[int, Field(ge=1, le=500)]
    region: Region = "macula"
    pattern: Pattern = "scattered"
    size: Annotated[float, Field(gt=0, le=4)] = 1.0
    natural: bool = False
    contrast: Annotated[float, Field(gt=0, le=2)] = 1.0


class LookAlike(Value):
    """Something innocent that is mistaken for a lesion; never part of the truth. `strength` 0 to 1, `count` where it comes in numbers."""

    kind: LookAlikeKind
    strength: Unit = 0.5
    count: Annotated[int, Field(ge=1, le=300)] = 1


class Disc(Value):
    """The optic disc. `swelling` blurs and raises it, `pallor` drains its colour, `hyperaemia` reddens it (all 0 to 1);
    `tilt` narrows it (0 to 1) along `tilt_axis` (degrees from horizontal); `atrophy` is the width of a pale crescent beside it in DD;
    `size` is its diameter in DD (the unit stays the same); `glow` multiplies its light."""

    cup_to_disc_ratio: Unit = 0.35
    swelling: Unit = 0.0
    pallor: Unit = 0.0
    hyperaemia: Unit = 0.0
    tilt: Unit = 0.0
    tilt_axis: Annotated[float, Field(ge=-90, le=90)] = 0.0
    atrophy: Unit = 0.0
    size: Annotated[float, Field(ge=0.7, le=1.4)] = 1.0
    glow: Annotated[float, Field(ge=0.5, le=1.6)] = 1.0


class Camera(Value):
    """How it was taken. `tint` multiplies red, green, blue; `veil` is then added (stray light: what makes a retina look pinkish).
    `blue_limit` is the most blue a pixel may hold against its green (no retina is blue).
    `blur` is a Gaussian sigma and `noise` a sensor sigma (0 to 1 scale), both for a 1600 pixel picture; `haze` is the share of light
    that cloudy media scatter; `shade` darkens one side, `falloff` the rim; `casts` lays wide patches of another colour over it;
    `sharpen` is the strength of the camera's own unsharp mask.

    `aperture` is the diameter of the round field against the height of the picture: below 1 a whole circle, a little above 1 one cut by
    the frame, above 1.5 (in a square picture) no rim at all. `cut` flattens the circle above and below at this share of its radius,
    `aside` moves it sideways (share of the width), `mark` is the orientation mark at its rim."""

    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    veil: tuple[float, float, float] = (0.0, 0.0, 0.0)
    blue_limit: Annotated[float, Field(gt=0, le=9)] = 9.0
    exposure: Annotated[float, Field(gt=0, le=3)] = 1.0
    blur: Annotated[float, Field(ge=0, le=40)] = 0.6
    noise: Annotated[float, Field(ge=0, le=0.3)] = 0.012
    haze: Unit = 0.0
    shade: Unit = 0.15
    falloff: Annotated[float, Field(ge=0, le=0.9)] = 0.42
    casts: Unit = 0.0
    sharpen: Annotated[float, Field(ge=0, le=2)] = 0.0
    aperture: Annotated[float, Field(ge=0.6, le=2)] = 1.06
    cut: Annotated[float, Field(ge=0.6, le=1)] = 1.0
    aside: Annotated[float, Field(ge=-0.2, le=0.2)] = 0.0
    mark: Literal["none", "tooth", "tab", "dent"] = "none"


class Scene(Value):
    """One photograph. `pigment` runs from a blond (0) to a dark (1) fundus, `tessellation` shows the choroidal vessels.
    `field_diameter` is in DD (5 for a 30 degree camera, 7.6 for 45, 10 for 60); `gaze` moves the retina (right, down) in DD."""

    laterality: Literal["right", "left"] = "right"
    centred_on: Literal["macula", "disc", "between"] = "macula"
    field_diameter: Annotated[float, Field(ge=3, le=14)] = 7.6
    gaze: tuple[float, float] = (0.0, 0.0)
    disc: Disc = Disc()
    lesions: tuple[LesionGroup, ...] = ()
    look_alikes: tuple[LookAlike, ...] = ()
    pigment: Unit = 0.5
    tessellation: Unit = 0.25
    venous_dilation: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    tortuosity: Annotated[float, Field(ge=0, le=3)] = 1.0
    vessel_contrast: Annotated[float, Field(ge=0.2, le=1.5)] = 1.0
    camera: Camera = Camera()
    width: Annotated[int, Field(ge=128, le=6000, description="pixels")] = 1600
    aspect: Annotated[float, Field(ge=0.8, le=2, description="width to height")] = 1.5

    @property
    def height(self) -> int:
        return round(self.width / self.aspect)


@dataclass(frozen=True, slots=True)
class TrueLesion:
    """One drawn lesion: its label as the localizer knows it, its finer kind, and its box in fractions of the picture.

    `visibility` runs from 0 (drowned in haze, blur or the dark) to 1 (plain to see); see `sight`. A grader would hardly mark what lies
    below 0.3."""

    label: LesionLabel
    kind: Kind
    box: Box
    visibility: float = 1.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """The picture and the truth about it. `fovea` is (x, y) in fractions of the picture, `fovea_box` a square of 0.6 DD around it.

    `disc_share` and `fovea_share` tell how much of the disc and of that square lies within the field; `optic_disc` and `fovea_box` end
    with the field, and are of no use where the share is 0."""

    image: Image
    optic_disc: Box
    fovea: tuple[float, float]
    field_of_view: Box
    laterality: Laterality
    lesions: tuple[TrueLesion, ...]
    fovea_box: Box
    disc_share: float
    fovea_share: float
