"""Both reasoners under /v1: the atlas, and a generating model that reads the images itself."""

from __future__ import annotations

import base64
from dataclasses import replace

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agent.conversation.conversations import Conversations
from agent.conversation.saver import serializer
from agent.deps import Deps
from agent.errors import ImageError
from agent.service.app import create_app
from agent.service.serving import offered
from agent.service.stateless import in_memory
from agent.settings import Intake, Service, Vllm
from tests.doubles import ScriptedReasoner
from tests.integration.openai_double import OpenAIDouble, Reply
from tests.integration.test_service_api import CLEAR
from tests.serving import all_bytes

TEXT = "A 61-year-old woman with type 2 diabetes has gradually blurred vision in the right eye."


async def test_both_models_answer_and_the_generating_one_sees_the_image(whole: Deps) -> None:
    url = f"data:image/jpeg;base64,{base64.b64encode(CLEAR).decode()}"
    with OpenAIDouble(Reply(texts=("<think>exudates</think><answer>Diabetic macular oedema</answer>",))) as double:
        settings = whole.settings.model_copy(
            update={"service": Service(models=("atlas", "vllm")), "vllm": Vllm(base_url=double.url, attempts=1), "intake": Intake()}
        )
        deps, built = replace(whole, settings=settings), list[Deps]()
        models = {f"fovea-{kind}": offered(kind, settings, deps, built) for kind in settings.service.models}
        app = create_app(deps, Conversations(deps, InMemorySaver(serde=serializer())), settings, models)
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app):  # noqa: SIM117 - one line would be too long
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
                listed = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
                assert listed == ["fovea-atlas", "fovea-vllm"]
                content = [{"type": "text", "text": TEXT}, {"type": "image_url", "image_url": {"url": url}}]
                for model in listed:
                    asked = len(double.requests)
                    answer = await client.post("/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": content}]})
                    assert answer.status_code == 200, answer.text
                    assert "diabetic macular oedema" in answer.json()["choices"][0]["message"]["content"].lower()
                    sent = str(double.requests[asked:])
                    assert ("data:image/" in sent) is (model == "fovea-vllm")
                assert CLEAR[1000:1200] not in all_bytes(settings.data_directory)
        for each in built:
            await each.reasoner.aclose()
            each.thresholds.close()


def test_a_reasoner_that_reads_images_needs_its_own_store(whole: Deps) -> None:
    with pytest.raises(ImageError, match="its own store"):
        in_memory(replace(whole, reasoner=ScriptedReasoner(reads_images=True)))
