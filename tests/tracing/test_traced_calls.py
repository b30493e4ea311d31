"""Calls through a carrier and a process that talks, and the one trace that each of them becomes."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from live.talking import Talking, ringing, sign_with
from outdial import logs
from outdial.agents.tools.asks import Trace
from outdial.calls.cancel_waiting import cancel_waiting
from outdial.carriers.errors import CarrierRefused
from outdial.logs import JsonFormatter
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, EndReason
from outdial.tracing.context import of_call, parse
from outdial.workspaces.audit import COMMAND_LINE
from workspace import CALLEE, CALLER, OWNER

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
async def talking(workspace):
    await sign_with(workspace)
    talking = Talking(workspace)
    yield talking
    await talking.aclose()


async def test_a_call_is_one_trace(workspace, talking, traces):
    claim = await ringing(workspace)
    headers = []

    async def greets(call):
        talking.begun.set()
        asked = Trace()  # as a tool is
        headers.append(asked.header["traceparent"])
        span_id = headers[0].split("-")[2]
        call.tell("tool", {"tool": "look_up", "place": "crm.example.com", "result": "ok", "done": True, "status": 200,
                           "duration_ms": 900, "arguments": {"who": "Jane Doe"}, "span_id": span_id})  # fmt: skip
        await call.say("Hello Jane Doe, this is a test.")

    talking.agents.conversation = greets
    await talking.answered(claim)
    await talking.rests()
    await traces.come()
    assert traces.tree() == [
        "call", "  queued", "  attempt", "    dial", "    ring", "    answer", "    conversation",
        "      execute_tool look_up", "      turn", "    recording", "  end",
    ]  # fmt: skip
    call, tool = traces.one("call"), traces.one("execute_tool look_up")
    assert {span.context.trace_id for span in traces.spans} == {of_call(claim.call_id, None).trace_id}
    sent = parse(headers[0])
    assert (sent.trace_id, sent.span_id, sent.is_sampled) == (tool.context.trace_id, tool.context.span_id, True)
    assert call.parent is None
    assert dict(call.attributes) == {
        "outdial.call.id": claim.call_id,
        "outdial.call.direction": "outbound",
        "outdial.call.attempts": 1,
        "outdial.workspace.id": workspace.id,
        "outdial.number.id": workspace.number_id,
        "outdial.agent.id": "agent_1",
        "outdial.agent.version": 1,
        "outdial.end_reason": "completed",
        "outdial.ended_by": "agent",
        "outdial.outcome": "silent",
    }
    whole = "".join(span.to_json() for span in traces.spans)
    for secret in (CALLER, CALLEE, "Jane", "Hello", claim.stream_token):
        assert secret not in whole


async def test_a_request_s_trace_goes_on_in_all_attempts_of_its_call(workspace, talking, traces):
    retry = {"max_attempts": 2, "on": ["busy"], "delays_s": [1]}
    first = await workspace.dialed(retry=retry, traceparent=PARENT)
    await workspace.hears(first.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.set_call(first.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
    [second] = await workspace.claim()
    await workspace.dial(second)
    headers = []

    async def looks(call):
        headers.append(Trace().header)
        talking.begun.set()

    talking.agents.conversation = looks
    await talking.answered(second)
    await talking.rests()
    await traces.come()
    assert {f"{span.context.trace_id:032x}" for span in traces.spans} == {TRACE}
    assert traces.one("call").parent.span_id == parse(PARENT).span_id
    assert traces.one("call").parent.is_remote
    attempts, waits = traces.named("attempt"), traces.named("queued")
    assert [span.attributes["outdial.end_reason"] for span in attempts] == ["busy", "completed"]
    assert [span.attributes["outdial.attempt.number"] for span in waits] == [1, 2]
    assert waits[1].start_time == attempts[0].end_time
    assert waits[1].end_time == attempts[1].start_time
    assert headers[0]["traceparent"].startswith(f"00-{TRACE}-")


async def test_a_trace_that_its_sender_doesn_t_keep_is_passed_on_and_not_told(workspace, talking, traces):
    claim = await workspace.dialed(traceparent=f"{PARENT[:-2]}00")
    headers = []

    async def looks(call):
        headers.append(Trace().header["traceparent"])
        talking.begun.set()

    talking.agents.conversation = looks
    await talking.answered(claim)
    await talking.rests()
    kept = await workspace.dialed()
    await workspace.hears(kept.attempt_id, CallState.ENDED, EndReason.BUSY)
    await traces.come()  # later than the other would
    assert {span.context.trace_id for span in traces.spans} == {of_call(kept.call_id, None).trace_id}
    assert headers[0].startswith(f"00-{TRACE}-")
    assert headers[0].endswith("-00")


async def test_calls_that_end_while_they_wait_have_traces(workspace, traces):
    await workspace.queue()
    await workspace.queue(traceparent=PARENT)
    await cancel_waiting(workspace.engine, workspace.id, by=COMMAND_LINE)
    await traces.come(many=2)
    assert traces.tree().count("  queued") == 2
    assert [span.attributes["outdial.end_reason"] for span in traces.named("call")] == ["canceled", "canceled"]
    assert TRACE in {f"{span.context.trace_id:032x}" for span in traces.spans}


async def test_a_dial_that_is_refused_is_an_error(workspace, traces):
    workspace.carrier.refuses_next.append(CarrierRefused(FailureCode.NUMBER_INVALID, f"No such number: {CALLEE}"))
    claim = await workspace.dialed()
    await traces.come()
    assert traces.one("attempt").status.description == "number_invalid"
    assert traces.one("call").attributes["error.type"] == "number_invalid"
    assert CALLEE not in "".join(span.to_json() for span in traces.spans)
    assert traces.one("call").attributes["outdial.call.id"] == claim.call_id


async def test_lines_of_the_log_have_the_trace(workspace, talking, traces, caplog):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO):
            claim = await workspace.dialed(traceparent=PARENT, owner=OWNER)

            async def says(call):
                logging.getLogger("an agent's").info("Agent looked")
                talking.begun.set()

            talking.agents.conversation = says
            await talking.answered(claim)
            await talking.rests()
            await workspace.queue()
            await cancel_waiting(workspace.engine, workspace.id, by=COMMAND_LINE)
            await traces.come(many=2)
    finally:
        root.removeHandler(handler)
        logs.about()
    lines = {}
    for line in map(json.loads, stream.getvalue().splitlines()):
        lines.setdefault(line["message"], []).append(line)
    assert lines["Agent looked"][0]["trace_id"] == TRACE
    traced = {line["call_id"]: line["trace_id"] for line in lines["Call ended"]}
    assert traced.pop(claim.call_id) == TRACE
    [(other, trace_id)] = traced.items()
    assert trace_id == of_call(other, None).trace


async def test_without_tracing_nothing_is_told_and_nothing_passed_on(workspace, talking, caplog):
    claim = await ringing(workspace)
    headers = []

    async def looks(call):
        headers.append(Trace().header)
        talking.begun.set()

    talking.agents.conversation = looks
    with caplog.at_level(logging.INFO):
        await talking.answered(claim)
        await talking.rests()
    assert headers == [{}]
    [ended] = [record for record in caplog.records if record.message == "Call ended"]
    assert not hasattr(ended, "trace_id")
