"""Evaluates red-flag rules: data against findings and measurements. Rules run before any model and can only raise urgency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agent.domain import Demographics, Finding, RuleHit, TriageDecision, strictest
from agent.evidence import Source
from knowledge.library import Library
from knowledge.schema import Document, Measure, Rule, When

NO_FRAME = "no red-flag rule applies"
_ONSETS = frozenset(("sudden_onset", "subacute_onset", "rapid_progression"))
"""Findings of course: they count for a sign only when both are not of different eyes."""


class RedFlags:
    """The rules of a library, ready to be asked."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def evaluate(self, findings: Sequence[Finding], who: Demographics) -> tuple[RuleHit, ...]:
        """Every rule that fires, the most urgent first. Findings that are possible count like present ones: a flag must not be missed."""
        known = self._known(findings)
        hits = [hit for rule in self._library.rules if (hit := self._fired(rule, known, findings, who)) is not None]
        order = ("emergency", "urgent", "soon", "routine")
        return tuple(sorted(hits, key=lambda h: (order.index(h.urgency), h.rule_id)))

    def _known(self, findings: Sequence[Finding]) -> dict[str, Finding]:
        """What is not absent and not over long ago, by id, with every more general finding it implies: a severe pain is a pain."""
        known: dict[str, Finding] = {}
        queue = [(f.finding_id, f) for f in findings if f.presence != "absent" and f.course != "past"]
        for finding_id, finding in queue:  # grows while it is walked
            if finding_id not in known:
                known[finding_id] = finding
                entry = self._library.finding.get(finding_id)
                queue += [(general, finding) for general in entry.implies] if entry else []
        return known

    def _fired(self, rule: Rule, known: Mapping[str, Finding], findings: Sequence[Finding], who: Demographics) -> RuleHit | None:
        for when in rule.when:
            because = _because(when, known, findings, who)
            if because is not None:
                document = self._library.document[rule.document]
                return RuleHit(
                    rule_id=rule.id,
                    title=rule.title,
                    urgency=rule.urgency,
                    time_frame=rule.time_frame,
                    because=because,
                    source=source_of(document, rule.section),
                )
        return None


def floor(hits: Iterable[RuleHit]) -> TriageDecision:
    """The strictest of the rules, with all of them and their sources shown."""
    hits = tuple(hits)
    urgency = strictest(*(hit.urgency for hit in hits))
    frames = dict.fromkeys(hit.time_frame for hit in hits if hit.urgency == urgency)
    sources = dict.fromkeys(hit.source for hit in hits)
    return TriageDecision(urgency=urgency, floor=urgency, time_frame="; ".join(frames) or NO_FRAME, rules=hits, sources=tuple(sources))


def source_of(document: Document, section: str) -> Source:
    return Source(
        organisation=document.organisation,
        title=document.title,
        year=document.year,
        section=section,
        url=document.url,
        jurisdiction=document.jurisdiction,
    )


def _because(when: When, known: Mapping[str, Finding], findings: Sequence[Finding], who: Demographics) -> tuple[str, ...] | None:
    """The words and values that make this alternative true, or None."""
    if any(name in known for name in when.none) or any(name not in known for name in when.all):
        return None
    some = [name for name in when.any if name in known]
    if when.any and len(some) < when.count:
        return None
    if not _belong_together(when, some, known):
        return None
    measured: list[str] = []
    for measure in when.measures:
        value = _measured(measure, findings, who)
        if value is None:
            return None
        measured.append(value)
    reasons = [known[name].quote or known[name].name for name in (*when.all, *some)]
    return tuple(dict.fromkeys((*reasons, *measured)))


def _belong_together(when: When, some: Sequence[str], known: Mapping[str, Finding]) -> bool:
    """Whether no onset that the alternative needs is that of the other eye: old poor sight on the right and a sudden change on the left
    are no sudden loss. A side that is not stated holds nothing back, and neither does an onset that `any` can do without."""
    signs = [known[name].laterality for name in when.all if name not in _ONSETS]
    if any(_opposed(signs, known[name].laterality) for name in when.all if name in _ONSETS):
        return False
    fitting = [name for name in some if not (name in _ONSETS and _opposed(signs, known[name].laterality))]
    return not when.any or len(fitting) >= when.count


def _opposed(signs: Sequence[str], onset: str) -> bool:
    return onset in ("right", "left") and bool(signs) and all(side in ("right", "left") and side != onset for side in signs)


def _measured(measure: Measure, findings: Sequence[Finding], who: Demographics) -> str | None:
    """The value that meets the bounds, in words; for measures of both eyes any eye will do."""
    if measure.measure == "age":
        values = [(who.age, f"age {who.age:g}")] if who.age is not None else []
    else:
        now = (f for f in findings if f.finding_id == measure.measure and f.course != "past")
        values = [(f.value, f.quote or f"{f.name} {f.value:g}") for f in now if f.value is not None]
    for value, words in values:
        if (measure.at_least is None or value >= measure.at_least) and (measure.below is None or value < measure.below):
            return words
    return None
