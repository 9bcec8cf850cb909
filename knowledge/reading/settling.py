"""Of many mentions of one finding, the one that counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from agent.domain import Finding
from agent.values import Presence
from knowledge.reading.quantity import Kind

_ORDER: dict[Presence, int] = {"present": 2, "possible": 1, "absent": 0}
_MEASURES = frozenset(get_args(Kind))


def _rank(finding: Finding) -> tuple[int, bool, float]:
    return _ORDER[finding.presence], finding.course != "past", finding.weight


def settled(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding per id, and per value for measurements: present beats possible beats absent, now beats long ago, and of those the
    heaviest first mention is kept.

    A thing said to be present in one eye and absent in the other is present.
    """
    best: dict[tuple[str, float | None, str], Finding] = {}
    for finding in found:
        measured = finding.source == "measurement" and finding.finding_id in _MEASURES
        place = (finding.finding_id, finding.value if measured else None, finding.laterality if measured else "")
        old = best.get(place)
        if old is None or _rank(finding) > _rank(old):
            best[place] = finding
            continue
        alike = old.presence == finding.presence and (old.course == "past") == (finding.course == "past")
        if alike and {old.laterality, finding.laterality} == {"right", "left"}:
            best[place] = old.model_copy(update={"laterality": "both"})
    return tuple(sorted(best.values(), key=lambda f: (f.start is None, f.start or 0, f.finding_id)))
