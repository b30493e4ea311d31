"""What is told, when nobody takes it, and when there is too much of it."""

import asyncio
import logging
import threading
from contextlib import asynccontextmanager

import pytest

from outdial.tracing import process, sending
from outdial.tracing.context import of_call
from outdial.tracing.sending import Sending
from outdial.tracing.spans import spans_of
from tracing.test_spans import ANSWERED, story
from workspace import until


class Collector:
    """Takes spans as they are; `away`: it doesn't."""

    def __init__(self) -> None:
        self.requests: list[list] = []
        self.tries = 0
        self.away = False
        self.hangs = threading.Event()
        self.hangs.set()
        self.closed = False

    def samples(self, context) -> bool:
        return True

    def spans(self, told) -> list:
        assert len(told) <= sending.AT_ONCE
        return list(told)

    def send(self, spans) -> bool:
        self.tries += 1
        self.hangs.wait(20)
        if self.away:
            raise OSError("connection refused")
        self.requests.append(list(spans))
        return True

    def close(self) -> None:
        self.closed = True
        self.hangs.set()

    @property
    def calls(self) -> list[str]:
        spans = [span for request in self.requests for span in request]
        return [span.attributes["outdial.call.id"] for span in spans if span.name == "call"]


@pytest.fixture
def collector() -> Collector:
    return Collector()


@asynccontextmanager
async def sending_to(collector: Collector, read=None):
    async def stored(call_id: str):
        return story(ANSWERED, call_id=call_id)

    one = Sending(collector, read or stored)
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0)
    try:
        yield one
    finally:
        await one.aclose()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(sending, "TOGETHER_S", 0.0)
    monkeypatch.setattr(sending, "AGAIN_S", (0.01,))


async def came(collector: Collector, *calls: str) -> None:
    async def are_here() -> bool:
        return collector.calls == list(calls)

    await until(are_here)


async def test_calls_are_told_together_as_they_end(collector):
    async with sending_to(collector):
        for call_id in ("call_1", "call_2"):
            process.call_ended(call_id)
        await came(collector, "call_1", "call_2")
    assert len(collector.requests) == 1
    assert collector.closed


async def test_a_collector_that_is_away_costs_a_line_and_no_trace(collector, caplog):
    caplog.set_level(logging.WARNING)
    collector.away = True
    async with sending_to(collector):
        for number in range(50):
            process.call_ended(f"call_{number}")

        async def has_tried() -> bool:
            return collector.tries >= 6

        await until(has_tried)
        assert caplog.messages == ["Traces not taken; trying again"]
        collector.away = False
        await came(collector, *(f"call_{number}" for number in range(50)))
        assert "Traces taken again" not in caplog.messages  # info
    assert caplog.messages == ["Traces not taken; trying again"]


async def test_what_waits_is_bounded_and_what_is_left_out_counted(collector, caplog, monkeypatch):
    monkeypatch.setattr(sending, "MOST_CALLS", 3)
    collector.away = True
    root = of_call("call_1", None)
    with caplog.at_level("INFO"):
        async with sending_to(collector) as one:
            for number in range(10):
                one.ended(f"call_{number}")
            monkeypatch.setattr(sending, "MOST_SPANS", 2)
            span = spans_of(story(ANSWERED))[0]
            for _ in range(5):
                one.took(span)
            assert (len(one._calls), len(one._spans)) == (3, 2)
            assert one.samples(root)
            await asyncio.sleep(0.05)
            collector.away = False
            await came(collector, "call_1", "call_1", "call_0", "call_1", "call_2")
    [again] = [record for record in caplog.records if record.message == "Traces taken again"]
    assert again.lost == 10


async def test_nobody_waits_for_a_collector_that_hangs(collector):
    collector.hangs.clear()
    async with sending_to(collector):
        process.call_ended("call_1")

        async def hangs() -> bool:
            return collector.tries == 1

        await until(hangs)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(1000):
            process.call_ended(f"call_{number}")
        await asyncio.sleep(0)
        assert loop.time() - began < 0.5
        sending.FINISH_S, before = 0.1, sending.FINISH_S
    sending.FINISH_S = before
    assert loop.time() - began < 5
    assert not process.is_on()


async def test_what_a_collector_never_takes_holds_up_the_others_for_a_while_only(collector, monkeypatch):
    monkeypatch.setattr(sending, "GIVE_UP_AFTER", 3)
    taken = collector.send

    def send(spans) -> bool:
        return taken(spans) if all(span.attributes.get("outdial.call.id") != "call_odd" for span in spans) else False

    collector.send = send
    async with sending_to(collector) as one:
        one.ended("call_odd")
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        one.ended("call_2")

        async def is_over() -> bool:
            return not one._calls

        await until(is_over)
        one.ended("call_3")
        await came(collector, *(["call_2"] if "call_2" in collector.calls else []), "call_3")


async def test_a_call_whose_trace_can_t_be_made_costs_no_other(collector, caplog):
    async def read(call_id: str):
        if call_id == "call_1":
            raise RuntimeError("a fault")
        return None if call_id == "call_2" else story(ANSWERED, call_id=call_id)

    async with sending_to(collector, read):
        for call_id in ("call_1", "call_2", "call_3"):
            process.call_ended(call_id)
        await came(collector, "call_3")
    assert caplog.messages == ["Trace of call not made"]
