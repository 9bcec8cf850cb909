"""The example pictures of the repository: `python -m tools.renderer.examples DIRECTORY` redraws them, byte for byte."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.renderer import Camera, Disc, LesionGroup, Scene, render

QUALITY = 84

EXAMPLES: dict[str, tuple[Scene, int]] = {
    "normal": (Scene(laterality="right", pigment=0.45), 11),
    "clear": (
        Scene(
            laterality="right",
            pigment=0.42,
            venous_dilation=1.15,
            lesions=(
                LesionGroup(kind="hard_exudate", count=9, pattern="circinate", size=0.9),
                LesionGroup(kind="hard_exudate", count=7, region="fovea"),
                LesionGroup(kind="hard_exudate", count=6, region="macula"),
                LesionGroup(kind="hard_exudate", count=3, region="superior_temporal", size=0.8),
                LesionGroup(kind="blot_haemorrhage", count=4, region="superior_temporal"),
                LesionGroup(kind="blot_haemorrhage", count=4, region="inferior_temporal"),
                LesionGroup(kind="blot_haemorrhage", count=2, region="superior_nasal"),
                LesionGroup(kind="blot_haemorrhage", count=3, region="inferior_nasal"),
                LesionGroup(kind="dot_haemorrhage", count=22, region="everywhere"),
                LesionGroup(kind="microaneurysm", count=18, region="macula"),
            ),
        ),
        7,
    ),
    "uncertain": (
        Scene(
            laterality="left",
            pigment=0.62,
            tessellation=0.4,
            lesions=(
                LesionGroup(kind="dot_haemorrhage", count=3, region="inferior_temporal"),
                LesionGroup(kind="blot_haemorrhage", count=2, region="superior_temporal", size=0.8),
                LesionGroup(kind="microaneurysm", count=3, region="macula"),
            ),
            camera=Camera(blur=1.6, haze=0.18, shade=0.3, noise=0.014),
        ),
        23,
    ),
    "red_flag": (
        Scene(
            laterality="right",
            centred_on="disc",
            pigment=0.4,
            disc=Disc(swelling=0.85, hyperaemia=0.8, cup_to_disc_ratio=0.2),
            venous_dilation=1.35,
            tortuosity=1.9,
            lesions=(
                LesionGroup(kind="flame_haemorrhage", count=18, region="disc", size=1.25),
                LesionGroup(kind="soft_exudate", count=3, region="disc", size=0.8),
                LesionGroup(kind="blot_haemorrhage", count=2, region="superior_temporal", size=0.6),
            ),
        ),
        5,
    ),
}


def main(directory: str) -> None:
    """Writes one JPEG per example into `directory`, creating it."""
    place = Path(directory)
    place.mkdir(parents=True, exist_ok=True)
    for name, (scene, seed) in EXAMPLES.items():
        render(scene, seed).image.save(place / f"{name}.jpg", quality=QUALITY, optimize=True, subsampling=2)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tools.renderer.examples DIRECTORY")
    main(sys.argv[1])
