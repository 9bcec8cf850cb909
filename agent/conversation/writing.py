"""A turn's reply in Markdown. What comes from a narrative, a model or a document is shown as harmless text: no mark, no markup."""

from __future__ import annotations

from agent.conversation.answering import lines
from agent.conversation.explaining import harmless, urgency
from agent.conversation.values import Change, Question
from agent.domain import CaseReport
from agent.wording import percent
from tools.language import READ_LANGUAGES, detect

SHOWN_CANDIDATES = 4
QUOTED = 160
"""Characters of a turn that a reply repeats."""


def walked(report: CaseReport, change: Change | None) -> str:
    """What a walk brought, after what it changed."""
    parts = [f"**What changed.** {harmless(change.summary)}"] if change is not None else []
    parts.append(_headline(report))
    parts.append(urgency(report))
    if report.answer is not None:
        parts.append(f"Answer **{report.answer.letter}**: {harmless(report.answer.text)} ({harmless(report.answer.note)})")
    if report.differential:
        shares = "\n".join(f"- {harmless(e.name)}: {percent(e.probability)}" for e in report.differential[:SHOWN_CANDIDATES])
        parts.append(f"Differential:\n{shares}")
    if report.uncertainty is not None:
        u = report.uncertainty
        parts.append(f"Uncertainty {u.entropy:.2f} nats, threshold {u.threshold:.2f}; {u.rounds} of {u.depth} rounds of deliberation.")
    if report.claims:
        parts.append("\n".join(lines(report.claims)))
    reused = [note for note in report.notes if "re-used" in note]
    parts += [f"*{harmless(note)}.*" for note in reused]
    return "\n\n".join(parts)


def _headline(report: CaseReport) -> str:
    if report.diagnosis is not None:
        return f"Most likely **{harmless(report.diagnosis.name)}** ({percent(report.diagnosis.probability)}); preliminary."
    title = "**Ungradable**: the images cannot be judged." if report.outcome == "ungradable" else "**Refer to a human**: no diagnosis is given."
    return title + "".join(f"\n- {harmless(reason)}" for reason in report.reasons)


def not_known(question: Question) -> str:
    return f"Noted as not known: {question.name}. It will not be asked again."


def unread(text: str) -> str:
    """What could not be read, said so that nobody believes it was."""
    shown = harmless(" ".join(text.split()))
    shown = shown if len(shown) <= QUOTED else f"{shown[:QUOTED]}…"
    language = detect(text)
    if language not in READ_LANGUAGES:
        return (
            f"“{shown}” seems to be in language {language!r}: it was not read, and no red-flag rule could be applied to it. "
            "It is kept with the case; say it in English, or have a human triage it."
        )
    return f"In “{shown}” I could read no finding, value or age. It is kept with the case as it stands and changes nothing by itself."


def numbers(found: tuple[str, ...]) -> str:
    several = len(found) > 1
    return (
        f"The number{'s' if several else ''} {', '.join(found)} {'were' if several else 'was'} read as no value: say what "
        f"{'each' if several else 'it'} is, as in “ESR 80 mm/h”."
    )


def answered(question: str, text: str) -> str:
    return f"**{harmless(' '.join(question.split()))}**\n\n{text}"


def nothing_said() -> str:
    return "Nothing new was said: the case stands as it was."
