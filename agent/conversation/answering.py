"""Answers a question about a case without a new walk, from its findings, differential and the guidelines. Claims are verified each turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.citations import verified
from agent.composition import quotation
from agent.conversation import explaining
from agent.conversation.intents import Asked, understood
from agent.deps import Deps
from agent.domain import CaseReport
from agent.evidence import Citation, Claim, Evidence
from agent.wording import named
from knowledge.reading.text import content
from knowledge.retrieval.asking import KIND_CUES

OWN, UNVERIFIED = "(uncited: Fovea's own inference)", "(uncited: its quotation could not be verified)"
ABOVE = "The urgency and the rules behind it stand above; the guidelines say of it:"
PASSAGES = 4
"""Statements quoted in one answer."""
SEARCHED = 12
NOTHING = (
    "I find nothing on this in the case or in the guidelines I hold. I do not answer from anywhere else: ask a colleague, or add the document "
    "that covers it with `fovea knowledge ingest`."
)
_EMPTY = frozenset(
    content(
        "what should do next else for this patient the case here is are now about a an of with anything how guideline guidelines recommend "
        "recommended say says done doing be can could we i you me tell step steps plan proceed happen"
    )
)
"""Words of a question that say nothing of what it is about."""


class Answered:
    """The words of an answer, and the claims it rests on, verified."""

    def __init__(self, text: str, claims: tuple[Claim, ...]) -> None:
        self.text, self.claims = text, claims


def answer(question: str, report: CaseReport, deps: Deps, first: int = 1, *, walked: bool = False) -> Answered:
    """One question; marks [n] in its text count from `first`. `walked`: the reply has just told the urgency with its rules.

    Blocking: free-text search runs an embedding model.
    """
    asked = understood(question, report.differential, deps.library, deps.reader)
    words = ABOVE if walked and asked.intent == "urgency" else _own_words(asked, report, deps)
    evidence = _evidence(question, asked, report, deps)
    claims = checked([_claim(e, report, deps) for e in evidence], evidence, deps)
    cited = "\n".join(lines(claims, first))
    hint = explaining.unheard(deps.reader.read(question).findings, report)
    return Answered("\n\n".join(part for part in (words or ("" if cited else NOTHING), cited, hint) if part), claims)


def of_the_case(question: str, report: CaseReport, deps: Deps) -> bool:
    """Whether a question is about this case's own answer, beyond what its report says anyway."""
    return understood(question, report.differential, deps.library, deps.reader).intent in ("versus", "urgency", "doubt", "images")


def checked(claims: Sequence[Claim], evidence: Sequence[Evidence], deps: Deps) -> tuple[Claim, ...]:
    """Every citation checked against its passage, exactly as the stage `verify` does."""
    shown = {e.key: e for e in evidence}
    return tuple(verified(claim, deps.retriever.passage, shown, deps.meanings) for claim in claims)


def lines(claims: Iterable[Claim], first: int = 1) -> list[str]:
    """Each claim as a line: with its mark where a citation is supported, called uncited, and why, where none is."""
    told, number = [], first
    for claim in claims:
        head = f"{claim.heading}: " if claim.heading else ""
        mark = f"[{number}]" if claim.supported else UNVERIFIED if claim.citations else OWN
        told.append(f"- {explaining.harmless(head + claim.text)} {mark}")
        number += claim.supported
    return told


def _claim(evidence: Evidence, report: CaseReport, deps: Deps) -> Claim:
    names = {**{c: deps.library.condition[c].name for c in evidence.concepts if c in deps.library.condition}}
    name = next((names[e.concept_id] for e in report.differential if e.concept_id in names), next(iter(names.values()), ""))
    words = quotation(evidence, name, report.findings)
    source = named(evidence.source.model_copy(update={"section": ""}))
    return Claim(heading=f"{name}, {source}" if name else source, text=words, citations=(Citation(key=evidence.key, quote=words),))


