"""Spans say what was done and how much of it, and nothing of whom it was done for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent import spans
from agent.deps import Deps
from agent.domain import CaseRequest
from agent.errors import ReasonerError
from agent.reasoners.vllm import VllmReasoner
from agent.settings import Intake, Vllm
from agent.walk import consult
from knowledge.library import Library
from knowledge.terminology import Terminology
from tests.integration.openai_double import OpenAIDouble, Reply
from tools.images import MemoryImageStore

SECRET = "Zebulon Quartermain, 61, sudden painless loss of vision in the right eye"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, made = InMemorySpanExporter(), TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "provider", made)
    yield exporter
    made.shutdown()


async def test_every_stage_and_every_request_has_a_span_without_a_word_of_the_case(
    exported: InMemorySpanExporter, doubled: Callable[..., Deps], library: Library
) -> None:
    with OpenAIDouble(Reply()) as server:
        reasoner = VllmReasoner(Vllm(base_url=server.url), MemoryImageStore(Intake()), Terminology(library))
        report = await consult(CaseRequest(narrative=SECRET), doubled(threshold=1e6, reasoner=reasoner))
        await reasoner.aclose()
    finished = exported.get_finished_spans()
    stages = [s.attributes["fovea.stage"] for s in finished if s.attributes and "fovea.stage" in s.attributes]
    assert stages == list(report.path)
    (chat,) = [s for s in finished if s.name.startswith("chat ")]
    assert chat.attributes is not None
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.usage.output_tokens"] == report.usage.completion_tokens > 0
    told = " ".join(s.to_json() for s in finished)
    assert not any(word in told for word in ("Zebulon", "Quartermain", "painless", "glaucoma", "Glaucoma"))


async def test_of_an_error_only_its_class_is_kept(exported: InMemorySpanExporter, library: Library) -> None:
    with OpenAIDouble(Reply(status=400, message=f"bad prompt: {SECRET}")) as server:
        reasoner = VllmReasoner(Vllm(base_url=server.url, entropy="top_logprobs"), MemoryImageStore(Intake()), Terminology(library))
        from agent.domain import Demographics
        from agent.dossier import Dossier

        with pytest.raises(ReasonerError):
            await reasoner.assess(Dossier(narrative=SECRET, demographics=Demographics()))
        await reasoner.aclose()
    (failed,) = exported.get_finished_spans()
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "BadRequestError" or "Error" in str(failed.attributes["error.type"])
    assert "Zebulon" not in failed.to_json()
    assert not failed.events


def test_nothing_is_exported_unless_an_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in spans.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(spans, "provider", None)
    assert spans.configure() is False
    assert spans.provider is None
