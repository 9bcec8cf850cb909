"""Random scenes for training: every eye, camera and finding that the drawer knows, in plausible mixtures.

Two pictures in five hold no lesion at all, but hold what is mistaken for one as often as the others do.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np

from tools.renderer.geometry import Points
from tools.renderer.scene import Camera, Disc, Kind, LesionGroup, LookAlike, LookAlikeKind, Region, Scene

Name = TypeVar("Name", bound=str)
SHARE_WITHOUT_LESIONS = 0.4
BASE = np.array([0.70, 0.36, 0.15])
"""Mean colour of the drawn retina before the camera's tint."""
# Mean red, green, blue of the retina as cameras store it, and how often each kind of camera is met.
LOOKS: tuple[tuple[float, tuple[int, int, int]], ...] = (
    (0.24, (176, 88, 18)),  # orange, hardly any blue
    (0.12, (200, 84, 12)),  # deep orange
    (0.14, (182, 104, 84)),  # pinkish
    (0.14, (160, 80, 45)),  # reddish brown
    (0.10, (104, 46, 22)),  # dark brown
    (0.06, (150, 104, 40)),  # greenish yellow
    (0.08, (205, 150, 112)),  # washed out
    (0.07, (150, 96, 88)),  # greyish pink
    (0.05, (214, 120, 60)),  # bright
)
TEMPORAL: tuple[Region, ...] = ("superior_temporal", "inferior_temporal")
QUADRANTS: tuple[Region, ...] = (*TEMPORAL, "superior_nasal", "inferior_nasal")


def random_scene(rng: np.random.Generator, width: int) -> Scene:
    """One scene `width` pixels wide; the same state of `rng` gives the same scene.

    >>> random_scene(np.random.default_rng(3), 512) == random_scene(np.random.default_rng(3), 512)
    True
    """
    camera, aspect = _camera(rng)
    centred_on: Literal["macula", "disc", "between"] = _pick(rng, {"macula": 0.6, "disc": 0.15, "between": 0.25})
    pigment = float(rng.beta(1.6, 1.6))
    return Scene(
        width=width,
        aspect=aspect,
        laterality="right" if rng.random() < 0.5 else "left",
        centred_on=centred_on,
        field_diameter=float(rng.choice([5.0, 6.6, 7.6, 8.6, 10.5], p=[0.08, 0.17, 0.45, 0.18, 0.12]) * rng.uniform(0.93, 1.07)),
        gaze=_pair(rng.normal(0, 0.28, 2)) if rng.random() < 0.85 else _pair(rng.normal(0, 0.9, 2)),
        disc=_disc(rng),
        pigment=pigment,
        tessellation=float(rng.beta(1.1, 2.2)),
        venous_dilation=float(rng.uniform(0.75, 1.25)),
        tortuosity=float(np.clip(rng.lognormal(0, 0.35), 0.3, 2.5)),
        vessel_contrast=float(rng.uniform(0.4, 1.05)),
        camera=camera,
        look_alikes=_look_alikes(rng, pigment),
        lesions=() if rng.random() < SHARE_WITHOUT_LESIONS else _lesions(rng),
    )


def _pair(values: Points) -> tuple[float, float]:
    return float(np.clip(values[0], -1.8, 1.8)), float(np.clip(values[1], -1.8, 1.8))


def _pick(rng: np.random.Generator, weights: dict[Name, float]) -> Name:
    names = list(weights)
    share = np.array(list(weights.values()))
    return names[int(rng.choice(len(names), p=share / share.sum()))]


