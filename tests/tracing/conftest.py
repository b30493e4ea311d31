"""A process that traces into memory, and what it has told."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from outdial.history.call_story import read_story
from outdial.tracing import process, sending
from outdial.tracing.exporter import Exporter
from outdial.tracing.sending import Sending
from workspace import until


class Traces:
    """The spans that a collector has been told, by what they are called."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    @property
    def spans(self):
        return list(self.exporter.get_finished_spans())

    def named(self, name: str):
        return [span for span in self.spans if span.name == name]

    def one(self, name: str):
        [span] = self.named(name)
        return span

    def tree(self) -> list[str]:
        """A line a span, parents before their children, siblings in the order in which they began."""
        below: dict[int | None, list] = {}
        known = {span.context.span_id for span in self.spans}
        for span in self.spans:
            parent = span.parent.span_id if span.parent is not None and span.parent.span_id in known else None
            below.setdefault(parent, []).append(span)

        def lines(parent: int | None, depth: int) -> list[str]:
            found = []
            for span in sorted(below.get(parent, ()), key=lambda span: (span.start_time, span.end_time)):
                found += [f"{'  ' * depth}{span.name}", *lines(span.context.span_id, depth + 1)]
            return found

        return lines(None, 0)

    async def come(self, name: str = "call", many: int = 1) -> None:
        async def are_here() -> bool:
            return len(self.named(name)) >= many

        await until(are_here)


@pytest.fixture
async def traces(engine, monkeypatch) -> AsyncIterator[Traces]:
    monkeypatch.setattr(sending, "TOGETHER_S", 0.0)
    traces = Traces()
    one = Sending(Exporter(traces.exporter, version="1"), partial(read_story, engine))
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0)
    assert process.is_on()
    yield traces
    await one.aclose()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not process.is_on()
