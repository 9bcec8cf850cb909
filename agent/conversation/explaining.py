"""Answers from the case itself, in words that follow from its report and the library: no model is asked and nothing is invented. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agent.domain import CaseReport, Finding, RuleHit
from agent.imaging import ImageFindings, Lesion
from agent.values import Presence
from agent.wording import named, percent, plain_text
from knowledge.library import NAMES_PREFIX, Library
from knowledge.schema import Condition

LEVELS = {"hallmark": "nearly always", "common": "often", "occasional": "sometimes", "rare": "rarely", "never": "practically never"}
"""The library's levels in words."""
BACKGROUND = "no more often than in anyone"
SHOWN_FINDINGS = 8
SHOWN_LESIONS = 6


_OPENING, _CLOSING = re.compile(r"<(?!\d)"), re.compile(r"(?<!\s)>|>(?!\s?\d)")
"""Angle brackets that could be markup; those before a number compare."""


def harmless(text: str) -> str:
    """Text from outside inside a reply: it draws no mark, no link and no element.

    >>> harmless("pain [1] <b> <1 %")
    'pain (1) (b) <1 %'
    """
    plain = plain_text(text, keep="\n").translate(str.maketrans("[]`", "()'"))
    return _CLOSING.sub(")", _OPENING.sub("(", plain))


def versus(report: CaseReport, condition: Condition, library: Library) -> str:
    """A condition held against the leading candidate on every finding that tells them apart, and what is not known that would."""
    place = {entry.concept_id: (rank, entry) for rank, entry in enumerate(report.differential, 1)}
    rank, entry = place.get(condition.id, (0, None))
    stands = f"is number {rank} of the differential with {percent(entry.probability)}" if entry else "is not among the candidates of this case"
    lines = [f"**{condition.name}** {stands}."]
    leading = next((library.condition[e.concept_id] for e in report.differential if e.concept_id in library.condition), None)
    if leading is None:
        return f"{lines[0]} There is no leading candidate to hold it against."
    if leading.id == condition.id:
        leading = next((library.condition[e.concept_id] for e in report.differential[1:] if e.concept_id in library.condition), None)
        if leading is None:
            return f"{lines[0]} It is the only candidate."
        lines[0] = f"**{condition.name}** leads with {percent(entry.probability) if entry else ''}; held here against {leading.name}."
    known = _known(report.findings, library)
    compared = [(name, presence, _level(condition, f, library), _level(leading, f, library)) for f, name, presence in known]
    telling = [row for row in compared if row[2] != row[3]]
    against = [_row(row, condition, leading) for row in telling if _speaks(row) < 0]
    support = [_row(row, condition, leading) for row in telling if _speaks(row) > 0]
    for title, rows in ((f"Against it, compared with {leading.name}", against), ("For it", support)):
        if rows:
            lines.append(f"{title}:\n" + "\n".join(f"- {row}" for row in rows[:SHOWN_FINDINGS]))
    if not telling:
        lines.append(f"Nothing that is known of the patient tells it from {leading.name}.")
    missing = _missing(condition, leading, {f for f, _, _ in known}, library)
    if missing:
        lines.append("Not known, and would help to tell them apart:\n" + "\n".join(f"- {row}" for row in missing))
    return "\n\n".join(lines)


_Row = tuple[str, Presence, str, str]
_ORDER = ("never", "background", "rare", "occasional", "common", "hallmark")


def _known(findings: Iterable[Finding], library: Library) -> list[tuple[str, str, Presence]]:
    known: dict[str, tuple[str, str, Presence]] = {}
    for f in findings:
        if f.finding_id in library.finding and f.finding_id not in known:
            known[f.finding_id] = (f.finding_id, library.finding[f.finding_id].name, f.presence)
    return list(known.values())


def _level(condition: Condition, finding: str, library: Library) -> str:
    """How often a finding, or the nearest more general one that the condition lists, is there in a condition."""
    queue = [finding]
    for each in queue:  # grows while it is walked
        for level, names in condition.findings.items():
            if each in names:
                return level
        queue += [general for general in library.finding[each].implies if general not in queue]
    return "background"


def _speaks(row: _Row) -> int:
    _, presence, ours, theirs = row
    step = _ORDER.index(ours) - _ORDER.index(theirs)
    return -step if presence == "absent" else step


def _row(row: _Row, condition: Condition, leading: Condition) -> str:
    name, presence, ours, theirs = row
    head = {"present": name, "possible": f"{name} (possible)", "absent": f"no {name}"}[presence]
    return f"{head}: seen {_often(ours)} in {condition.name}, {_often(theirs)} in {leading.name}"


def _often(level: str) -> str:
    return LEVELS.get(level, BACKGROUND)


def _missing(condition: Condition, leading: Condition, known: set[str], library: Library) -> list[str]:
    pairs = ((condition, leading), (leading, condition))
    rows = [
        f"{library.finding[d.finding].name}, for {one.name}: {d.text}"
        for one, other in pairs
        for d in one.discriminators
        if d.against == other.id and d.finding not in known
    ]
    if rows:
        return rows
    typical = [f for f in condition.findings.get("hallmark", ()) if f not in known and _level(leading, f, library) != "hallmark"]
    return [f"{library.finding[f].name}: nearly always in {condition.name}" for f in typical[:3]]