def _camera(rng: np.random.Generator) -> tuple[Camera, float]:
    look = np.array(LOOKS[int(rng.choice(len(LOOKS), p=[weight for weight, _ in LOOKS]))][1]) / 255
    colour = look * rng.lognormal(0, [0.06, 0.08, 0.22])
    colour[2] = min(colour[2], 0.85 * colour[1])  # no camera makes a retina bluer than green
    tint = colour / BASE
    # Much blue is stray light rather than a gain: it lifts the retina, yet leaves an exudate yellow.
    gain = np.minimum(tint, [9.0, 9.0, float(rng.uniform(1.4, 2.3))])
    veil = (tint - gain) * BASE
    # frame of the picture, field against its height, flattening of the circle
    frame = _pick(rng, {"cut": 0.40, "whole": 0.27, "flat": 0.18, "square": 0.15})
    aspect, aperture, cut = 1.5, 1.0, 1.0
    if frame == "cut":
        aspect, aperture = float(rng.choice([1.5, 1.33, 1.25])), float(rng.uniform(1.03, 1.22))
    elif frame == "whole":
        aspect, aperture = float(rng.choice([1.0, 1.05, 1.33, 1.5])), float(rng.uniform(0.88, 0.995))
    elif frame == "flat":
        aperture, cut = float(rng.uniform(1.0, 1.15)), float(rng.uniform(0.78, 0.88))
    else:
        aspect, aperture = 1.0, float(rng.uniform(1.2, 1.55))
    soft, dull = rng.random(), rng.random()
    camera = Camera(
        tint=(float(gain[0]), float(gain[1]), float(gain[2])),
        blue_limit=0.93 if rng.random() < 0.9 else 1.1,
        veil=(float(veil[0]), float(veil[1]), float(veil[2])),
        # few pictures that someone keeps are burnt out all over
        exposure=float(np.clip(rng.lognormal(0, 0.14), 0.55, min(1.5, 0.90 / colour[0], 0.60 / colour[1]))),
        blur=float(rng.uniform(0.4, 2.2) if soft < 0.8 else rng.uniform(2.2, 6.0)),
        noise=float(np.clip(rng.lognormal(-4.6, 0.55), 0.002, 0.04)),
        haze=0.0 if dull < 0.45 else float(rng.beta(1.2, 4.0) if dull < 0.92 else rng.uniform(0.35, 0.75)),
        shade=float(rng.beta(1.2, 3.0)),
        falloff=float(min(rng.beta(2.0, 3.5), 0.9)),
        casts=float(rng.beta(1.0, 1.8)),
        sharpen=float(rng.uniform(0.2, 1.3)) if rng.random() < 0.3 else 0.0,
        aperture=aperture,
        cut=cut,
        aside=float(np.clip(rng.normal(0, 0.04), -0.1, 0.1)) if aspect > 1.2 and frame != "square" and rng.random() < 0.5 else 0.0,
        mark=_pick(rng, {"none": 0.6, "tooth": 0.2, "tab": 0.1, "dent": 0.1}),
    )
    return camera, aspect


def _disc(rng: np.random.Generator) -> Disc:
    swollen = rng.random() < 0.06
    tilted = rng.random() < 0.25
    return Disc(
        cup_to_disc_ratio=float(np.clip(rng.normal(0.42, 0.18), 0.0, 0.92)),
        swelling=float(rng.uniform(0.2, 1.0)) if swollen else 0.0,
        pallor=float(rng.beta(1.2, 3.0) if rng.random() < 0.9 else rng.uniform(0.5, 1)),
        hyperaemia=float(rng.uniform(0.2, 1.0)) if swollen or rng.random() < 0.1 else 0.0,
        tilt=float(rng.uniform(0.1, 0.9)) if tilted else 0.0,
        tilt_axis=float(np.clip(rng.normal(0, 30), -90, 90)) if tilted else 0.0,
        atrophy=float(rng.beta(1.2, 3.0) * 0.6) if rng.random() < 0.3 else 0.0,
        size=float(np.clip(rng.normal(1.0, 0.08), 0.8, 1.25)),
        glow=float(rng.uniform(0.9, 1.35)),
    )


def _look_alikes(rng: np.random.Generator, pigment: float) -> tuple[LookAlike, ...]:
    """Reflexes are for dark young eyes, which have few scars; the rest may come together."""
    found: list[LookAlike] = []

    def maybe(kind: LookAlikeKind, chance: float, count: tuple[int, int] = (1, 2)) -> None:
        if rng.random() < chance:
            found.append(LookAlike(kind=kind, strength=float(rng.beta(1.3, 1.8)), count=int(rng.integers(*count))))

    young = rng.random() < 0.25 + 0.3 * pigment
    maybe("fibre_sheen", 0.85 if young else 0.06)
    maybe("foveal_ring", 0.6 if young else 0.03)
    maybe("macular_reflex", 0.6 if young else 0.15)
    maybe("vessel_glints", 0.6 if young else 0.2, (5, 70))
    maybe("myelinated_fibres", 0.02)
    maybe("laser_scars", 0.01 if young else 0.10, (10, 160))
    maybe("naevus", 0.05)
    maybe("crescent_glare", 0.22)
    maybe("lens_spots", 0.25, (1, 8))
    maybe("dust", 0.28, (1, 14))
    maybe("hair", 0.07, (1, 4))
    return tuple(found)


