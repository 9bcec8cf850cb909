"""What every detector has in common: from boxes to the findings of one photograph. How the boxes come about is left to the subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.imaging import Box, ImageFindings, ImageRef, LesionLabel
from tools.localizer import anatomy, burden
from tools.localizer.card import FOVEA, LESIONS, OPTIC_DISC
from tools.quality import Judgement, judge

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Detection:
    """One box with its class name and both scores: as the network gave it, and as the card's fit reads it."""

    name: str
    raw: float
    score: float
    box: Box


class DetectorLocalizer(ABC):
    """Implements the `Localizer` port around a detector of boxes.

    `min_score` None shows each class from the threshold of its own, of two nested boxes of a lesion the better one; a number shows every
    box from that score on. Optic disc and fovea are then shown from the lower of both scores: a high number hides no anatomy. Neither
    number changes what is measured: that takes a disc of `anatomy.SURE_DISC` and a fovea of its own threshold.
    """

    def __init__(self, min_score: float | None = None) -> None:
        self._min_score = min_score

    @property
    @abstractmethod
    def identity(self) -> str:
        """The detector's name and the beginning of its weights' sha256."""

    @abstractmethod
    def detect(self, pixels: Image, field: Box | None = None) -> list[Detection]:
        """Every box above the noise, class by class, best first. `field` is the field of view, looked for when None."""

    @abstractmethod
    def threshold(self, name: str) -> float | None:
        """The score a class is shown from; None for one that is never shown."""

    @abstractmethod
    def image_level(self, detections: Sequence[Detection]) -> dict[str, float]:
        """The chance of each lesion label on the photograph as a whole."""

    @property
    def caution(self) -> str:
        """What a reader of the scores must know; empty when they are fitted probabilities."""
        return ""

    def localize(self, image: ImageRef, pixels: Image) -> ImageFindings:
        """Anatomy and lesions of one photograph; see the port. On an ungradable one what is seen is reported, and `note` says that what
        is not seen means nothing."""
        judgement = judge(pixels, image.stated_modality)
        if judgement.modality != "cfp":
            note = "; ".join(part for part in (judgement.note, "the localizer reads colour fundus photographs only", _frames(image)) if part)
            return ImageFindings(
                image=image, modality=judgement.modality, gradability=judgement.gradability, laterality=image.laterality, note=note
            )
        return self._assembled(image, judgement, self.detect(pixels, judgement.field_of_view))

    def _assembled(self, image: ImageRef, judgement: Judgement, detections: Sequence[Detection]) -> ImageFindings:
        shown = [one for one in detections if self._shown(one)]
        disc, fovea = best_of(shown, OPTIC_DISC), best_of(shown, FOVEA)
        sure = fovea is not None and fovea.score >= (self.threshold(FOVEA) or 0.0)
        retina = anatomy.landmarks(
            image.width,
            image.height,
            judgement.field_of_view,
            disc.box if disc else None,
            disc.score if disc else 0.0,
            image.laterality,
            (fovea.box.centre, fovea.score) if fovea is not None and sure else None,
        )
        found = [anatomy.Found(LESIONS[one.name], one.score, one.box) for one in shown if one.name in LESIONS]
        if self._min_score is None:
            found = anatomy.unnested(found)
        lesions = anatomy.place(anatomy.off_disc(found, retina.disc), retina)
        nearest = burden.nearest_exudate(lesions, retina)
        return ImageFindings(
            image=image,
            modality="cfp",
            gradability=judgement.gradability,
            field_of_view=judgement.field_of_view,
            optic_disc=disc.box if disc else None,
            optic_disc_score=disc.score if disc else None,
            optic_disc_diameter_px=retina.disc_diameter,
            fovea=retina.fovea,
            fovea_source=retina.fovea_source,
            fovea_box=fovea.box if fovea else None,
            fovea_score=fovea.score if fovea else None,
            fovea_uncertainty_dd=retina.fovea_uncertainty_dd,
            laterality=retina.laterality,
            lesions=lesions,
            counts=anatomy.counts(lesions),
            areas=burden.areas(lesions, retina),
            nearest_exudate_dd=nearest[0] if nearest else None,
            nearest_exudate_range_dd=nearest[1] if nearest else None,
            image_level=self.image_level([one for one in detections if not anatomy.on_disc(LESIONS.get(one.name), one.box, retina.disc)]),
            note=_note(judgement, retina, disc is not None, _frames(image), self.caution),
        )

    def _shown(self, one: Detection) -> bool:
        threshold = self.threshold(one.name)
        if threshold is None:
            return False
        if self._min_score is None:
            return one.score >= threshold
        return one.score >= (self._min_score if one.name in LESIONS else min(self._min_score, threshold))


def best_of(detections: Sequence[Detection], name: str) -> Detection | None:
    return max((one for one in detections if one.name == name), key=lambda one: one.score, default=None)


def best_scores(detections: Sequence[Detection], labels: Sequence[LesionLabel]) -> dict[str, float]:
    """Each label's best score on the photograph, 0 without a box: the image level where nothing better was fitted."""
    return {label: max((one.score for one in detections if LESIONS.get(one.name) == label), default=0.0) for label in labels}


def _frames(image: ImageRef) -> str:
    return "the file holds several pictures, of which this is one" if image.several_frames else ""


def _note(judgement: Judgement, retina: anatomy.Retina, disc: bool, *more: str) -> str:
    parts = [judgement.note, *(reason for reason in judgement.gradability.reasons if reason not in judgement.note)]
    if judgement.gradability.status == "ungradable":
        parts.append("the photograph is ungradable: what is boxed was seen, what is not boxed may be there all the same")
    if not disc:
        parts.append("no optic disc found, so nothing is measured in disc diameters")
    elif retina.disc is None:
        parts.append("the optic disc is not sure enough to measure from, so nothing is measured in disc diameters")
    elif retina.fovea is None:
        parts.append("the photograph does not tell the side of the fovea, so nothing is measured from the fovea")
    return "; ".join(part for part in (*parts, retina.note, *more) if part)
