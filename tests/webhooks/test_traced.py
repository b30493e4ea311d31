"""Webhooks are parts of their calls' traces."""

from types import SimpleNamespace

import pytest

from outdial.tracing import process
from outdial.tracing.context import of_call, parse
from outdial.webhooks import retry
from outdial.webhooks import traced as module
from webhooks.receiver import Answer
from webhooks.test_sender import received, whole_call
from workspace import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Tracing:
    def __init__(self) -> None:
        self.spans = []

    def ended(self, call_id): ...

    def took(self, span):
        self.spans.append(span)

    def samples(self, context):
        return context.is_sampled is not False


@pytest.fixture
def tracing():
    tracing = Tracing()
    process.switch(tracing)
    yield tracing
    process.switch(None)


async def test_each_try_is_a_span_of_its_call_that_the_receiver_goes_on_with(
    workspace, receiver, add_webhook, tells, tracing
):
    await add_webhook(f"{receiver.url}/token-hunter2?key=hunter2", events=["call.answered", "call.ended"])
    call_id = await whole_call(workspace, traceparent=PARENT)
    await until(received(receiver, 2))

    async def told() -> bool:
        return len(tracing.spans) == 2

    await until(told)
    headers = [parse(got.headers["traceparent"]) for got in receiver.received]
    assert [span.context.span_id for span in tracing.spans] == [header.span_id for header in headers]
    assert {header.trace for header in headers} == {TRACE}
    assert all(header.is_sampled for header in headers)
    assert {span.parent for span in tracing.spans} == {of_call(call_id, PARENT)}
    assert [span.name for span in tracing.spans] == ["webhook call.answered", "webhook call.ended"]
    assert tracing.spans[0].attributes["http.response.status_code"] == 200
    assert tracing.spans[0].attributes["server.address"] == "127.0.0.1"
    assert "hunter2" not in str(tracing.spans)


async def test_a_try_that_failed_is_an_error_and_the_next_another_span(
    workspace, receiver, add_webhook, tells, tracing, monkeypatch
):
    answers = [Answer(status=503), Answer()]
    receiver.answers = lambda got: answers.pop(0)
    monkeypatch.setattr(retry, "DELAYS_S", (0.05,) * 9)
    await add_webhook(receiver.url, events=["call.ended"])
    await whole_call(workspace)
    await until(received(receiver, 2))

    async def told() -> bool:
        return len(tracing.spans) == 2

    await until(told)
    first, second = tracing.spans
    assert (first.error, first.attributes["http.response.status_code"]) == ("not_2xx", 503)
    assert (second.error, second.attributes["http.request.resend_count"]) == (None, 1)
    assert first.context.span_id != second.context.span_id


async def test_a_trace_that_isn_t_kept_is_passed_on_as_such(workspace, receiver, add_webhook, tells, tracing):
    await add_webhook(receiver.url, events=["call.ended"])
    await whole_call(workspace, traceparent=f"{PARENT[:-2]}00")
    await until(received(receiver, 1))
    assert receiver.received[0].headers["traceparent"].endswith("-00")


async def test_without_tracing_no_call_is_looked_up_and_nothing_sent_along(
    workspace, receiver, add_webhook, tells, monkeypatch
):
    monkeypatch.setattr(module, "select", None)
    await add_webhook(receiver.url, events=["call.ended"])
    await whole_call(workspace, traceparent=PARENT)
    await until(received(receiver, 1))
    assert "traceparent" not in receiver.received[0].headers


async def test_a_look_up_that_fails_holds_no_webhook_up(engine, tracing, monkeypatch, caplog):
    monkeypatch.setattr(module, "select", None)
    assert await module.roots_of(engine, [SimpleNamespace(id=1, call_id="call_1")]) == {}
    assert "Traces of webhooks not read" in caplog.messages


async def test_a_user_s_own_header_says_more(workspace, receiver, add_webhook, tells, tracing):
    mine = f"00-{'1' * 32}-{'2' * 16}-01"
    await add_webhook(receiver.url, events=["call.ended"], headers={"traceparent": mine})
    await whole_call(workspace)
    await until(received(receiver, 1))
    assert receiver.received[0].headers["traceparent"] == mine
