"""What kind of picture this is, and whether it can be judged. Rules over `tools.measures`, each with its reason in words.

The thresholds were set on public photographs of several cameras and on pictures that are no eyes; they are data, in `Thresholds`.
A missed fundus photograph costs the patient a reading, a false one costs some boxes that a human sees on the overlay: where the two
pull apart, the rules lean towards 'cfp' and let gradability speak.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL.Image import Image

from agent.imaging import Box, Gradability
from agent.values import Modality
from tools.measures import Aperture, Measures, measure

SMALLEST_SIDE = 64
GRADABLE = Gradability(status="gradable")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What `judge` says of one picture; `note` is the reason in words, `field_of_view` the bounds of the lit aperture
    (the whole frame where a fundus photograph is cropped inside it, None where there is no fundus)."""

    modality: Modality
    note: str
    gradability: Gradability
    field_of_view: Box | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits over `Measures` and `Aperture`, in their units. `prominence` is a line response over the speckle."""

    black_level: float = 0.06
    white_level: float = 0.97
    flat_speckle: float = 0.00064
    flat_contrast: float = 0.03
    grey_chroma: float = 0.03
    # the round window of a fundus camera
    rim_agreement: float = 0.60
    rim_misfit: float = 0.02
    rim_filled: float = 0.85
    rim_spill: float = 0.08
    rim_step: float = 0.35
    field_inside: float = 0.60
    # a colour fundus inside a window, then one cropped inside it, where the picture itself must convince
    retina_warm: float = 0.50
    retina_edges: float = 2.5
    retina_speckle: float = 0.034
    retina_bright: float = 0.50
    bare_bright: float = 0.15
    retina_dark_prominence: float = 27.0
    retina_bright_prominence: float = 29.5
    bare_warm: float = 0.90
    corner_warm: float = 0.80
    bare_speckle: float = 0.0213
    bare_edges: float = 0.45
    bare_dark_prominence: tuple[float, float] = (5.2, 23.0)
    bare_bright_prominence: float = 13.3
    bare_dominance: float = 0.7
    # a fluorescein frame (bright vessels) and its red-free companion (faint dark ones)
    angiogram_lines: float = 0.36
    angiogram_dominance: float = 1.22
    angiogram_speckle: float = 0.019
    angiogram_level: float = 0.55
    redfree_edges: float = 0.30
    redfree_speckle: tuple[float, float] = (0.0063, 0.032)
    grey_sharpness: float = 0.38
    # a tomogram
    layered: tuple[float, float] = (3.0, 200.0)
    layered_band: float = 0.06
    layered_level: float = 0.36
    layered_speckle: float = 0.0063


@dataclass(frozen=True, slots=True)
class GradingLimits:
    """Each pair: limited from the first, ungradable from the second.

    Vessels are lost to defocus and to hazy media alike; what tells them apart is `relief`. Of good photographs blurred until their
    vessels were lost 95 % had 0.026 or more, of photographs of cataract three quarters had 0.019 or less; between the two no cause is
    named. `sharpness` is below its limit in less than one in a hundred photographs of several cameras, and in all that are blurred by
    0.5 % of their width without noise added since.
    """

    vessels: tuple[float, float] = (0.061, 0.031)
    sharpness: tuple[float, float] = (0.33, 0.0)
    relief_of_haze: float = 0.018
    relief_of_defocus: float = 0.026
    shown: tuple[float, float] = (0.70, 0.30)
    """Share of the camera's round field that lies inside the picture."""
    slimness: tuple[float, float] = (0.60, 0.30)
    """Shorter over longer side of the field."""
    level: tuple[float, float] = (0.22, 0.12)
    dark_share: tuple[float, float] = (0.30, 0.60)
    bright_share: tuple[float, float] = (0.05, 0.25)
    evenness: tuple[float, float] = (0.25, 0.08)
    field_pixels: tuple[int, int] = (450, 120)


LIMITS = Thresholds()
GRADING = GradingLimits()


