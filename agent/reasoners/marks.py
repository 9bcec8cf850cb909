"""What a model pointed at in its answer, in FundusExpert's markup, for the trace. Nothing of it is checked against the localizer."""

from __future__ import annotations

import re

from agent.domain import Step
from tools.grounding import read_boxes

_PIECE = re.compile(r"(?:<ref>[^<]*</ref>\s*)?<box>.*?(?:</box>|(?=<ref>|<box>)|$)", re.DOTALL)


def marks(text: str, round_number: int) -> tuple[Step, ...]:
    """One step that lists the boxes that can be read and counts those that cannot; none for a text without boxes.

    >>> marks("<ref>Drusen</ref><box>[[10, 20, 30, 40]]</box><box>[[1, 2, 3000, 4]]</box>", 0)[0].text
    'Drusen [10, 20, 30, 40]. 1 box could not be read.'
    """
    lines, unreadable = [], 0
    for piece in _PIECE.findall(text):
        try:
            found = read_boxes(piece)
        except ValueError:
            unreadable += 1
            continue
        lines += [f"{one.name or 'unnamed'} {', '.join(str(list(box.to_999())) for box in one.boxes)}" for one in found if one.boxes]
    if not lines and not unreadable:
        return ()
    words = f"{'; '.join(lines)}." if lines else ""
    if unreadable:
        words = f"{words} {unreadable} box{'' if unreadable == 1 else 'es'} could not be read.".strip()
    return (Step(round=round_number, title="What the model marked, unverified", text=words),)
