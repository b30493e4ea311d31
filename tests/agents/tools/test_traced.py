"""What is asked on a call goes on in the call's trace."""

import pytest

from agents.llm.test_tools_on_a_call import OWN, SLOTS, talk, told
from agents.tools.test_reached import reached
from outdial.testing.written_model import WrittenModel, calls
from outdial.testing.written_tools import Takes, WrittenTools
from outdial.tracing import process
from outdial.tracing.context import of_call, parse


class Traced:
    def ended(self, call_id): ...

    def took(self, span): ...

    def samples(self, context):
        return True


@pytest.fixture
def traced():
    process.switch(Traced())
    process.about("call_1", None)
    yield of_call("call_1", None)
    process.about("call_1", None)
    process.switch(None)


@pytest.fixture
async def tools():
    async with reached() as there:
        yield there


@pytest.mark.parametrize("over", ["http", "mcp"])
async def test_a_tool_s_server_is_told_of_a_span_of_its_own(tools, traced, over):
    await tools.ask(over, "free_slots", day="Friday")
    await tools.ask(over, "free_slots", day="Friday")
    spans = [parse(one.headers["traceparent"]) for one in tools.simulator.tools.called]
    assert {span.trace_id for span in spans} == {traced.trace_id}
    assert len({span.span_id for span in spans} | {traced.span_id}) == 3
    assert all(span.is_sampled for span in spans)


@pytest.mark.parametrize("over", ["http", "mcp"])
async def test_off_a_traced_call_nobody_is_told(tools, over):
    await tools.ask(over, "free_slots", day="Friday")
    assert "traceparent" not in tools.simulator.tools.called[0].headers


def _talk():
    tools = WrittenTools({"free_slots": [Takes(0.2, SLOTS)]})
    model = WrittenModel([[calls("free_slots", day="friday")], [calls("hang_up", goodbye="Bye!", outcome="confirmed")]])
    phone, _ = talk(model, tools, lambda phone: phone.says("On Friday?", after="Tuesday"), OWN)
    return told(phone, "tool")[0]


def test_a_call_s_feed_says_which_span_was_told_and_only_where_there_is_one(traced):
    assert int(_talk()["span_id"], 16)
    process.switch(None)
    process.about("call_1", None)
    assert "span_id" not in _talk()
