"""A conversation as a document to keep: Markdown, and PDF with the numbered photographs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any

from agent.conversation.values import Reply
from agent.domain import DISCLAIMER, CaseReport
from agent.ports import ImageStore
from agent.service import footnotes
from agent.wording import named, percent, plain_text

WIDEST = 1600
"""Pixels of a photograph in a PDF."""


def markdown(replies: Sequence[Reply]) -> str:
    """Every answer with its footnotes, the last state of the case first."""
    if not replies:
        return ""
    report = replies[-1].report
    parts = [f"# {report.case_id}", f"**{_outcome(report)}**", f"Urgency: {report.triage.urgency}, {report.triage.time_frame}"]
    parts += [f"> **Red flag: {hit.title}.** {'; '.join(hit.because)}. {named(hit.source)}" for hit in report.triage.rules]
    if report.differential:
        parts.append("\n".join(f"- {e.name}{f' ({e.icd10})' if e.icd10 else ''}: {percent(e.probability)}" for e in report.differential))
    for reply in replies:
        # Each answer counts its footnotes from 1; in one document they need names of their own.
        text = footnotes.markdown(reply).replace("[^", f"[^{reply.turn}-")
        parts.append(f"## Answer {reply.turn}\n\n{text.replace(DISCLAIMER, '').rstrip().rstrip('*_>').rstrip()}")
    return "\n\n".join([*parts, f"*{report.reasoner.statement}*", f"*{DISCLAIMER}*", ""])


def pdf(replies: Sequence[Reply], images: ImageStore) -> bytes:
    """The same as an A4 document, with every measured photograph and its numbered lesions."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    report, styles, out = replies[-1].report, _styles(), io.BytesIO()
    story: list[Any] = [Paragraph(_words(_outcome(report)), styles["title"])]
    story.append(Paragraph(_words(f"{report.triage.urgency.upper()}: {report.triage.time_frame}"), styles["strong"]))
    for hit in report.triage.rules:
        style = styles["flag" if hit.urgency in ("urgent", "emergency") else "body"]
        words = f"Red flag: {hit.title} ({hit.urgency}, {hit.time_frame}). Because: {'; '.join(hit.because)}. {named(hit.source)}"
        story.append(Paragraph(_words(words), style))
    story += [Paragraph(_words(f"• {reason}"), styles["body"]) for reason in report.reasons]
    story += [Paragraph(_words(f"{e.name}: {percent(e.probability)}"), styles["body"]) for e in report.differential[:6]]
    story += _pictures(report, images, A4[0] - 40 * mm)
    for reply in replies:
        story.append(Paragraph(f"Answer {reply.turn}", styles["heading"]))
        story += [Paragraph(_words(line.lstrip("#> ").replace("**", "")), styles["body"]) for line in reply.text.split("\n") if line.strip()]
        for number, citations in enumerate(footnotes.cited_claims(reply), 1):
            for citation in citations:
                source = f"{named(citation.source)}. {citation.source.url}" if citation.source else citation.key
                story.append(Paragraph(_words(f"[{number}] “{citation.quote}” {source}"), styles["note"]))
    story += [Spacer(1, 4 * mm), Paragraph(_words(f"{report.reasoner.statement} {DISCLAIMER}"), styles["note"])]
    title = f"Fovea {report.case_id}"
    document = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=20 * mm, rightMargin=20 * mm, topMargin=18 * mm, bottomMargin=18 * mm, title=title, author="Fovea"
    )

    def foot(canvas: Any, _: Any) -> None:
        canvas.setFont(_fonts(), 7)
        canvas.drawString(20 * mm, 10 * mm, f"{title}. Preliminary, not a medical device. Page {canvas.getPageNumber()}")

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _pictures(report: CaseReport, images: ImageStore, width: float) -> list[Any]:
    from reportlab.platypus import Image

    from tools.overlay import draw

    story = []
    for seen in report.images:
        pixels = images.pixels(seen.image.sha256)
        drawn = draw(pixels, seen) if seen.modality == "cfp" else pixels.copy()
        drawn.thumbnail((WIDEST, WIDEST))
        file = io.BytesIO()
        drawn.convert("RGB").save(file, "JPEG", quality=88)
        file.seek(0)
        share = min(1.0, 300 / (width * drawn.height / drawn.width))
        story.append(Image(file, width=width * share, height=width * share * drawn.height / drawn.width))
    return story


def _outcome(report: CaseReport) -> str:
    if report.diagnosis is not None:
        return f"{report.diagnosis.name} ({percent(report.diagnosis.probability)})"
    return "Ungradable: the images cannot be judged" if report.outcome == "ungradable" else "Referred to a human: no diagnosis is given"


def _words(text: str) -> str:
    """Text as a paragraph of reportlab's, in letters that its typeface has; others are named rather than left out."""
    import unicodedata

    known = _letters()
    spelt = "".join(c if ord(c) in known else f"[{unicodedata.name(c, 'unknown letter').lower()}]" for c in plain_text(text))
    return escape(spelt, quote=False)


@cache
def _fonts() -> str:
    """Registers the typeface reportlab ships (Bitstream Vera) and returns its name."""
    import os

    import reportlab
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = os.path.join(os.path.dirname(reportlab.__file__), "fonts")
    pdfmetrics.registerFont(TTFont("Vera", os.path.join(folder, "Vera.ttf")))
    pdfmetrics.registerFont(TTFont("VeraBd", os.path.join(folder, "VeraBd.ttf")))
    return "Vera"


@cache
def _letters() -> frozenset[int]:
    from reportlab.pdfbase import pdfmetrics

    return frozenset(pdfmetrics.getFont(_fonts()).face.charToGlyph)


def _styles() -> dict[str, Any]:
    from reportlab.lib.colors import HexColor, white
    from reportlab.lib.styles import ParagraphStyle

    body = ParagraphStyle("body", fontName=_fonts(), fontSize=9.5, leading=13.5, spaceAfter=3)
    return {
        "body": body,
        "title": ParagraphStyle("title", body, fontName="VeraBd", fontSize=15, leading=20),
        "strong": ParagraphStyle("strong", body, fontName="VeraBd"),
        "heading": ParagraphStyle("heading", body, fontName="VeraBd", fontSize=11, leading=15, spaceBefore=8),
        "flag": ParagraphStyle("flag", body, textColor=white, backColor=HexColor("#a3150e"), borderPadding=5, spaceBefore=6, spaceAfter=8),
        "note": ParagraphStyle("note", body, fontSize=7.5, leading=10.5, textColor=HexColor("#44555e")),
    }
