"""What a rendered fundus photograph shows: frozen values, and the ground truth that comes back with the picture.

Lengths are in optic disc diameters (DD) unless a name says otherwise. Nothing here is a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from PIL.Image import Image
from pydantic import Field

from agent.domain import Box, Laterality, LesionLabel, Value

Kind = Literal[
    "hard_exudate",
    "dot_haemorrhage",
    "blot_haemorrhage",
    "flame_haemorrhage",
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
    "microaneurysm": "microaneurysm",
    "soft_exudate": "soft_exudate",
    "drusen": "drusen",
    "neovascularisation": "neovascularisation",
}
Region = Literal["fovea", "macula", "disc", "everywhere", "superior_temporal", "inferior_temporal", "superior_nasal", "inferior_nasal"]
Pattern = Literal["scattered", "circinate", "star"]
Unit = Annotated[float, Field(ge=0, le=1)]


class LesionGroup(Value):
    """`count` lesions of one kind in one region; `size` scales their usual diameter. A hard exudate of this count is one patch of
    specks; `circinate` arranges the patches in a ring about the region's centre, `star` in rays about the fovea."""

    kind: Kind
    count: Annotated[int, Field(ge=1, le=500)]
    region: Region = "macula"
    pattern: Pattern = "scattered"
    size: Annotated[float, Field(gt=0, le=4)] = 1.0


class Disc(Value):
    """The optic disc. `swelling` blurs and raises it, `pallor` drains its colour, `hyperaemia` reddens it (all 0 to 1)."""

    cup_to_disc_ratio: Unit = 0.35
    swelling: Unit = 0.0
    pallor: Unit = 0.0
    hyperaemia: Unit = 0.0


class Camera(Value):
    """How it was taken. `tint` multiplies red, green, blue; `blur` is a Gaussian sigma and `noise` a sensor sigma (0 to 1 scale),
    both for a 1600 pixel picture; `haze` is the share of light that cloudy media scatter; `shade` darkens one side."""

    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    exposure: Annotated[float, Field(gt=0, le=3)] = 1.0
    blur: Annotated[float, Field(ge=0, le=40)] = 0.6
    noise: Annotated[float, Field(ge=0, le=0.3)] = 0.012
    haze: Unit = 0.0
    shade: Unit = 0.15


class Scene(Value):
    """One photograph. `pigment` runs from a blond (0) to a dark (1) fundus, `tessellation` shows the choroidal vessels."""

    laterality: Literal["right", "left"] = "right"
    centred_on: Literal["macula", "disc"] = "macula"
    disc: Disc = Disc()
    lesions: tuple[LesionGroup, ...] = ()
    pigment: Unit = 0.5
    tessellation: Unit = 0.25
    venous_dilation: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    tortuosity: Annotated[float, Field(ge=0, le=3)] = 1.0
    camera: Camera = Camera()
    width: Annotated[int, Field(ge=128, le=6000, description="pixels; the height is two thirds of it")] = 1600

    @property
    def height(self) -> int:
        return round(self.width * 2 / 3)


@dataclass(frozen=True, slots=True)
class TrueLesion:
    """One drawn lesion: its label as the localizer knows it, its finer kind, and its box in fractions of the picture."""

    label: LesionLabel
    kind: Kind
    box: Box


@dataclass(frozen=True, slots=True)
class Rendered:
    """The picture and the truth about it. `fovea` is (x, y) in fractions of the picture."""

    image: Image
    optic_disc: Box
    fovea: tuple[float, float]
    field_of_view: Box
    laterality: Laterality
    lesions: tuple[TrueLesion, ...]