def judge(pixels: Image, stated: Modality = "unknown") -> Judgement:
    """Modality, reason, gradability and field of view of an upright RGB picture, in about 13 ms; `stated` is what the file says it is.
    Never raises for a valid picture."""
    if min(pixels.size) < SMALLEST_SIDE:
        return _other(f"a picture of {pixels.width} x {pixels.height} pixels is too small to be judged")
    return classify(measure(pixels), pixels.size, stated)


def classify(m: Measures, size: tuple[int, int], stated: Modality = "unknown") -> Judgement:
    """`judge` on measurements already taken; `size` is the width and height of the full picture in pixels."""
    problem = _empty(m)
    if problem:
        return _other(problem)
    if stated == "oct" and m.chroma < LIMITS.grey_chroma:  # tomograms are grey: a colour picture is judged by what it shows
        return Judgement("oct", "the file says that it is an optical coherence tomogram", GRADABLE)
    aperture = m.aperture if m.aperture is not None and is_round(m.aperture) else None
    field = _field_of_view(aperture, m)
    if m.chroma < LIMITS.grey_chroma:
        return _grey(m, aperture, field)
    problem = _unlike_retina(m, aperture)
    if problem:
        return _other(problem)
    where = "in a round aperture" if aperture is not None else "cropped inside the aperture"
    return Judgement("cfp", f"colour fundus photograph, {where}", grade(m, field, size), field)


def is_round(aperture: Aperture) -> bool:
    """Whether the lit region is the round window of a fundus camera rather than a bright thing on a dark ground."""
    return (
        aperture.agreement >= LIMITS.rim_agreement
        and aperture.misfit <= LIMITS.rim_misfit
        and aperture.filled >= LIMITS.rim_filled
        and aperture.spill <= LIMITS.rim_spill
        and aperture.step >= LIMITS.rim_step
        and aperture.inside >= LIMITS.field_inside
    )


def grade(m: Measures, field: Box, size: tuple[int, int]) -> Gradability:
    """Whether a colour fundus photograph can be judged: the worst of its problems decides, all are named."""
    width, height = (field.x2 - field.x1) * size[0], (field.y2 - field.y1) * size[1]
    across, shown = min(width, height), _share_shown(m.aperture)
    low = (
        (m.level, GRADING.level, "the photograph is underexposed"),
        (m.evenness, GRADING.evenness, "the field is unevenly lit"),
        (m.vessels, GRADING.vessels, f"retinal vessels are hardly visible: {_why_faint(m.relief)}"),
        (m.sharpness, GRADING.sharpness, "the finest detail is missing: slightly out of focus"),
        (across, GRADING.field_pixels, f"the field is only {across:.0f} pixels across: small lesions cannot be seen"),
        (shown, GRADING.shown, f"only {shown:.0%} of the camera's field lies inside the picture"),
        (across / max(width, height, 1.0), GRADING.slimness, "only a strip of the retina is shown"),
    )
    high = (
        (m.dark_share, GRADING.dark_share, f"{m.dark_share:.0%} of the field is dark"),
        (m.bright_share, GRADING.bright_share, f"{m.bright_share:.0%} of the field is overexposed"),
    )
    limited = [why for value, (limit, _), why in low if value < limit] + [why for value, (limit, _), why in high if value > limit]
    if not limited:
        return GRADABLE
    lost = any(value < limit for value, (_, limit), _ in low) or any(value > limit for value, (_, limit), _ in high)
    return Gradability(status="ungradable" if lost else "limited", reasons=tuple(limited))


def _why_faint(relief: float) -> str:
    if relief <= GRADING.relief_of_haze:
        return "media opacity (contrast is low at every scale)"
    if relief >= GRADING.relief_of_defocus:
        return "defocus (larger structures keep their contrast)"
    return "defocus or media opacity"


def _share_shown(aperture: Aperture | None) -> float:
    """How much of the camera's field the picture shows; 1 where its rim was not seen, for then nothing is known."""
    if aperture is None or aperture.agreement < LIMITS.rim_agreement or aperture.misfit > LIMITS.rim_misfit:
        return 1.0
    return aperture.inside


