"""The vLLM reasoner against a real server: that of `make vllm-cpu`, or the one FOVEA_TEST_VLLM_URL names (an address with /v1), whatever its model.

Any vision-language model will do, a tiny random one included: what is checked is that every path works and that gibberish is
reported as doubt, not that answers are right.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from agent.domain import AnswerOption, Demographics
from agent.errors import ReasonerError
from agent.evidence import Evidence, Source
from agent.imaging import Gradability, ImageFindings, ImageRef
from agent.ports import Assessment, Dossier, Effort
from agent.reasoners import prompting
from agent.reasoners.budget import image_tokens
from agent.reasoners.chat_server import ChatServer, Request
from agent.reasoners.listening import listening
from agent.reasoners.profile import load_profile
from agent.reasoners.vllm import BOUNDED, EXACT, VllmReasoner
from agent.settings import Vllm

EFFORT = Effort(round=1, samples=4, passages=1, tokens=96)
OPTIONS = (AnswerOption(key="A", text="Cataract"), AnswerOption(key="B", text="Glaucoma"))
SOURCE = Source(organisation="NICE", title="Glaucoma", year=2022, section="1.1", url="https://example.org", jurisdiction="UK")
PASSAGE = Evidence(key="k", text="Offer referral.", kind="diagnosis", concepts=("glaucoma",), source=SOURCE, score=1.0)


class OnePhotograph:
    """An image store with a single synthetic fundus: a bright disc on orange."""

    def put(self, data: bytes, number: int = 1) -> ImageRef:
        raise NotImplementedError

    def pixels(self, sha256: str) -> Image.Image:
        image = Image.new("RGB", (448, 336), (150, 70, 30))
        image.paste((250, 220, 150), (100, 140, 160, 200))
        return image


class Unlisted:
    def resolve(self, text: str) -> tuple[str, str, str | None] | None:
        return None

    named = resolve


def dossier(*options: AnswerOption) -> Dossier:
    ref = ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=448, height=336)
    seen = ImageFindings(image=ref, modality="cfp", gradability=Gradability(status="gradable"))
    return Dossier(narrative="Blurred vision.", demographics=Demographics(age=60), options=options, images=(seen,))


@pytest.fixture
async def asked(tapped_url: str) -> AsyncIterator[VllmReasoner]:
    reasoner = VllmReasoner(Vllm(base_url=tapped_url), OnePhotograph(), Unlisted())
    yield reasoner
    await reasoner.aclose()


def assert_sound(assessment: Assessment) -> None:
    measured = assessment.measurement
    assert 0 <= measured.lower <= measured.entropy <= measured.upper <= math.log(300_000)
    assert sum(entry.probability for entry in assessment.differential) <= 1 + 1e-9
    assert all(entry.concept_id.startswith("unlisted_") for entry in assessment.differential)
    assert assessment.usage.requests >= 1
    assert assessment.usage.prompt_tokens > 50
    assert assessment.usage.completion_tokens > 0
    if not assessment.differential:
        assert assessment.parse_problem
        assert measured.entropy == measured.upper


async def test_open_question_first_pass_and_deliberation(asked: VllmReasoner) -> None:
    first = await asked.assess(dossier())
    assert_sound(first)
    assert first.measurement.method in (BOUNDED, EXACT) or first.parse_problem
    again = await asked.deliberate(dossier(), first, [PASSAGE], EFFORT)
    assert_sound(again)
    (sampled,) = (step for step in again.steps if step.title == "Sampled answers")
    assert "4 came" in sampled.text
    assert "estimated" not in sampled.text, "the server counts tokens"
    assert again.usage.completion_tokens <= (EFFORT.samples + len(first.differential)) * EFFORT.tokens
    assert asked.identity.fingerprint.split(":")[0] in asked.identity.statement


async def test_options_first_pass_and_deliberation(asked: VllmReasoner) -> None:
    first = await asked.assess(dossier(*OPTIONS))
    assert_sound(first)
    again = await asked.deliberate(dossier(*OPTIONS), first, [PASSAGE], EFFORT)
    assert_sound(again)
    for assessment in (first, again):
        if assessment.answer is None:
            assert assessment.differential == ()
        else:
            assert sum(assessment.answer.probabilities.values()) == pytest.approx(1)


async def test_the_same_question_gets_the_same_answer(asked: VllmReasoner) -> None:
    one = await asked.assess(dossier())
    two = await asked.assess(dossier())
    assert [entry.concept_id for entry in one.differential] == [entry.concept_id for entry in two.differential]


async def test_the_rule_for_the_tokens_of_an_image_is_the_servers(tapped_url: str) -> None:
    rule = load_profile("ophthareason-qwen-3b").image_tokens
    server = ChatServer(Vllm(base_url=tapped_url))
    counted = []
    for pictures in ((), ((448, 336),), ((448, 336), (280, 420))):
        urls = [prompting.data_url(Image.new("RGB", size), 1344) for size in pictures]
        answered = await server.complete(Request(prompting.messages(load_profile("generic"), "What is it?", urls), 0.0, 4, 1))
        counted.append((answered.usage.prompt_tokens, sum(image_tokens(rule, *size) for size in pictures)))
    await server.aclose()
    assert [prompt - ours for prompt, ours in counted] == [counted[0][0]] * 3


async def test_words_are_heard_from_a_real_server(asked: VllmReasoner) -> None:
    heard: list[str] = []
    with listening(heard.append):
        streamed = await asked.assess(dossier())
    plain = await asked.assess(dossier())
    assert heard
    assert streamed.measurement == plain.measurement
    assert streamed.usage.completion_tokens == plain.usage.completion_tokens


async def test_a_wrong_model_name_is_explained_by_the_server(tapped_url: str) -> None:
    reasoner = VllmReasoner(Vllm(base_url=tapped_url, model="no-such-model"), OnePhotograph(), Unlisted())
    with pytest.raises(ReasonerError, match="404"):
        await reasoner.assess(dossier())
    await reasoner.aclose()
