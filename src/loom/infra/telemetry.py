"""Traces over OTLP, for whoever runs Loom and asks for them: the only user of OpenTelemetry, an extra.

Nothing is sent unless the host (never the repository) sets OTEL_EXPORTER_OTLP_ENDPOINT or its traces variant. Spans
carry names, figures and statuses; no code, no paths, no prompts, no findings.
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TIMEOUT_S = 5
INSTALL = "pip install 'loom-review[otel]'"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time."""

    name: str
    start_s: float
    """Epoch."""
    end_s: float
    attributes: Mapping[str, str | int | float | bool]


def wanted(environ: Mapping[str, str]) -> str | None:
    """Where traces are to go; None: nowhere."""
    return next((environ[name] for name in _ENDPOINTS if environ.get(name)), None)


def export(root: Span, children: Sequence[Span], *, version: str) -> str | None:
    """Send one trace; what went wrong, or None. The exporter reads endpoint and headers from the standard variables."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
        from opentelemetry.trace import set_span_in_context
    except ImportError:
        return f"traces were asked for, and OpenTelemetry is not installed: {INSTALL}"
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us
    sent: list[SpanExportResult] = []

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            sent.append(super().export(spans))
            return sent[-1]

    provider = TracerProvider(
        resource=Resource.create({"service.name": "loom", "service.version": version}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(Exporter(timeout=_TIMEOUT_S)))
    tracer = provider.get_tracer("loom", version)
    top = tracer.start_span(root.name, start_time=_ns(root.start_s), attributes=dict(root.attributes))
    inside = set_span_in_context(top)
    for child in children:
        span = tracer.start_span(
            child.name, context=inside, start_time=_ns(child.start_s), attributes=dict(child.attributes)
        )
        span.end(_ns(child.end_s))
    top.end(_ns(root.end_s))
    provider.force_flush(_TIMEOUT_S * 1000)
    provider.shutdown()
    if sent and all(result is SpanExportResult.SUCCESS for result in sent):
        return None
    return f"the traces did not arrive within {_TIMEOUT_S} s: check OTEL_EXPORTER_OTLP_ENDPOINT"


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
