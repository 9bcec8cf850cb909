"""OpenTelemetry spans of stages and of requests to a model, by the semantic conventions for generative AI. No patient text: names and numbers.

Without an exporter the spans cost nothing and go nowhere. `configure` sends them where the usual variables say
(OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT), over gRPC.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
provider: TracerProvider | None = None
"""Where spans go; None: wherever the process's own OpenTelemetry set-up says, and nowhere by default."""


def configure() -> bool:
    """Starts to export where the environment names an endpoint. Returns whether it does."""
    global provider
    if not any(os.environ.get(name) for name in ENDPOINTS) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = SdkProvider(resource=Resource.create({"service.name": "fovea", "service.version": version("fovea")}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider = made
    return True


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int | float | bool) -> Iterator[Span]:
    """A span around a piece of work. `attributes` are written with dots for double underscores: gen_ai__system is gen_ai.system. Of an error
    only its class is kept, for its words may quote a narrative."""
    tracer = trace.get_tracer("fovea", tracer_provider=provider)
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    with tracer.start_as_current_span(name, kind=kind, attributes=given, record_exception=False, set_status_on_exception=False) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise
