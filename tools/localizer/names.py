"""Class names: what detectors call things, and what Fovea calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from agent.errors import LocalizerError
from agent.imaging import LesionLabel
from tools.localizer.card import FOVEA, OPTIC_DISC

LABELS: tuple[str, ...] = (OPTIC_DISC, FOVEA, *get_args(LesionLabel))
_SPELLINGS = {
    OPTIC_DISC: "optic disc, optic disk, disc, disk, od, optic nerve head, onh",
    FOVEA: "fovea, macula",
    "hard_exudate": "hard exudate, exudate, ex, he",
    "haemorrhage": "haemorrhage, hemorrhage, hem, red lesion",
    "microaneurysm": "microaneurysm, micro aneurysm, ma",
    "soft_exudate": "soft exudate, cotton wool spot, cottonwool spot, se, cws",
    "drusen": "drusen, druse",
    "neovascularisation": "neovascularisation, neovascularization, new vessel, nv",
}
_LABEL_OF = {spelling.replace(" ", ""): label for label, text in _SPELLINGS.items() for spelling in text.split(", ")}


def label_of(name: str) -> str | None:
    """Fovea's label for a class name in one of the usual spellings, singular or plural, whatever its case and separators; else None.

    >>> [label_of(name) for name in ("Hard_Exudates", "CWS", "Optic-Disc", "cotton wool spots", "Hemorrhages", "cat")]
    ['hard_exudate', 'soft_exudate', 'optic_disc', 'soft_exudate', 'haemorrhage', None]
    """
    squeezed = re.sub(r"[\s_\-.]+", "", name.casefold())
    return _LABEL_OF.get(squeezed) or (_LABEL_OF.get(squeezed[:-1]) if squeezed.endswith("s") else None)


def labels_of(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Fovea's labels for all class names. Raises LocalizerError, beginning with `where`, for unknown names and two of one meaning."""
    given = tuple(names)
    found = [label_of(name) for name in given]
    unknown = [name for name, label in zip(given, found, strict=True) if label is None]
    if unknown or not given:
        accepted = ", ".join(f"{label} ({text})" for label, text in _SPELLINGS.items())
        what = f"classes {', '.join(map(repr, unknown[:8]))} are unknown" if unknown else "no class names"
        raise LocalizerError(f"{where}: {what}; Fovea reads {accepted}")
    labels = tuple(label for label in found if label is not None)
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        meant = [name for name, label in zip(given, labels, strict=True) if label == twice[0]]
        raise LocalizerError(f"{where}: classes {', '.join(map(repr, meant))} all mean {twice[0]}; give each once")
    return labels
