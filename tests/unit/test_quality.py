"""Modality and gradability on rendered fundi, on drawn pictures that are no eyes, and on real photographs where they are at hand."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tools.quality import Judgement, judge
from tools.renderer import Camera, Disc, LesionGroup, Scene, render

DATA = Path(__file__).parents[3] / "shared" / "data"


def scene(**changes: object) -> Image.Image:
    return render(Scene.model_validate({"width": 800} | changes), seed=3).image


def ramp(first: tuple[int, int, int], last: tuple[int, int, int], radial: bool = False, size: tuple[int, int] = (600, 400)) -> Image.Image:
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    t = np.clip(np.hypot(x - size[0] / 2, y - size[1] / 2) / (size[1] / 2), 0, 1) if radial else x / size[0]
    return Image.fromarray((np.array(first) * (1 - t[..., None]) + np.array(last) * t[..., None]).astype(np.uint8))


def drawn(ground: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (800, 600), ground)
    return image, ImageDraw.Draw(image)


def letter() -> Image.Image:
    image, pen = drawn((255, 255, 255))
    for row in range(30):
        pen.text((40, 20 + row * 18), "Dear colleague, thank you for seeing this patient with reduced vision in both eyes.", fill=(0, 0, 0))
    return image


def chart() -> Image.Image:
    image, pen = drawn((255, 255, 255))
    for i, top in enumerate((300, 120, 410, 80, 260, 330)):
        pen.rectangle((60 + i * 110, top, 140 + i * 110, 560), fill=(40 + 30 * i, 200 - 25 * i, 90))
    return image


def external_eye() -> Image.Image:
    image, pen = drawn((215, 160, 130))
    pen.ellipse((70, 130, 730, 470), fill=(235, 225, 220))
    pen.ellipse((290, 190, 510, 410), fill=(90, 55, 25))
    pen.ellipse((355, 255, 445, 345), fill=(8, 8, 8))
    pen.ellipse((420, 260, 440, 280), fill=(255, 255, 255))
    for x in range(90, 720, 20):
        pen.line((x, 150, x + (x - 400) // 10, 90), fill=(30, 20, 15), width=3)
    return image.filter(ImageFilter.GaussianBlur(2))


def sunset() -> Image.Image:
    image = ramp((250, 150, 60), (180, 60, 40), size=(800, 600)).transpose(Image.Transpose.TRANSPOSE)
    pen = ImageDraw.Draw(image)
    pen.ellipse((240, 300, 360, 420), fill=(255, 240, 180))
    pen.rectangle((0, 600, 600, 800), fill=(40, 20, 15))
    return image


def noise(dark: bool = False, colour: bool = True) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 9 if dark else 256, (400, 600, 3) if colour else (400, 600), dtype=np.uint8)
    return Image.fromarray(values).convert("RGB")


def disc(colour: tuple[int, int, int], ground: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    image, pen = drawn(ground)
    pen.ellipse((150, 50, 650, 550), fill=colour)
    return image


NO_EYES = {
    "black": Image.new("RGB", (640, 480)),
    "white": Image.new("RGB", (640, 480), (255, 255, 255)),
    "plain orange": Image.new("RGB", (640, 480), (220, 120, 40)),
    "plain grey": Image.new("RGB", (640, 480), (128, 128, 128)),
    "icon": Image.new("RGB", (64, 64), (200, 90, 30)),
    "orange gradient": ramp((250, 160, 60), (160, 40, 10)),
    "round orange gradient": ramp((220, 60, 30), (0, 0, 0), radial=True),
    "round grey gradient": ramp((255, 255, 255), (0, 0, 0), radial=True),
    "drawn orange disc": disc((220, 120, 40)),
    "drawn grey disc": disc((150, 150, 150)),
    "red disc on white": disc((220, 40, 40), (255, 255, 255)),
    "letter": letter(),
    "letter, sepia": Image.fromarray((np.asarray(letter()) * np.array([1, 0.85, 0.6])).astype(np.uint8)),
    "letter, inverted": Image.eval(letter(), lambda v: 255 - v),
    "chart": chart(),
    "noise": noise(),
    "grey noise": noise(colour=False),
    "dark noise": noise(dark=True),
    "external eye": external_eye(),
    "sunset": sunset(),
}


@pytest.mark.parametrize("name", NO_EYES)
def test_no_eye_is_other_and_says_why(name: str) -> None:
    found = judge(NO_EYES[name])
    assert found.modality == "other", found.note
    assert found.gradability.status == "ungradable"
    assert found.gradability.reasons == (found.note,)
    assert len(found.note) > 10
    assert found.field_of_view is None


def test_black_frame_is_called_black() -> None:
    assert "black" in judge(NO_EYES["black"]).note
    assert "too small" in judge(Image.new("RGB", (40, 300), (200, 90, 30))).note


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"laterality": "left", "pigment": 1.0},
        {"pigment": 0.0, "tessellation": 0.8},
        {"centred_on": "disc", "disc": Disc(swelling=0.9, hyperaemia=0.7)},
        {"camera": Camera(tint=(0.9, 1.0, 1.15))},
        {"lesions": (LesionGroup(kind="hard_exudate", count=40, region="macula"), LesionGroup(kind="blot_haemorrhage", count=40))},
    ],
)
def test_rendered_fundi_are_gradable_photographs(changes: dict[str, object]) -> None:
    found = judge(scene(**changes))
    assert (found.modality, found.gradability.status) == ("cfp", "gradable"), found


def test_field_of_view_matches_the_truth() -> None:
    truth = render(Scene(width=800), seed=3)
    box = judge(truth.image).field_of_view
    assert box is not None
    for edge in ("x1", "y1", "x2", "y2"):
        assert getattr(box, edge) == pytest.approx(getattr(truth.field_of_view, edge), abs=0.012)


def test_a_photograph_cropped_inside_its_aperture_is_still_one() -> None:
    whole = scene(lesions=(LesionGroup(kind="dot_haemorrhage", count=6),))
    found = judge(whole.crop((220, 90, 620, 440)))
    assert found.modality == "cfp"
    assert found.field_of_view is not None
    assert found.field_of_view.to_999() == (0, 0, 999, 999)


def reasons(found: Judgement) -> str:
    return " ".join(found.gradability.reasons)


def test_haze_costs_gradability_step_by_step_and_never_modality() -> None:
    steps = [judge(scene(camera=Camera(haze=haze, blur=blur))) for haze, blur in ((0.0, 0.6), (0.5, 3), (0.93, 14))]
    assert [s.modality for s in steps] == ["cfp"] * 3
    assert [s.gradability.status for s in steps] == ["gradable", "limited", "ungradable"]
    assert "vessels" in reasons(steps[2])


def test_defocus_and_darkness_have_their_reasons() -> None:
    assert "vessels" in reasons(judge(scene(camera=Camera(blur=30))))
    dark = judge(scene(camera=Camera(exposure=0.22)))
    assert dark.modality == "cfp"
    assert dark.gradability.status != "gradable"
    assert "underexposed" in reasons(dark)


def test_small_photographs_are_limited() -> None:
    small = scene().resize((240, 160), Image.Resampling.LANCZOS)
    assert "pixels across" in reasons(judge(small))


def test_grey_round_frames_are_angiograms() -> None:
    """A negative of the green channel shows bright vessels, as fluorescein does."""
    image = scene(tessellation=0.0, camera=Camera(noise=0.02, shade=0.05))
    green = np.asarray(image.getchannel("G"), float)
    inside = np.asarray(image.getchannel("R")) > 60
    local = np.asarray(image.getchannel("G").filter(ImageFilter.BoxBlur(20)), float)
    contrast = np.clip(60 + 5.0 * (local - green), 8, 255) * inside
    found = judge(Image.fromarray(contrast.astype(np.uint8)).convert("RGB"))
    assert found.modality == "ffa", found.note


def test_layered_grey_scans_are_tomograms() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:400, 0:1000]
    surface = 150 - 40 * np.exp(-(((x - 500) / 120) ** 2)) * -1
    depth = y - surface
    tissue = 90 * ((depth > 0) & (depth < 70)) + 110 * (np.abs(depth - 75) < 7) + 45 * ((depth > 80) & (depth < 160))
    scan = np.clip(tissue * rng.uniform(0.5, 1.4, tissue.shape) + rng.uniform(0, 25, tissue.shape), 0, 255)
    found = judge(Image.fromarray(scan.astype(np.uint8)).convert("RGB"))
    assert found.modality == "oct", found.note
    assert found.field_of_view is None


def test_is_quick() -> None:
    image = render(Scene(width=1600), seed=1).image
    judge(image)
    best = min(_seconds(image) for _ in range(7))
    assert best < 0.06  # about 0.013 on a quiet core; the margin is for a busy one


def _seconds(image: Image.Image) -> float:
    start = time.perf_counter()
    judge(image)
    return time.perf_counter() - start


# --- step by step ---------------------------------------------------------------------------------------------------------

SEVERITY = {"gradable": 0, "limited": 1, "ungradable": 2}


def blurred(image: Image.Image, share: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(share * image.width))


def hazed(image: Image.Image, share: float) -> Image.Image:
    """A grey veil over the lit field, as a cloudy lens scatters light over the retina, and a little blur with it."""
    pixels = np.asarray(image, float)
    lit = (pixels.max(axis=2, keepdims=True) > 25).astype(float)
    veil = pixels * (1 - share * lit) + np.array([190.0, 150.0, 110.0]) * share * lit
    return blurred(Image.fromarray(veil.astype(np.uint8)), 0.005 * share)


def exposed(image: Image.Image, factor: float) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image, float) * factor, 0, 255).astype(np.uint8))


def halved(image: Image.Image, share: float) -> Image.Image:
    """The left part of the picture, so wide."""
    return image.crop((0, 0, round(image.width * share), image.height))


STEPS = {
    "blur": (blurred, (0, 0.002, 0.005, 0.008, 0.012, 0.02, 0.03), "out of focus"),
    "haze": (hazed, (0, 0.2, 0.4, 0.6, 0.75, 0.85), "media opacity"),
    "dark": (exposed, (1, 0.7, 0.5, 0.35, 0.25, 0.15), "underexposed"),
    "bright": (exposed, (1, 1.3, 1.7, 2.1, 2.3, 2.5, 2.7), "overexposed"),
    "cut": (halved, (1, 0.8, 0.65, 0.5, 0.4, 0.3), "field lies inside"),
}


def steps_of(name: str, image: Image.Image) -> tuple[list[int], str]:
    degrade, steps, _ = STEPS[name]
    found = [judge(degrade(image, step)) for step in steps]
    assert all(one.modality == "cfp" for one in found[:-1]), [one.note for one in found]
    return [SEVERITY[one.gradability.status] for one in found], "; ".join(reasons(one) for one in found)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("changes", [{}, {"laterality": "left", "pigment": 0.8}], ids=["light", "dark"])
def test_each_step_of_decay_is_no_better_than_the_one_before(name: str, changes: dict[str, object]) -> None:
    severity, said = steps_of(name, scene(width=1600, **changes))
    assert severity[0] == 0
    assert severity == sorted(severity), said
    assert severity[-1] > 0
    if name != "bright" or not changes:  # a dark fundus has green to spare: only its red is lost
        assert STEPS[name][2] in said


def test_blur_is_told_from_haze() -> None:
    image = scene(width=1600)
    assert "defocus (larger structures keep their contrast)" in reasons(judge(blurred(image, 0.012)))
    assert "media opacity (contrast is low at every scale)" in reasons(judge(hazed(image, 0.8)))


def test_a_strip_of_a_fundus_is_not_gradable() -> None:
    image = scene(width=1600)
    strip = judge(image.crop((300, 400, 1300, 700)))
    assert strip.gradability.status != "gradable"
    assert "strip" in reasons(strip) or strip.modality == "other"


# --- real photographs, where the machine has them -------------------------------------------------------------------------


def shares(pattern: str, every: int = 1) -> dict[str, float]:
    files = sorted(f for f in DATA.glob(pattern) if f.suffix.lower() in (".jpg", ".jpeg", ".png"))[::every]
    if not files:
        pytest.skip(f"the development photographs {pattern!r} are not on this machine")
    found = [judge(Image.open(file).convert("RGB")).modality for file in files]
    return {modality: found.count(modality) / len(found) for modality in ("cfp", "oct", "ffa", "other")}


@pytest.mark.parametrize(
    ("pattern", "every", "modality", "least"),
    [
        ("fundus_lesions_idrid_codras/images/*", 8, "cfp", 1.0),
        ("cfp_4class/*/*", 2, "cfp", 0.97),
        ("oct_cfp_pairs_unam/images/*_f_*", 1, "cfp", 0.97),
        ("oct_cfp_pairs_unam/images/*_o_*", 1, "oct", 0.97),
        ("ffa_huapu/*/*", 1, "ffa", 0.97),
    ],
)
def test_real_photographs(pattern: str, every: int, modality: str, least: float) -> None:
    assert shares(pattern, every)[modality] >= least


def test_hazed_photographs_are_photographs_of_poor_quality() -> None:
    files = sorted((DATA / "cfp_4class" / "cataract").glob("*"))
    if not files:
        pytest.skip("the development photographs of cataract are not on this machine")
    found = [judge(Image.open(file).convert("RGB")) for file in files]
    assert all(f.modality == "cfp" for f in found)
    assert sum(f.gradability.status != "gradable" for f in found) / len(found) > 0.8


@pytest.mark.parametrize("name", STEPS)
def test_real_photographs_decay_step_by_step(name: str) -> None:
    files = sorted((DATA / "fundus_lesions_idrid_codras" / "images").glob("*.jpg"))[::130]
    if not files:
        pytest.skip("the development photographs are not on this machine")
    for file in files:
        degrade, steps, _ = STEPS[name]
        image = Image.open(file).convert("RGB")
        severity = [SEVERITY[judge(degrade(image, step)).gradability.status] for step in steps]
        assert severity == sorted(severity), file.name


def test_cataract_is_called_opacity_more_often_than_defocus() -> None:
    files = sorted((DATA / "cfp_4class" / "cataract").glob("*"))
    if not files:
        pytest.skip("the development photographs of cataract are not on this machine")
    said = [reasons(judge(Image.open(file).convert("RGB"))) for file in files]
    opacity, defocus = (sum(cause in one for one in said) for cause in (": media opacity (", ": defocus ("))
    assert opacity > 25
    assert defocus < 5