def urgency(report: CaseReport) -> str:
    """Why the case has its urgency: the rules that fired, on which words, and their sources; or that none did."""
    triage = report.triage
    lines = [f"The urgency is **{triage.urgency}**: {triage.time_frame.removeprefix(f'{triage.urgency}, ')}."]
    if triage.rules:
        lines.append("Red-flag rules that fired:")
        lines += [f"- **{hit.title}** ({hit.urgency}): {hit.time_frame}. {_because(hit)}" for hit in triage.rules]
        lines.append("A rule that has fired in a case stays fired: what is added later can raise the urgency, not lower it below this.")
    else:
        lines.append("No red-flag rule fired on what is known; new symptoms change that.")
    return "\n".join(lines)


def _because(hit: RuleHit) -> str:
    return f"Because of: {harmless('; '.join(hit.because))}. Source: {named(hit.source)}, <{hit.source.url}>"


def doubt(report: CaseReport) -> str:
    """How sure the answer is, against which threshold, and why it was or was not given."""
    u = report.uncertainty
    lines = []
    if u is None:
        lines.append("No uncertainty was measured: nothing that bears on a diagnosis was read or seen.")
    else:
        side = "above" if u.uncertain else "not above"
        lines.append(
            f"The uncertainty is {u.entropy:.2f} nats ({u.method}), {side} the threshold of {u.threshold:.2f}; the first pass had "
            f"{u.initial_entropy:.2f}. {u.rounds} of {u.depth} rounds of deliberation were walked."
        )
        if u.disagreement:
            lines.append(f"{u.disagreement:.2f} nats of it are disagreement between what was seen on the images and the answer.")
    if report.differential:
        shares = "; ".join(f"{harmless(e.name)} {percent(e.probability)}" for e in report.differential[:4])
        rest = max(0.0, 1 - sum(e.probability for e in report.differential))
        lines.append(f"The candidates: {shares}; something not listed {percent(rest)}.")
    if report.reasons:
        lines.append("No diagnosis is given, because:\n" + "\n".join(f"- {harmless(reason)}" for reason in report.reasons))
    return "\n\n".join(lines)


def images(report: CaseReport) -> str:
    """What the localizer saw on each image, and where."""
    if not report.images:
        return "This case has no image: nothing was localized."
    return "\n\n".join(_image(image) for image in report.images)


def _image(image: ImageFindings) -> str:
    eye = f", {image.laterality} eye" if image.laterality in ("right", "left") else ""
    if image.modality != "cfp":
        return f"**Image {image.image.number}**{eye}: {image.note or 'not a colour fundus photograph; not measured'}"
    reasons = f" ({', '.join(image.gradability.reasons)})" if image.gradability.reasons else ""
    head = f"**Image {image.image.number}**{eye}, colour fundus photograph, {image.gradability.status}{reasons}"
    lines = [f"{head}: {_counts(image)}."]
    lines += [f"- {_lesion(lesion)}" for lesion in sorted(image.lesions, key=lambda lesion: -lesion.score)[:SHOWN_LESIONS]]
    if len(image.lesions) > SHOWN_LESIONS:
        lines.append(f"- and {len(image.lesions) - SHOWN_LESIONS} more, numbered on the overlay")
    if image.image_level:
        chances = ", ".join(f"{_plain(label)} {percent(chance)}" for label, chance in image.image_level.items())
        lines.append(f"- chance that the photograph holds: {chances}")
    if image.nearest_exudate_dd is not None:
        lines.append(f"- nearest hard exudate {image.nearest_exudate_dd:.1f} disc diameters from the {image.fovea_source or 'estimated'} fovea")
    return "\n".join(lines)


def _counts(image: ImageFindings) -> str:
    counts = [f"{sum(q.values())} {_plain(label)}" for label, q in image.counts.items()]
    return ", ".join(counts) or "no lesion was boxed; others than those the detector knows are not looked for"


def _lesion(lesion: Lesion) -> str:
    place = f" in the {_plain(lesion.quadrant)} quadrant" if lesion.quadrant else ""
    away = f", {lesion.fovea_distance_dd:.1f} disc diameters from the fovea" if lesion.fovea_distance_dd is not None else ""
    return f"number {lesion.number}, {_plain(lesion.label)} (score {lesion.score:.2f}){place}{away}, box {list(lesion.box.to_999())} of 999"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def support(report: CaseReport, library: Library) -> str:
    """The diagnosis, and what speaks for it: each known finding with how often it is seen there."""
    leading = next((library.condition[e.concept_id] for e in report.differential if e.concept_id in library.condition), None)
    if leading is None:
        return ""
    rows = []
    for finding, name, presence in _known(report.findings, library):
        level = _level(leading, finding, library)
        if presence != "absent" and level in ("hallmark", "common", "occasional"):
            rows.append(f"- {name}: seen {_often(level)} in {leading.name}")
    head = f"Most likely **{leading.name}** ({percent(report.differential[0].probability)})."
    return f"{head} What speaks for it:\n" + "\n".join(rows) if rows else head


def unheard(found: Sequence[Finding], report: CaseReport) -> str:
    """Facts inside a question are not taken as facts; what they would add is told."""
    known = {f.finding_id for f in report.findings}
    new = [f for f in found if f.finding_id not in known and not f.finding_id.startswith(NAMES_PREFIX) and f.presence == "present"]
    values = [f.quote for f in new if f.source == "measurement"] or [f.name for f in new]
    if not values:
        return ""
    return f"The question mentions {harmless(', '.join(dict.fromkeys(values)))}, which the case does not hold: state it as a fact if it is one."
