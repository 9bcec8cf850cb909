"""The classes the detector is trained for, in the order of its outputs, and who labelled them."""

from __future__ import annotations

CLASSES = ("optic_disc", "hard_exudate", "haemorrhage", "microaneurysm", "soft_exudate", "drusen", "neovascularisation", "fovea")
OPTIC_DISC, HARD_EXUDATE, HAEMORRHAGE, MICROANEURYSM, SOFT_EXUDATE, DRUSEN, NEOVASCULARISATION, FOVEA = range(8)
GRADED = (OPTIC_DISC, HARD_EXUDATE, HAEMORRHAGE)
"""What the graders of the real photographs drew; `haemorrhage` includes microaneurysms there."""
