"""What the reasoner is shown of a case."""

from __future__ import annotations

from agent.ports import Dossier
from agent.state import CaseState


def dossier(state: CaseState) -> Dossier:
    """Narrative, findings and options; no identifier, file name or byte of an image."""
    case = state["case"]
    return Dossier(
        narrative=case.narrative,
        demographics=state["demographics"],
        options=case.options,
        findings=state["findings"],
        images=state["image_findings"],
    )
