"""Puts a case into words: claims with pending citations, the urgency, and a report grounded in boxes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from agent.domain import Differential, Finding, TriageDecision, strictest
from agent.evidence import Citation, Claim, Evidence
from agent.imaging import ImageFindings, Lesion, LesionLabel
from agent.wording import percent
from knowledge.ingest.sentences import sentence_spans
from knowledge.library import Library
from knowledge.reading.text import content
from tools.grounding import NAMES, largest, marked

MAX_CITED_CLAIMS = 6
CANDIDATE_PROBABILITY = 0.2
"""An alternative at least this probable lends the case its urgency: what cannot be missed counts before it is proven (ours)."""
_LESIONS = get_args(LesionLabel)
_HEADINGS = {
    "time_frame": "Time frame for {name}",
    "diagnosis": "Diagnosing {name}",
    "management": "Managing {name}",
    "monitoring": "Monitoring {name}",
    "screening": "Screening and {name}",
    "risk": "Risk in {name}",
    "document": "From your own documents on {name}",
}


def claims(differential: Differential, findings: Sequence[Finding], evidence: Sequence[Evidence]) -> tuple[Claim, ...]:
    """What the report asserts. The inference itself is Fovea's own and carries no citation; guidance carries its quotation."""
    if not differential:
        return ()
    first = differential[0]
    support = [f for f in findings if f.presence == "present" and f.source != "measurement"]
    basis = ", ".join(dict.fromkeys(f.name.lower() for f in support)) or "no specific finding"
    made = [Claim(text=f"Most likely {first.name} (probability {percent(first.probability)}), on: {basis}.")]
    named = {entry.concept_id: entry.name for entry in differential}
    about = sorted(evidence, key=lambda e: first.concept_id not in e.concepts)
    for passage in _first(_beside(about), MAX_CITED_CLAIMS):
        concept = next((c for c in (first.concept_id, *named) if c in passage.concepts and c in named), None)
        if concept is not None:
            heading = f"{_HEADINGS[passage.kind].format(name=named[concept])}{_differing(passage, about)}"
            words = quotation(passage, named[concept], support)
            made.append(Claim(heading=heading, text=words, citations=(Citation(key=passage.key, quote=words),)))
    return tuple(made)


def quotation(passage: Evidence, name: str, findings: Sequence[Finding]) -> str:
    """What is quoted: a statement whole, of a document's passage the sentence that says most about the condition and what was found."""
    if passage.locator is None:
        return passage.text
    sought = set(content(" ".join((name, *(f.name for f in findings if f.presence == "present")))))
    sentences = [passage.text[start:end] for start, end in sentence_spans(passage.text)]
    return max(sentences, key=lambda sentence: len(sought & set(content(sentence))), default=passage.text)