def _own_words(asked: Asked, report: CaseReport, deps: Deps) -> str:
    """What the case itself answers."""
    match asked.intent:
        case "versus":
            return "\n\n".join(explaining.versus(report, deps.library.condition[c], deps.library) for c in asked.conditions)
        case "urgency":
            return explaining.urgency(report)
        case "doubt":
            return explaining.doubt(report)
        case "images":
            return explaining.images(report)
        case "diagnosis":
            return explaining.support(report, deps.library) if report.diagnosis is not None else explaining.doubt(report)
        case "guidelines":
            return ""


def _evidence(question: str, asked: Asked, report: CaseReport, deps: Deps) -> tuple[Evidence, ...]:
    """The statements that go with an answer; those that dispute one of them follow it."""
    leading = tuple(e.concept_id for e in report.differential[:1])
    found: Sequence[Evidence]
    match asked.intent:
        case "versus":
            wanted = tuple(dict.fromkeys((*asked.conditions, *leading)))
            found = deps.retriever.for_concepts(wanted, SEARCHED)
            chosen = _of_each([e for e in found if e.kind == "diagnosis"], wanted)
        case "urgency":
            found = deps.retriever.for_concepts(asked.conditions or leading, SEARCHED)
            chosen = [e for e in found if e.kind == "time_frame"]
        case "diagnosis":
            found = deps.retriever.for_concepts(leading, SEARCHED)
            chosen = [e for e in found if e.kind == "diagnosis"]
        case "guidelines":
            found, chosen = _searched(question, asked, leading, deps)
        case "doubt" | "images":
            return ()
    kept = chosen[:PASSAGES]
    about = {concept for e in kept for concept in e.concepts if concept in (*asked.conditions, *leading)}
    pairs = ((e, *(other for other in found if other.key in e.disputes and about & set(other.concepts))) for e in kept)
    return tuple({e.key: e for pair in pairs for e in pair}.values())


def _searched(question: str, asked: Asked, leading: Sequence[str], deps: Deps) -> tuple[Sequence[Evidence], list[Evidence]]:
    """Free-text search; a question that names no condition is about the leading candidate. What is found counts when it is about the
    condition and, where the question has telling words of its own, shares one of them: a guideline that speaks of something else is no
    answer."""
    about = asked.conditions or tuple(leading)
    names = [deps.library.condition[c].name for c in about if c in deps.library.condition]
    telling = set(content(question)) - _EMPTY - set(content(" ".join(names)))
    if not telling and not asked.conditions:
        return _next(leading, deps)
    found = deps.retriever.search(question if asked.conditions else " ".join((question, *names)), SEARCHED)
    kinds = {kind for kind, cue in KIND_CUES.items() if cue.search(question)}
    fitting = [
        e
        for e in found
        if (set(e.concepts) & set(about) and (not telling or e.kind in kinds or telling & set(content(e.text))))
        or (telling and telling <= set(content(e.text)))
    ]
    return found, fitting


NEXT = ("time_frame", "management", "diagnosis", "monitoring")
"""Kinds of statement that say what to do, in the order in which it is to be done (ours)."""


def _next(leading: Sequence[str], deps: Deps) -> tuple[Sequence[Evidence], list[Evidence]]:
    """What to do about the leading candidate: the first statement of each kind, then what else is to be done."""
    found = deps.retriever.for_concepts(leading, SEARCHED)
    firsts = [next((e for e in found if e.kind == kind), None) for kind in NEXT]
    others = sorted((e for e in found if e.kind in NEXT[1:]), key=lambda e: NEXT.index(e.kind))
    return found, list({e.key: e for e in (*firsts, *others) if e is not None}.values())


def _of_each(found: Sequence[Evidence], concepts: Sequence[str]) -> list[Evidence]:
    """The first passage of each condition, then the others."""
    firsts = [next((e for e in found if concept in e.concepts), None) for concept in concepts]
    return list({e.key: e for e in (*firsts, *found) if e is not None}.values())