def _field_of_view(aperture: Aperture | None, m: Measures) -> Box:
    if aperture is None:
        return Box(x1=0, y1=0, x2=1, y2=1)
    left, right = (aperture.cx + 0.5 - aperture.rx) / m.width, (aperture.cx + 0.5 + aperture.rx) / m.width
    upper, lower = (aperture.cy + 0.5 - aperture.ry) / m.height, (aperture.cy + 0.5 + aperture.ry) / m.height
    return Box(x1=max(0.0, left), y1=max(0.0, upper), x2=min(1.0, right), y2=min(1.0, lower))


def _other(reason: str) -> Judgement:
    return Judgement("other", reason, Gradability(status="ungradable", reasons=(reason,)))


def _empty(m: Measures) -> str:
    if m.level < LIMITS.black_level and m.edges < 0.4:
        return "the frame is black"
    if m.level > LIMITS.white_level and m.edges < 0.05:
        return "the frame is blank"
    if m.speckle < LIMITS.flat_speckle or m.contrast < LIMITS.flat_contrast:
        return "plain areas of colour without the texture of a photograph"
    return ""


def _grey(m: Measures, aperture: Aperture | None, field: Box) -> Judgement:
    if aperture is None:
        layered = LIMITS.layered[0] <= m.layered <= LIMITS.layered[1] and m.speckle >= LIMITS.layered_speckle
        if layered and m.band >= LIMITS.layered_band and m.level <= LIMITS.layered_level:
            return Judgement("oct", "layered grey scan without an aperture: optical coherence tomography", GRADABLE)
        return _other("grey picture that is neither a round fundus frame nor a layered scan")
    angiogram = (
        m.bright_lines >= max(LIMITS.angiogram_lines, LIMITS.angiogram_dominance * m.vessels)
        and m.speckle >= LIMITS.angiogram_speckle
        and m.level <= LIMITS.angiogram_level
    )
    low, high = LIMITS.redfree_speckle
    redfree = m.edges <= LIMITS.redfree_edges and low <= m.speckle <= high
    if m.sharpness >= LIMITS.grey_sharpness and angiogram:
        return Judgement("ffa", "grey round fundus frame with bright vessels: fluorescein angiography", GRADABLE, field)
    if m.sharpness >= LIMITS.grey_sharpness and redfree:
        return Judgement("ffa", "grey round fundus frame: red-free or early angiography", GRADABLE, field)
    return _other("grey round frame that shows no retinal vessels")


def _unlike_retina(m: Measures, aperture: Aperture | None) -> str:
    dark, bright = m.vessels / (m.speckle + 1e-3), m.bright_lines / (m.speckle + 1e-3)
    if aperture is not None:
        if m.warm < LIMITS.retina_warm:
            return "round, but without the colours of a retina"
        if m.bright_share > LIMITS.retina_bright:
            return "round, but too white for a retina"
        if m.speckle > LIMITS.retina_speckle or m.edges > LIMITS.retina_edges:
            return "round, but with sharper detail than a retina has"
        if dark > LIMITS.retina_dark_prominence or bright > LIMITS.retina_bright_prominence:
            return "round, but with hard outlines that a retina does not have"
        if dark < 1.5:
            return "round, but a smooth gradient without any texture"
        return ""
    if m.warm < (LIMITS.corner_warm if m.dark_corners >= 3 else LIMITS.bare_warm):
        return "no round aperture and not the colours of a retina"
    if m.bright_share > LIMITS.bare_bright:
        return "no round aperture, and too white for a retina"
    corners = 2.0 if m.dark_corners >= 3 else 1.0
    if m.speckle > LIMITS.bare_speckle or m.edges > LIMITS.bare_edges * corners or bright > LIMITS.bare_bright_prominence:
        return "no round aperture, and harder detail than a retina has"
    low, high = LIMITS.bare_dark_prominence
    if not low <= dark <= high or m.vessels < LIMITS.bare_dominance * m.bright_lines:
        return "no round aperture and no retinal vessels"
    return ""
