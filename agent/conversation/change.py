"""What a walk changed against the one before it: diagnosis, probabilities, urgency, findings and rules. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.conversation.values import Change, FindingChange, Moved
from agent.domain import URGENCIES, CaseReport, DifferentialEntry, Finding
from agent.values import Presence
from agent.wording import percent

MOVED = 0.01
"""Probabilities that moved by less than this are not told (ours)."""
TOLD = 3
_STRENGTH: dict[Presence, int] = {"absent": 0, "possible": 1, "present": 2}


def change(before: CaseReport, after: CaseReport) -> Change:
    """The difference, with its summary in words."""
    findings = _findings(before.findings, after.findings)
    fired = {hit.rule_id for hit in before.triage.rules}
    rules = tuple(hit for hit in after.triage.rules if hit.rule_id not in fired)
    moved = _moved(before, after)
    made = Change(
        diagnosis_before=before.diagnosis,
        diagnosis_after=after.diagnosis,
        probabilities=moved,
        urgency_before=before.triage.urgency,
        urgency_after=after.triage.urgency,
        time_frame_before=before.triage.time_frame,
        time_frame_after=after.triage.time_frame,
        findings=findings,
        rules=rules,
        summary="",
    )
    return made.model_copy(update={"summary": _summary(made)})


def _moved(before: CaseReport, after: CaseReport) -> tuple[Moved, ...]:
    """The probabilities that moved, the furthest first."""
    old, new = ({entry.concept_id: entry for entry in report.differential} for report in (before, after))
    names = {concept: entry.name for entries in (old, new) for concept, entry in entries.items()}
    moved = [
        Moved(concept_id=concept, name=name, before=_share(old.get(concept)), after=_share(new.get(concept)))
        for concept, name in names.items()
    ]
    told = [m for m in moved if abs((m.after or 0.0) - (m.before or 0.0)) >= MOVED]
    return tuple(sorted(told, key=lambda m: (-abs((m.after or 0.0) - (m.before or 0.0)), m.concept_id)))


def _share(entry: DifferentialEntry | None) -> float | None:
    return entry.probability if entry is not None else None


def _findings(before: Sequence[Finding], after: Sequence[Finding]) -> tuple[FindingChange, ...]:
    """Findings and values that are new, or whose presence is another. Values of one measure are told apart by value."""
    old = _strongest(before)
    changed = []
    for key, finding in _strongest(after).items():
        earlier = old.get(key)
        if earlier is None or earlier.presence != finding.presence:
            name = finding.name if finding.finding_id != finding.name.replace(" ", "_") or finding.value is None else finding.quote.strip()
            known = earlier.presence if earlier is not None else None
            changed.append(FindingChange(finding_id=finding.finding_id, name=name, before=known, after=finding.presence))
    return tuple(changed)


def _strongest(findings: Sequence[Finding]) -> dict[tuple[str, float | None], Finding]:
    best: dict[tuple[str, float | None], Finding] = {}
    for finding in findings:
        value = finding.value if finding.finding_id == finding.name.replace(" ", "_") else None
        key = (finding.finding_id, value)
        if key not in best or _STRENGTH[finding.presence] > _STRENGTH[best[key].presence]:
            best[key] = finding
    return best


def _summary(c: Change) -> str:
    parts = [_known(c), _diagnosis(c)]
    if c.probabilities:
        parts.append("; ".join(_from_to(m) for m in c.probabilities[:TOLD]) + ".")
    parts.append(_urgency(c))
    if c.rules:
        fired = "; ".join(f"{hit.title} (because: {', '.join(hit.because)})" for hit in c.rules)
        parts.append(f"Red flags newly raised: {fired}.")
    return " ".join(part for part in parts if part)


def _known(c: Change) -> str:
    if not c.findings:
        return "No finding is new."
    words = {"present": "", "possible": " (possible)", "absent": " (absent)"}
    return f"New: {'; '.join(f'{f.name}{words[f.after]}' for f in c.findings)}."


def _diagnosis(c: Change) -> str:
    before, after = c.diagnosis_before, c.diagnosis_after
    if before is None and after is None:
        return "There is still no diagnosis."
    if before is None and after is not None:
        return f"There is a diagnosis now: {after.name}."
    if before is not None and after is None:
        return f"{before.name} is no longer given as the diagnosis: the case goes to a human."
    assert before is not None
    assert after is not None
    if before.concept_id != after.concept_id:
        return f"The diagnosis changes from {before.name} to {after.name}."
    return f"The diagnosis stays {after.name}."


def _from_to(moved: Moved) -> str:
    before = percent(moved.before) if moved.before is not None else "not listed"
    after = percent(moved.after) if moved.after is not None else "no longer listed"
    return f"{moved.name}: {before} → {after}"


def _urgency(c: Change) -> str:
    if c.urgency_before == c.urgency_after:
        frame = f": {c.time_frame_after}" if c.time_frame_before != c.time_frame_after else ""
        return f"The urgency stays {c.urgency_after}{frame}."
    raised = URGENCIES.index(c.urgency_after) > URGENCIES.index(c.urgency_before)
    return f"The urgency {'rises' if raised else 'falls'} from {c.urgency_before} to {c.urgency_after}: {c.time_frame_after}."
