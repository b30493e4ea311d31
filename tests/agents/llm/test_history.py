"""What the model is told it has said: what was heard of it."""

import pytest

from outdial.agents.llm.chat import AgentSaid, CalleeSaid, ToolAnswer, ToolCall
from outdial.agents.llm.history import DONE, INTERRUPTED, LATER, MAX_MESSAGES, heard_of, settled, shortened

CALL = ToolCall("call_1", "wait", "{}")
ANSWER = (AgentSaid("One moment.", (CALL,)), ToolAnswer(CALL, LATER), AgentSaid("Here I am again."))


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ("One moment. Here I am again.", ["One moment.", "Here I am again."]),
        ("One moment. Here I", ["One moment.", "Here I"]),
        ("One", ["One"]),
        ("", [""]),
    ],
)
def test_of_an_answer_as_much_stays_as_was_heard(heard, kept):
    said = [one.text for one in heard_of(ANSWER, heard) if isinstance(one, AgentSaid)]
    assert said == kept


def test_a_tool_that_was_called_stays_and_has_an_answer():
    assert settled(ANSWER, interrupted=False)[1] == ToolAnswer(CALL, DONE)
    assert settled(ANSWER, interrupted=True)[1] == ToolAnswer(CALL, INTERRUPTED)
    assert settled(ANSWER[:1], interrupted=True)[1] == ToolAnswer(CALL, INTERRUPTED)


def test_a_long_conversation_begins_with_something_the_callee_said():
    messages = [CalleeSaid("Hm?"), AgentSaid("Hm.")] * MAX_MESSAGES
    short = shortened(messages[1:])
    assert len(short) <= MAX_MESSAGES
    assert short[0] == CalleeSaid("Hm?")
