"""What the tools take and give: flat values that a language model can read, with no field it would have to guess at."""

from __future__ import annotations

from pydantic import Field

from agent.domain import DISCLAIMER, AnswerOption, CaseReport, DifferentialEntry, Outcome, Urgency
from agent.evidence import Claim, Evidence, Verdict
from agent.imaging import ImageFindings
from agent.values import Value
from agent.wording import named


class Quotation(Value):
    """A passage that a claim quotes, and what the check of the quotation found (`supported` is the only good verdict)."""

    quote: str
    verdict: Verdict
    source: str


class ToldClaim(Value):
    """A sentence of the report. Without a supported quotation it is Fovea's own inference and must not be passed on as cited."""

    text: str
    cited: bool
    quotations: tuple[Quotation, ...] = ()


class RedFlag(Value):
    title: str
    urgency: Urgency
    time_frame: str
    because: tuple[str, ...]
    source: str


class Consultation(Value):
    """The outcome of a case. Always preliminary. Without a diagnosis `reasons` says why it goes to a human."""

    case_id: str
    outcome: Outcome
    reasons: tuple[str, ...]
    diagnosis: str | None
    differential: tuple[DifferentialEntry, ...]
    answer: str | None = Field(description="the letter chosen among the options, where there were any")
    urgency: Urgency
    time_frame: str
    red_flags: tuple[RedFlag, ...]
    claims: tuple[ToldClaim, ...]
    entropy: float | None = Field(description="how unsure the reasoner still is, nats; None where nothing could be reasoned on")
    threshold: float | None = Field(description="the entropy above which a case is thought over, nats")
    path: tuple[str, ...]
    images: tuple[ImageFindings, ...]
    report: str
    reasoner: str
    disclaimer: str = DISCLAIMER


class Passage(Value):
    """A guideline statement, or a passage of an ingested document. `outdated` says why it no longer holds; empty: it does."""

    key: str
    text: str
    source: str
    url: str
    jurisdiction: str
    strength: str = ""
    outdated: str = ""
    disputed_by: tuple[str, ...] = ()


class Option(Value):
    """An answer option of a multiple-choice question."""

    key: str = Field(pattern="^[A-Z]$")
    text: str = Field(min_length=1)

    def option(self) -> AnswerOption:
        return AnswerOption(key=self.key, text=self.text)


def told(report: CaseReport) -> Consultation:
    """A report as the tools tell it."""
    u = report.uncertainty
    return Consultation(
        case_id=report.case_id,
        outcome=report.outcome,
        reasons=report.reasons,
        diagnosis=report.diagnosis.name if report.diagnosis else None,
        differential=report.differential,
        answer=report.answer.letter if report.answer else None,
        urgency=report.triage.urgency,
        time_frame=report.triage.time_frame,
        red_flags=tuple(
            RedFlag(title=h.title, urgency=h.urgency, time_frame=h.time_frame, because=h.because, source=named(h.source))
            for h in report.triage.rules
        ),
        claims=tuple(_claim(claim) for claim in report.claims),
        entropy=u.entropy if u else None,
        threshold=u.threshold if u else None,
        path=report.path,
        images=report.images,
        report=report.grounded_report,
        reasoner=report.reasoner.statement,
    )


def passage(evidence: Evidence) -> Passage:
    """A piece of evidence as the tools tell it."""
    return Passage(
        key=evidence.key,
        text=evidence.text,
        source=named(evidence.source),
        url=evidence.source.url,
        jurisdiction=evidence.source.jurisdiction,
        strength=evidence.strength,
        outdated=evidence.outdated,
        disputed_by=evidence.disputes,
    )


def _claim(claim: Claim) -> ToldClaim:
    quoted = tuple(
        Quotation(quote=c.quote, verdict=c.verdict, source=f"{named(c.source)} {c.source.url}" if c.source else "unknown")
        for c in claim.citations
    )
    return ToldClaim(text=claim.text, cited=claim.supported, quotations=quoted)

