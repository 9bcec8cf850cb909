"""The steps of a turn: hear, walk, answer, ask, wait. Thin; what they think with lives in the pure modules beside."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from agent.conversation import answering, hearing, writing
from agent.conversation.asking import asking_of
from agent.conversation.change import change
from agent.conversation.state import SCHEMA_VERSION, Asked, ConversationState, Heard, Statement, Turn, Update, narrative, of, validated
from agent.conversation.values import Change, Question, ReplyKind
from agent.deps import Deps
from agent.domain import CaseReport, CaseRequest, Demographics
from agent.evidence import Claim
from agent.graph import compiled as case_graph
from agent.imaging import ImageInput
from agent.state import CaseInput, Earlier
from agent.walk import RECURSION_LIMIT


async def hear(state: ConversationState, runtime: Runtime[Deps]) -> Update:
    """Writes what the turn says (`heard`), and adds its facts, images and options to the case."""
    deps, turn, pending = runtime.context, state["turn"], state.get("pending")
    first = not of(state, "reports")
    number = state["number"]
    if first:
        heard = Heard(facts=turn.text.strip(), images=hearing.hashes(turn), options=bool(turn.options), first=True)
        questions = () if turn.options else hearing.questions(turn.text)
        heard = heard.model_copy(update={"questions": questions})
    else:
        heard = hearing.hear(turn, pending, state["demographics"], deps.reader, deps.library)
    said = "\n".join(part for part in (heard.facts, heard.unread) if part)
    update: Update = {
        "heard": heard,
        "statements": (*of(state, "statements"), *((Statement(turn=number, told=state["told"], text=said),) if said else ())),
        "images": tuple(dict.fromkeys((*of(state, "images"), *heard.images))),
        "options": turn.options or of(state, "options"),
    }
    if first:
        update |= {"schema_version": SCHEMA_VERSION, "created": state["told"]}
    if pending is not None and heard.answered:
        answer: Literal["known", "unknown"] = "unknown" if heard.unknown else "known"
        update["pending"] = None
        update["asked"] = tuple(
            a.model_copy(update={"answer": answer}) if a.question.finding_id == pending.finding_id else a for a in of(state, "asked")
        )
    return validated("hear", update)


async def walk(state: ConversationState, runtime: Runtime[Deps]) -> Update:
    """Walks the case with all that was told so far. Images that were localized before are not again; the floor reached before stays."""
    reports: tuple[CaseReport, ...] = of(state, "reports")
    seen = {found.image.sha256: found for report in reports for found in report.images}
    given = CaseInput(
        request=CaseRequest(
            case_id=state["case_id"],
            narrative=narrative(of(state, "statements")),
            images=tuple(ImageInput(sha256=sha256) for sha256 in of(state, "images")),
            options=of(state, "options"),
        ),
        earlier=Earlier(images=tuple(seen.values()), floor=state.get("floor")),
    )
    final = await case_graph().ainvoke(given, {"recursion_limit": RECURSION_LIMIT}, context=runtime.context)
    return validated(
        "walk",
        {
            "reports": (*reports, final["report"]),
            "floor": final["floor"],
            "demographics": final.get("demographics", Demographics()),
        },
    )


async def answer(state: ConversationState, runtime: Runtime[Deps]) -> Update:
    """Writes the turn with its words: what a walk brought and changed, and the answers to what was asked. Every claim is verified."""
    heard, reports = state["heard"], of(state, "reports")
    report = reports[-1]
    changed = change(reports[-2], report) if heard.walks and len(reports) > 1 else None
    text, claims = await asyncio.to_thread(_reply, heard, report, changed, _open(state), runtime.context)
    kind: ReplyKind = "walk" if heard.walks else "answer" if heard.questions else "noted"
    turn = Turn(
        turn=state["number"], input=state["turn"], kind=kind, text=text, claims=claims, walk=len(reports) - 1, change=changed
    )
    return validated("answer", {"turns": (*of(state, "turns"), turn)})


def _open(state: ConversationState) -> Question | None:
    """The question a turn has just said "not known" to."""
    unknown = [a.question for a in of(state, "asked") if a.answer == "unknown"]
    return unknown[-1] if state["heard"].unknown and unknown else None


def _reply(heard: Heard, report: CaseReport, changed: Change | None, unknown: Question | None, deps: Deps) -> tuple[str, tuple[Claim, ...]]:
    claims: tuple[Claim, ...] = report.claims if heard.walks else ()
    parts = [writing.walked(report, changed)] if heard.walks else []
    parts += [writing.not_known(unknown)] if unknown is not None else []
    parts += [writing.unread(heard.unread)] if heard.unread else []
    parts += [writing.numbers(heard.numbers)] if heard.numbers else []
    for question in heard.questions:
        if heard.first and not answering.of_the_case(question, report, deps):
            continue  # "What is the diagnosis?" at the end of a case is answered by its report
        first = 1 + sum(claim.supported for claim in claims)
        found = answering.answer(question, report, deps, first, walked=heard.walks)
        parts.append(writing.answered(question, found.text))
        claims += found.claims
    return "\n\n".join(parts) or writing.nothing_said(), claims


async def ask(state: ConversationState, runtime: Runtime[Deps]) -> Update:
    """Chooses the `pending` question. One that is open stays open while nothing new was told; it is not put again."""
    pending, turns = state.get("pending"), of(state, "turns")
    if pending is not None and not state["heard"].walks:
        return {}
    deps, asked, report = runtime.context, of(state, "asked"), of(state, "reports")[-1]
    question = await asyncio.to_thread(
        asking_of(deps.library, deps.reader).question,
        report.differential,
        report.findings,
        [a.question.finding_id for a in asked],
        deps.settings.conversation.ask_gain,
    )
    update: Update = {"pending": question}
    if question is not None:
        update["asked"] = (*asked, Asked(question=question))
        update["turns"] = (*turns[:-1], turns[-1].model_copy(update={"question": question}))
    return validated("ask", update)


async def wait(state: ConversationState) -> Command[Literal["hear"]]:
    """Interrupted until the next turn is said, whether it answers the question or not."""
    said = interrupt(state["pending"])
    return Command(goto="hear", update=validated("wait", {name: said[name] for name in ("number", "turn", "told")}))
