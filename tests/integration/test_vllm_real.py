"""The vLLM reasoner against the real server named by FOVEA_TEST_VLLM_URL (an address with /v1), whatever model it serves.

Any vision-language model will do, a tiny random one included: what is checked is that every path works and that gibberish is
reported as doubt, not that answers are right.
"""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from agent.domain import AnswerOption, Demographics
from agent.errors import ReasonerError
from agent.evidence import Evidence, Source
from agent.imaging import Gradability, ImageFindings, ImageRef
from agent.ports import Assessment, Dossier, Effort
from agent.reasoners.vllm import VllmReasoner
from agent.settings import Vllm

URL = os.environ.get("FOVEA_TEST_VLLM_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="FOVEA_TEST_VLLM_URL names no running vLLM server")
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


def dossier(*options: AnswerOption) -> Dossier:
    ref = ImageRef(number=1, sha256="0" * 64, media_type="image/png", width=448, height=336)
    seen = ImageFindings(image=ref, modality="cfp", gradability=Gradability(status="gradable"))
    return Dossier(narrative="Blurred vision.", demographics=Demographics(age=60), options=options, images=(seen,))


@pytest.fixture
async def asked() -> AsyncIterator[VllmReasoner]:
    reasoner = VllmReasoner(Vllm(base_url=URL), OnePhotograph(), Unlisted())
    yield reasoner
    await reasoner.aclose()


def assert_sound(assessment: Assessment) -> None:
    measured = assessment.measurement
    assert 0 <= measured.lower <= measured.entropy <= measured.upper <= math.log(300_000)
    assert sum(entry.probability for entry in assessment.differential) <= 1 + 1e-9
    assert all(entry.concept_id.startswith("unlisted_") for entry in assessment.differential)
    assert assessment.usage.requests == 1
    assert assessment.usage.prompt_tokens > 50
    assert assessment.usage.completion_tokens > 0
    if not assessment.differential:
        assert assessment.parse_problem
        assert measured.entropy == measured.upper


async def test_open_question_first_pass_and_deliberation(asked: VllmReasoner) -> None:
    first = await asked.assess(dossier())
    assert_sound(first)
    assert first.measurement.method == "mean_token_entropy" or first.parse_problem
    again = await asked.deliberate(dossier(), first, [PASSAGE], EFFORT)
    assert_sound(again)
    assert "4 came" in again.steps[0].text
    assert again.usage.completion_tokens <= EFFORT.samples * EFFORT.tokens
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


async def test_a_wrong_model_name_is_explained_by_the_server() -> None:
    reasoner = VllmReasoner(Vllm(base_url=URL, model="no-such-model"), OnePhotograph(), Unlisted())
    with pytest.raises(ReasonerError, match="404"):
        await reasoner.assess(dossier())
    await reasoner.aclose()
