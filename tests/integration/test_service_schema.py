"""The OpenAPI description: its examples work as they stand, and no request made up from it finds a defect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from pydantic import BaseModel

from agent.deps import Deps
from agent.service import schemas, schemas_openai
from agent.service.schemas import SHIPPED_IMAGE
from tests.integration.test_service_api import CLEAR
from tests.serving import Served, application, listening

Make = Callable[..., Deps]
EXAMPLES = 12
"""Requests made up for each operation: about 250 in all."""


def models() -> Iterator[type[BaseModel]]:
    for module in (schemas, schemas_openai):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__:
                yield value


def examples(model: type[BaseModel]) -> list[dict[str, Any]]:
    extra = model.model_config.get("json_schema_extra")
    return list(extra.get("examples", [])) if isinstance(extra, dict) else []  # type: ignore[call-overload]


@pytest.fixture
def served(quick: Make) -> Iterator[Served]:
    with listening(application(quick(), turns_waiting=1000)) as served:
        yield served


def test_every_example_is_one_of_its_model() -> None:
    shown = [(model, example) for model in models() for example in examples(model)]
    assert len(shown) >= 9
    for model, example in shown:
        parsed = model.model_validate(example)
        assert model.model_validate_json(parsed.model_dump_json()) == parsed


def test_every_example_is_in_the_description(served: Served) -> None:
    described = served.client.get("/openapi.json").json()["components"]["schemas"]
    for model in models():
        if examples(model):
            assert described[model.__name__]["examples"] == examples(model)


@pytest.mark.parametrize("example", examples(schemas.TurnGiven), ids=lambda e: e["text"][:20])
def test_the_examples_of_a_turn_can_be_posted(served: Served, example: dict[str, Any]) -> None:
    answer = served.client.post("/api/images", content=CLEAR)
    assert schemas.Uploaded.model_validate(answer.json()) == schemas.Uploaded.model_validate(examples(schemas.Uploaded)[0])
    opened = served.client.post("/api/cases?wait=true", json=example)
    assert opened.status_code == 202, opened.text
    again = served.client.post(f"/api/cases/{opened.json()['case_id']}/turns?wait=true", json=example)
    assert again.status_code == 202, again.text
    assert set(example.get("images", [])) <= {SHIPPED_IMAGE}


@pytest.mark.parametrize("example", examples(schemas_openai.ChatRequest), ids=lambda e: e["model"])
def test_the_examples_of_a_chat_can_be_posted(whole: Deps, example: dict[str, Any]) -> None:
    with listening(application(whole)) as served:
        answer = served.client.post("/v1/chat/completions", json=example)
        assert answer.status_code == 200, answer.text
        schemas_openai.ChatResponse.model_validate(answer.json())


def test_every_operation_and_field_is_described(served: Served) -> None:
    document = served.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path}"
    assert {"/api/cases", "/api/cases/{case_id}/events", "/api/images/{sha256}/overlay", "/v1/chat/completions"} <= set(document["paths"])


def test_no_page_loads_anything_from_elsewhere(served: Served) -> None:
    assert served.client.get("/docs").status_code == 404
    assert served.client.get("/redoc").status_code == 404


def test_nothing_made_up_from_the_schema_finds_a_defect(served: Served) -> None:
    """No 5xx, and every answer has a status, a content type and a shape that its operation describes."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    checks = (
        schemathesis.checks.not_a_server_error,
        schemathesis.checks.CHECKS.get_one("status_code_conformance"),
        schemathesis.checks.CHECKS.get_one("content_type_conformance"),
        schemathesis.checks.CHECKS.get_one("response_schema_conformance"),
    )
    asked: list[str] = []

    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis_settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @_given(operation)
        def ask(case: Any) -> None:
            asked.append(case.operation.label)
            case.call_and_validate(checks=checks, timeout=30)

        ask()
    assert len(asked) >= 200
    assert len(set(asked)) == sum(1 for _ in schema.get_all_operations())
    assert served.client.get("/healthz").status_code == 200


def _given(operation: Any) -> Any:
    from hypothesis import given

    strategy = operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    return given(case=strategy)
