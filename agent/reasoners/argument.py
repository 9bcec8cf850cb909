"""The atlas reasoner's arguments in words: each sentence states numbers that were computed, none is invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from agent.domain import Finding, Step
from agent.ports import Dossier
from agent.wording import age_in_words, percent
from knowledge.differential import OTHER, Posterior
from knowledge.library import NAMES_PREFIX, Library

DISCRIMINATOR_NATS = 0.5
SHOWN_ARGUMENTS = 4


@dataclass(frozen=True)
class Arguments:
    """Nats that the discriminators add per condition, and the sentences that say so."""

    nats: dict[str, float]
    lines: tuple[str, ...]


def first_pass(library: Library, dossier: Dossier, posterior: Posterior) -> tuple[Step, ...]:
    """What was read, and for the first candidates which findings moved them and by how much."""
    shown = [f for f in dossier.findings if f.finding_id in library.finding or f.finding_id.startswith(NAMES_PREFIX)]
    present = ", ".join(dict.fromkeys(f.name for f in shown if f.presence == "present")) or "nothing"
    possible = ", ".join(dict.fromkeys(f.name for f in shown if f.presence == "possible"))
    absent = ", ".join(dict.fromkeys(f.name for f in shown if f.presence == "absent"))
    who = dossier.demographics
    age = f"age {age_in_words(who.age)}" if who.age is not None else ""
    person = ", ".join(part for part in (age, who.sex) if part) or "age and sex not stated"
    read = f"{person}. Present: {present}." + (f" Possible: {possible}." if possible else "") + (f" Absent: {absent}." if absent else "")
    steps = [Step(round=0, title="What is known", text=read)]
    for concept, probability in [(c, p) for c, p in posterior.ranked if c != OTHER][:3]:
        moved = sorted(posterior.contributions[concept].items(), key=lambda item: -abs(item[1]))[:SHOWN_ARGUMENTS]
        why = "; ".join(f"{named(library, finding)} {nats:+.1f} nats" for finding, nats in moved) or "prior probability alone"
        name = library.condition[concept].name
        steps.append(Step(round=0, title=f"{name}: {percent(probability)}", text=f"{name} at {percent(probability)}, moved by {why}."))
    return tuple(steps)


def named(library: Library, finding: str) -> str:
    """A contribution's finding in words."""
    if finding.startswith("no "):
        return f"absence of {named(library, finding[3:])}"
    if finding.startswith(NAMES_PREFIX):
        return f"the narrative names {library.condition[finding.removeprefix(NAMES_PREFIX)].name}"
    return library.finding[finding].name


def argue(library: Library, candidates: Sequence[str], findings: Sequence[Finding]) -> Arguments:
    """Every pair of candidates on its discriminating findings: known ones count, unknown ones are named as what to look for."""
    presence = {f.finding_id: f.presence for f in findings}
    nats: dict[str, float] = {}
    lines: list[str] = []
    for ours, other in permutations(candidates, 2):
        for discriminator in library.condition[ours].discriminators:
            if discriminator.against != other:
                continue
            finding, known = library.finding[discriminator.finding].name, presence.get(discriminator.finding)
            pair = f"{library.condition[ours].name} over {library.condition[other].name}"
            if known in ("present", "possible"):
                strength = DISCRIMINATOR_NATS if known == "present" else DISCRIMINATOR_NATS / 2
                nats[ours] = nats.get(ours, 0.0) + strength
                lines.append(f"For {pair}: {finding} ({discriminator.text.rstrip('.')}).")
            elif known == "absent":
                nats[ours] = nats.get(ours, 0.0) - DISCRIMINATOR_NATS / 2
                lines.append(f"Against {pair}: no {finding}.")
            else:
                lines.append(f"Would decide {pair}: {finding}, not mentioned.")
    return Arguments(nats, tuple(lines[:12]))