def _beside(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The evidence in its order, but each passage followed by those that dispute it."""
    pairs = ((passage, *(other for other in evidence if other.key in passage.disputes)) for passage in evidence)
    return list({passage.key: passage for pair in pairs for passage in pair}.values())


def _first(passages: Sequence[Evidence], count: int) -> Sequence[Evidence]:
    """The first passages, and those that dispute the last of them: a dispute is shown with both its sides."""
    while 0 < count < len(passages) and passages[count].key in passages[count - 1].disputes:
        count += 1
    return passages[:count]


def _differing(passage: Evidence, evidence: Sequence[Evidence]) -> str:
    """What tells the reader that another passage of the report says something else on the same matter."""
    if not any(other.key in passage.disputes for other in evidence):
        return ""
    return f", on which bodies differ ({passage.source.jurisdiction})"


def triage(floor: TriageDecision, differential: Differential, library: Library) -> TriageDecision:
    """The urgency: never below the rules' floor, raised by the diagnosis and by any candidate probable enough to matter.

    A time frame comes from a rule, whose conditions were checked; a guideline's sentence about the diagnosis has conditions that were not.
    """
    urgency, deciding = floor.urgency, ""
    for rank, entry in enumerate(differential):
        condition = library.condition.get(entry.concept_id)
        if condition is not None and (rank == 0 or entry.probability >= CANDIDATE_PROBABILITY):
            raised = strictest(urgency, condition.urgency)
            if raised != urgency or not deciding:
                urgency, deciding = raised, condition.name
    if floor.rules and urgency == floor.urgency:
        return floor
    words = f"{urgency}, by the atlas profile of {deciding}; no red-flag rule sets a time frame" if deciding else floor.time_frame
    return floor.model_copy(update={"urgency": urgency, "time_frame": words})


def grounded_report(images: Sequence[ImageFindings], differential: Differential, findings: Sequence[Finding]) -> str:
    """The report as text, but for its urgency, which is settled last.

    Every position is `<ref>…</ref><box>[[x1, y1, x2, y2]]</box>`, integers 0 to 999 (FundusExpert).
    """
    lines = [_image_line(image) for image in images]
    read = [f for f in findings if f.source in ("narrative", "second_reading")]
    if read:
        present = ", ".join(dict.fromkeys(f.name.lower() for f in read if f.presence != "absent"))
        absent = ", ".join(dict.fromkeys(f.name.lower() for f in read if f.presence == "absent"))
        lines.append(f"History and examination: {present or 'nothing positive'}." + (f" Denied or absent: {absent}." if absent else ""))
    if differential:
        shares = "; ".join(f"{_plain(entry.name)} ({percent(entry.probability)})" for entry in differential[:3])
        lines.append(f"Impression: {shares}.")
    return "\n".join(lines)


def urgency_line(decision: TriageDecision) -> str:
    """The grounded report's last line."""
    return f"Urgency: {decision.urgency} - {decision.time_frame}.".replace("..", ".")


def _plain(name: str) -> str:
    """A name without the brackets of the report's own markup: a model's words cannot draw boxes."""
    return name.translate(str.maketrans("<>[]", "()()"))


def _image_line(image: ImageFindings) -> str:
    head = f"Image {image.image.number}"
    if image.modality != "cfp":
        return f"{head}: {image.note or 'not a colour fundus photograph; not measured'}."
    side = f", {image.laterality} eye" if image.laterality in ("right", "left") else ""
    reasons = f" ({', '.join(image.gradability.reasons)})" if image.gradability.reasons else ""
    parts = [f"{head}: colour fundus photograph{side}, {image.gradability.status}{reasons}."]
    if image.optic_disc is not None:
        parts.append(f"{marked(NAMES['optic_disc'], [image.optic_disc])}.")
    for label in _LESIONS:
        lesions = [lesion for lesion in image.lesions if lesion.label == label]
        if lesions:
            shown = largest(lesion.box for lesion in lesions)
            more = f", {len(lesions)} in all" if len(lesions) > len(shown) else ""
            parts.append(f"{marked(NAMES[label], shown)}{more}{_nearest(image, lesions)}.")
    if not image.lesions:
        looked = [label for label in _LESIONS if label in image.image_level] or ["hard_exudate", "haemorrhage"]
        parts.append(f"No {' and no '.join(NAMES[label].lower() for label in looked)} was detected; other lesions are not looked for.")
    return " ".join(parts)


def _nearest(image: ImageFindings, lesions: Sequence[Lesion]) -> str:
    """How near the fovea the nearest of them comes; for hard exudates, which referral hangs on, with the fovea's uncertainty."""
    edges = [lesion.fovea_edge_dd for lesion in lesions if lesion.fovea_edge_dd is not None]
    if not edges:
        return ""
    spread = image.nearest_exudate_range_dd if lesions[0].label == "hard_exudate" else None
    between = f", {spread[0]:.1f} to {spread[1]:.1f} by its uncertainty" if spread else ""
    return f" (nearest edge {min(edges):.1f} disc diameters from the {image.fovea_source or 'estimated'} fovea{between})"