def _lesions(rng: np.random.Generator) -> tuple[LesionGroup, ...]:
    """One to four kinds, as a disease brings them: diabetes mostly, then drusen, hypertension, vein occlusion."""
    disease = _pick(rng, {"diabetes": 0.58, "drusen": 0.17, "hypertension": 0.10, "occlusion": 0.08, "any": 0.07})
    if disease == "diabetes":
        kinds = _some(rng, DIABETIC)
    elif disease == "drusen":
        kinds = ["drusen", *(_some(rng, {"blot_haemorrhage": 1.0, "hard_exudate": 1.0})[:1] if rng.random() < 0.15 else [])]
    elif disease == "hypertension":
        kinds = _some(rng, {"flame_haemorrhage": 1.0, "soft_exudate": 1.2, "hard_exudate": 0.6, "dot_haemorrhage": 0.3})
    elif disease == "occlusion":
        kinds = _some(rng, {"flame_haemorrhage": 1.5, "blot_haemorrhage": 1.2, "soft_exudate": 0.7, "dot_haemorrhage": 0.5})
    else:
        kinds = _some(rng, dict.fromkeys(MANY, 1.0))
    contrast = float(np.clip(rng.normal(0.9, 0.2), 0.4, 1.3))
    plenty = float(rng.lognormal(0, 0.7))
    groups: list[LesionGroup] = []
    for kind in kinds:
        groups += _groups(rng, kind, contrast, plenty, disease)
    return tuple(groups)


MANY: dict[Kind, tuple[int, int]] = {
    "microaneurysm": (1, 14),
    "dot_haemorrhage": (1, 14),
    "blot_haemorrhage": (1, 8),
    "flame_haemorrhage": (1, 7),
    "preretinal_haemorrhage": (1, 2),
    "hard_exudate": (1, 9),
    "soft_exudate": (1, 5),
    "drusen": (6, 45),
    "neovascularisation": (1, 3),
}
"""Usual numbers of lesions in a picture, before few-or-many is thrown."""


DIABETIC: dict[Kind, float] = {
    "microaneurysm": 1.0,
    "dot_haemorrhage": 0.8,
    "hard_exudate": 0.9,
    "blot_haemorrhage": 0.55,
    "soft_exudate": 0.45,
    "neovascularisation": 0.60,
    "flame_haemorrhage": 0.30,
    "preretinal_haemorrhage": 0.08,
}


def _some(rng: np.random.Generator, weights: dict[Kind, float]) -> list[Kind]:
    names, share = list(weights), np.array(list(weights.values()))
    count = min(len(names), int(rng.choice([1, 2, 3, 4], p=[0.3, 0.3, 0.25, 0.15])))
    return [names[i] for i in rng.choice(len(names), size=count, replace=False, p=share / share.sum())]


def _groups(rng: np.random.Generator, kind: Kind, contrast: float, plenty: float, disease: str) -> list[LesionGroup]:
    low, high = MANY[kind]
    total = int(np.clip(rng.integers(low, high + 1) * (plenty if high > 4 else 1), 1, 80))
    size = float(np.clip(rng.lognormal(0, 0.25), 0.5, 2.2))
    groups: list[LesionGroup] = []

    def add(count: int, region: Region, pattern: Literal["scattered", "circinate", "star"] = "scattered", scale: float = 1.0) -> None:
        if count > 0:
            scaled = min(4.0, size * scale)
            groups.append(LesionGroup(kind=kind, count=count, region=region, pattern=pattern, size=scaled, natural=True, contrast=contrast))

    if kind == "hard_exudate":
        form = rng.random()
        if form < 0.25:
            add(int(rng.integers(5, 13)), "macula", "circinate")
        elif form < 0.33:
            add(int(rng.integers(8, 24)), "fovea", "star", 0.4)
        if form > 0.25:
            add(total, "macula" if rng.random() < 0.6 else QUADRANTS[int(rng.integers(4))])
            add(int(rng.integers(0, 4)), "everywhere", scale=0.6)
    elif kind == "drusen":
        add(total, "macula" if rng.random() < 0.7 else "everywhere")
        add(int(rng.integers(0, 12)), "fovea", scale=1.6)
    elif kind == "neovascularisation":
        add(1, "disc" if rng.random() < 0.4 else QUADRANTS[int(rng.integers(4))])
        add(total - 1, "everywhere")
    elif kind == "soft_exudate":
        for _ in range(total):
            add(1, QUADRANTS[int(rng.choice(4, p=[0.35, 0.35, 0.15, 0.15]))] if rng.random() < 0.85 else "disc")
    elif disease == "occlusion":
        # A blocked branch floods its own quadrant.
        quadrant = TEMPORAL[int(rng.integers(2))]
        add(min(60, total * 3), quadrant)
        add(total // 2, "macula")
    elif kind == "preretinal_haemorrhage":
        add(1, QUADRANTS[int(rng.integers(4))])
    else:
        near = int(rng.binomial(total, 0.5))
        add(near, "macula" if rng.random() < 0.8 else "disc" if kind == "flame_haemorrhage" else "fovea")
        add(total - near, "everywhere")
    return groups
