"""A step of a walk is kept whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ERROR = "__error__"
"""The channel in which LangGraph keeps that a step failed or was cancelled."""


def whole(writes: Sequence[tuple[str, Any]]) -> Sequence[tuple[str, Any]]:
    """What is to be kept of a step's writes: of one that failed or was cancelled, that alone.

    LangGraph saves what such a step had written so far beside its error, and takes the step for done when the walk is resumed; where it was
    stopped between its values and its choice of the next step, the walk would then end there, without a word.
    """
    failed = [write for write in writes if write[0] == ERROR]
    return failed or writes
