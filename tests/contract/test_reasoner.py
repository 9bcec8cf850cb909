"""What every reasoner keeps to: the double, the atlas, and the vLLM client against a real HTTP server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from agent.container import build
from agent.deps import Deps
from agent.domain import AnswerOption, Demographics
from agent.ports import Assessment, Dossier, Effort, Reasoner
from agent.reasoners.vllm import VllmReasoner
from agent.settings import Vllm
from knowledge.reading.narrative import NarrativeReader
from knowledge.terminology import Terminology
from tests.doubles import ScriptedReasoner, ShelfRetriever
from tests.integration.openai_double import OpenAIDouble

TEXT = "A 28-year-old woman has pain on eye movement and loss of vision in the left eye with a RAPD."
EFFORT = Effort(round=1, samples=4, passages=3, tokens=256)
OPTIONS = (AnswerOption(key="A", text="Optic neuritis"), AnswerOption(key="B", text="Cataract"))
EVIDENCE = ShelfRetriever().for_concepts(["optic_neuritis"], 3)


@pytest.fixture(params=["double", "atlas", "vllm_http", "vllm_real"])
async def reasoner(request: pytest.FixtureRequest, deps: Deps) -> AsyncIterator[Reasoner]:
    if request.param == "double":
        yield ScriptedReasoner([("optic_neuritis", 0.7), ("cataract", 0.1)])
    elif request.param == "atlas":
        yield deps.reasoner
    elif request.param == "vllm_http":
        with OpenAIDouble() as server:
            made = VllmReasoner(Vllm(base_url=server.url), deps.images, Terminology(deps.library))
            yield made
            await made.aclose()
    else:
        url = request.getfixturevalue("tapped_url")
        made = VllmReasoner(Vllm(base_url=url), deps.images, Terminology(deps.library))
        yield made
        await made.aclose()


@pytest.fixture
def dossier(reader: NarrativeReader) -> Callable[..., Dossier]:
    def make(options: tuple[AnswerOption, ...] = ()) -> Dossier:
        reading = reader.read(TEXT)
        return Dossier(narrative=TEXT, demographics=reading.demographics, findings=reading.findings, options=options)

    return make


def sound(assessment: Assessment) -> None:
    shares = [entry.probability for entry in assessment.differential]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1 + 1e-6
    assert len({entry.concept_id for entry in assessment.differential}) == len(shares)
    m = assessment.measurement
    assert 0 <= m.lower <= m.entropy + 1e-9
    assert m.entropy <= m.upper + 1e-9
    assert m.method


async def test_it_answers_and_measures(reasoner: Reasoner, dossier: Callable[..., Dossier]) -> None:
    first = await reasoner.assess(dossier())
    sound(first)
    sound(await reasoner.deliberate(dossier(), first, EVIDENCE, EFFORT))


async def test_every_pass_leaves_steps(reasoner: Reasoner, dossier: Callable[..., Dossier]) -> None:
    first = await reasoner.assess(dossier())
    second = await reasoner.deliberate(dossier(), first, EVIDENCE, EFFORT)
    assert first.steps
    assert second.steps
    assert all(step.round == 1 for step in second.steps)


async def test_an_answer_to_options_is_a_distribution(reasoner: Reasoner, dossier: Callable[..., Dossier]) -> None:
    answer = (await reasoner.assess(dossier(OPTIONS))).answer
    if answer is not None:
        assert set(answer.probabilities) <= {"A", "B"}
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-6)
        assert answer.letter == max(answer.probabilities, key=lambda k: answer.probabilities[k])


async def test_it_does_not_stumble_over_an_empty_dossier(reasoner: Reasoner) -> None:
    sound(await reasoner.assess(Dossier(narrative="", demographics=Demographics())))


def test_it_says_who_it_is(reasoner: Reasoner) -> None:
    identity = reasoner.identity
    assert identity.profile
    assert identity.statement
    assert identity == reasoner.identity


async def test_the_embedded_default_needs_no_server(settings: object) -> None:
    deps = build(settings)  # type: ignore[arg-type]
    assert deps.reasoner.identity.kind == "atlas"
