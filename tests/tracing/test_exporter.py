"""What the environment sets up, and what a collector is told over the wire."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from outdial.cli.check_machine import traces as finding
from outdial.role_parts import tracing_parts
from outdial.telephony.state import CallState, EndReason
from outdial.tracing import exporter, process, sending
from outdial.tracing.context import of_call, parse
from outdial.tracing.exporter import Wanted, open_exporter, wanted
from outdial.tracing.spans import spans_of
from tracing.test_spans import ANSWERED, PARENT, story
from workspace import until

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Collector(ThreadingHTTPServer):
    """One that speaks OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str], ExportTraceServiceRequest]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self):
        return [
            span
            for _, _, request in self.asked
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *given: object) -> None: ...


@pytest.fixture
def collector(monkeypatch) -> Iterator[Collector]:
    with Collector() as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv(ENDPOINT, collector.url)
        yield collector
        collector.shutdown()


def attributes(of) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


async def test_a_call_comes_to_the_collector_that_the_environment_names(
    workspace, engine, collector, monkeypatch, tmp_path
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    monkeypatch.setattr(sending, "TOGETHER_S", 0.0)
    [part] = tracing_parts(SimpleNamespace(engine=engine))
    import asyncio

    task = asyncio.create_task(part.run())
    await asyncio.sleep(0)
    claim = await workspace.dialed(traceparent=PARENT)
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)

    async def came() -> bool:
        return bool(collector.asked)

    await until(came)
    await part.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [(path, headers, request)] = collector.asked
    assert (path, headers["x-tenant"]) == ("/v1/traces", "ours")
    resource = attributes(request.resource_spans[0].resource)
    assert resource["service.name"] == "outdial"
    assert resource["deployment.environment"] == "test"
    spans = {span.name: span for span in collector.spans}
    assert list(spans) == ["call", "queued", "attempt", "dial", "ring", "end"]
    given = parse(PARENT)
    assert {span.trace_id.hex() for span in spans.values()} == {given.trace}
    assert spans["call"].parent_span_id.hex() == f"{given.span_id:016x}"
    assert spans["ring"].parent_span_id == spans["attempt"].span_id
    assert spans["attempt"].parent_span_id == spans["call"].span_id
    assert attributes(spans["attempt"])["outdial.end_reason"] == "busy"
    stored = await workspace.attempt(claim.attempt_id)
    assert spans["ring"].start_time_unix_nano == round(stored.ringing_at.timestamp() * 1_000_000) * 1000
    assert not process.is_on()


def test_a_name_of_the_operator_s_is_the_service_s(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "dialler-eu")
    assert exporter._resource("1").attributes["service.name"] == "dialler-eu"


@pytest.mark.parametrize(
    ("sampler", "argument", "kept"),
    [("always_off", "", False), ("traceidratio", "0", False), ("parentbased_traceidratio", "1", True)],
)
def test_the_environment_s_sampler_says_which_traces_are_kept(collector, monkeypatch, sampler, argument, kept):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    one = open_exporter(version="1")
    assert one.samples(of_call("call_1", None)) is kept
    told = spans_of(story(ANSWERED))
    assert len(one.spans(told)) == (len(told) if kept else 0)
    one.close()


def test_whoever_asked_decides_whether_a_trace_is_kept(collector):
    one = open_exporter(version="1")
    for flag, kept in (("01", True), ("00", False)):
        told = spans_of(story(ANSWERED, traceparent=PARENT[:-2] + flag))
        assert one.samples(told[0].context) is kept
        assert bool(one.spans(told)) is kept
    one.close()


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, Wanted()),
        ({ENDPOINT: " "}, Wanted()),
        ({ENDPOINT: "http://c:4318"}, Wanted(endpoint="http://c:4318")),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/v1", ENDPOINT: "http://c"}, Wanted(endpoint="http://t/v1")),
        ({ENDPOINT: "http://c", "OTEL_SDK_DISABLED": "True"}, Wanted()),
        ({ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "none"}, Wanted()),
        ({ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "otlp"}, Wanted(endpoint="http://c")),
    ],
)
def test_an_endpoint_turns_traces_on(environ, found):
    assert wanted(environ) == found


@pytest.mark.parametrize(
    ("more", "word"),
    [({"OTEL_TRACES_EXPORTER": "zipkin"}, "another exporter"), ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc")],
)
def test_what_is_not_spoken_here_is_told(more, word):
    asked = wanted({ENDPOINT: "http://c"} | more)
    assert word in asked.fault
    assert finding({ENDPOINT: "http://c"} | more).status == "warn"


def test_a_missing_extra_is_told_and_the_process_goes_on(monkeypatch, caplog):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setattr(exporter, "_NEEDED", ("opentelemetry.of.nobody",))
    assert tracing_parts(SimpleNamespace(engine=None)) == []
    assert caplog.messages == ["Tracing off"]
    found = finding()
    assert (found.status, "outdial[otel]" in found.found) == ("warn", True)


def test_the_doctor_tells_where_traces_go_and_no_key_of_the_address():
    found = finding({ENDPOINT: "https://user:hunter2@collector.example:4318/x?key=hunter2"})
    assert (found.status, found.found) == ("ok", "a trace a call, to collector.example:4318")
    assert finding({}).found == "off: no OTEL_EXPORTER_OTLP_ENDPOINT"


def test_without_an_endpoint_nothing_is_imported(monkeypatch):
    monkeypatch.delenv(ENDPOINT, raising=False)
    assert tracing_parts(SimpleNamespace(engine=None)) == []
    code = (
        "import sys, outdial.app, outdial.cli.doctor, outdial.webhooks.sender, outdial.agents.tools.http;"
        "print(sorted(name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter',"
        " 'opentelemetry.proto', 'google.protobuf'))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_no_provider_is_set_for_other_libraries(collector):
    from opentelemetry.trace import get_tracer_provider

    one = open_exporter(version="1")
    one.close()
    assert type(get_tracer_provider()).__module__ == "opentelemetry.trace"


