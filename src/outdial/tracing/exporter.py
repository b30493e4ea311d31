"""Spans handed to OpenTelemetry's own library, which the environment sets up (OTEL_*), and sent by OTLP over HTTP.

The library is imported where an exporter is opened, and is an extra. No provider is set for the process: what other
libraries would tell of their work has in it what models and tools are asked.
"""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from outdial.tracing.context import TraceContext
from outdial.tracing.span import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

NAME = "outdial"
EXTRA = "outdial[otel]"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the environment says of traces. `endpoint` None: nobody wants any; `fault`: why there are none all the
    same."""

    endpoint: str | None = None
    fault: str | None = None

    @property
    def host(self) -> str:
        """Of the endpoint, with its port."""
        parts = urlsplit(self.endpoint or "")
        return parts.netloc.rpartition("@")[2] or "an address that is no URL"


def wanted(environ: Mapping[str, str] = os.environ) -> Wanted:
    endpoint = next((environ[name].strip() for name in _ENDPOINTS if environ.get(name, "").strip()), None)
    is_off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if endpoint is None or is_off or exporter == "none":
        return Wanted()
    protocol = next((environ[name].strip() for name in _PROTOCOLS if environ.get(name, "").strip()), "http/protobuf")
    if exporter != "otlp":
        return Wanted(endpoint=endpoint, fault="OTEL_TRACES_EXPORTER names another exporter than otlp")
    if protocol != "http/protobuf":
        return Wanted(endpoint=endpoint, fault=f"the protocol {protocol} isn't spoken here, only http/protobuf")
    if not is_installed():
        return Wanted(endpoint=endpoint, fault=f"the extra isn't installed: pip install '{EXTRA}'")
    return Wanted(endpoint=endpoint)


def is_installed() -> bool:
    try:
        return all(importlib.util.find_spec(name) is not None for name in _NEEDED)
    except ModuleNotFoundError:  # not even what is above it
        return False


class Exporter:
    """`spans` are made in the event loop, a few at a time; `send` is for a thread, where it may take as long as
    OTEL_EXPORTER_OTLP_TIMEOUT (10 s)."""

    def __init__(self, exporter: "SpanExporter", *, version: str) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opentelemetry.sdk.trace.sampling import Decision

        self._kept = Decision.RECORD_AND_SAMPLE
        self._exporter = exporter
        self._success = SpanExportResult.SUCCESS
        self._ids = _ids()
        self._made: list[ReadableSpan] = []
        self._last: tuple[int, bool | None] | None = None
        self._last_sampled = False
        self._provider = TracerProvider(
            resource=_resource(version), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(_collecting(self._made))
        self._tracer = self._provider.get_tracer(NAME, version)

    def samples(self, context: TraceContext) -> bool:
        """As OTEL_TRACES_SAMPLER says, from the trace's id, or from what whoever began it has decided."""
        from opentelemetry.trace import SpanKind

        asked = context.trace_id, context.is_sampled
        if asked != self._last:  # a trace's spans come one after the other
            parent = None if context.is_sampled is None else _parent(context)
            result = self._provider.sampler.should_sample(parent, context.trace_id, "call", SpanKind.SERVER)
            self._last, self._last_sampled = asked, result.decision is self._kept
        return self._last_sampled

    def spans(self, told: Sequence[Span]) -> "list[ReadableSpan]":
        """Those that are kept."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        for span in told:
            self._ids.trace_id, self._ids.span_id = span.context.trace_id, span.context.span_id
            parent = span.parent
            if parent is not None and parent.is_sampled is None:
                parent = replace(parent, is_sampled=self.samples(parent))
            begun = self._tracer.start_span(
                span.name,
                context=_parent(parent, is_remote=span.is_remote),
                kind=SpanKind[span.kind.name],
                attributes=dict(span.attributes),
                start_time=_ns(span.began_at),
            )
            for event in span.events:
                begun.add_event(event.name, dict(event.attributes), _ns(event.at))
            if span.error is not None:
                begun.set_status(Status(StatusCode.ERROR, span.error))
            begun.end(_ns(span.ended_at))
        made, self._made[:] = self._made[:], []
        return made

    def send(self, spans: "Sequence[ReadableSpan]") -> bool:
        """Whether they were taken."""
        return self._exporter.export(spans) is self._success

    def close(self) -> None:
        """What is being sent gives up soon."""
        self._exporter.shutdown()


def open_exporter(*, version: str) -> Exporter:
    """To the endpoint of the environment. The library must be there."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return Exporter(OTLPSpanExporter(), version=version)


def _resource(version: str) -> Any:
    """The environment's, but for a name of ours where it gives none."""
    from opentelemetry.sdk.resources import Resource

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({"service.version": version} | ({} if named else {"service.name": NAME}))


def _parent(context: TraceContext | None, *, is_remote: bool = True) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if context is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if context.is_sampled else TraceFlags.DEFAULT)
    found = SpanContext(context.trace_id, context.span_id, is_remote=is_remote, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(found), Context())


def _ns(at: datetime) -> int:
    """Exact: a float has no room for nanoseconds."""
    return round(at.timestamp() * 1_000_000) * 1000


def _ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Ids(IdGenerator):
        """Those of the span that is begun next."""

        trace_id = span_id = 0

        def generate_trace_id(self) -> int:
            return self.trace_id

        def generate_span_id(self) -> int:
            return self.span_id

    return Ids()


def _collecting(made: "list[ReadableSpan]") -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    class Collecting(SpanProcessor):
        def on_end(self, span: "ReadableSpan") -> None:
            if span.context is not None and span.context.trace_flags.sampled:
                made.append(span)

    return Collecting()
