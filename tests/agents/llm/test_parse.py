"""YAML of agents with a model: what is taken, and which line is named where something is wrong."""

import pytest

from outdial.agents.llm.free_talk import Fact, Limits, ModelName
from outdial.agents.llm.parse import parse_llm
from outdial.agents.script.examples import load_example
from outdial.agents.script.model import MachineAction, ScriptError

LEAST = "model: m\ninstructions: Talk.\n"


def test_the_example_is_read_whole():
    agent = parse_llm(load_example("model_reminder"))
    assert agent.models == (ModelName(name="gpt-5-mini"),)
    assert list(agent.outcomes) == ["confirmed", "moved", "call_back", "wrong_person", "unclear"]
    assert agent.facts[0] == Fact(name="new_day", about="The day of the time they took instead")
    assert agent.limits == Limits(turns=20, dollars=0.2)
    assert agent.machine.action is MachineAction.LEAVE_MESSAGE
    assert agent.tools == {"wait"}
    assert [target.name for target in agent.transfers] == ["front_desk"]
    assert agent.warnings == ()


def test_a_fallback_may_be_at_another_server():
    more = "base_url: http://127.0.0.1:1/v1/\nfallback: {model: n, base_url: https://models.example/v1}\n"
    assert parse_llm(LEAST + more).models == (
        ModelName(name="m", base_url="http://127.0.0.1:1/v1"),
        ModelName(name="n", base_url="https://models.example/v1"),
    )


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("model: m\n", 1, "needs instructions"),
        ("instructions: Talk.\n", 1, "needs model"),
        (LEAST + "tool: [wait]\n", 3, "'tool' is unknown in an llm agent; did you mean 'tools'?"),
        (LEAST + "tools: [wait, fly]\n", 3, "'fly' is no tool; there are send_digits, wait or call_back"),
        (LEAST + "base_url: ftp://x\n", 3, "base_url is the address of a server"),
        (LEAST + "base_url: https://user:secret@x/v1\n", 3, "base_url is the address of a server"),
        (LEAST + "fallback: {base_url: http://x/v1}\n", 3, "fallback needs a model"),
        (LEAST + "greeting: Hello {name.\n", 3, "a lone '{'"),
        (LEAST.replace("Talk.", "Talk to {{name}}."), 2, "single braces"),
        (LEAST + "outcomes:\n  all is well: yes\n", 4, "is no name"),
        (LEAST + "outcomes: [a b]\n", 3, "'a b' is no outcome"),
        (LEAST + "facts:\n  outcome: x\n", 4, "see outcomes"),
        (LEAST + "facts:\n  do_not_call: x\n", 4, "see do_not_call"),
        (LEAST + "facts:\n  user_number: x\n", 4, "call's own variable"),
        (LEAST + "facts:\n  age: {type: int}\n", 4, "type is string, integer, number or boolean"),
        (LEAST + "facts:\n  age: {type: integer, one_of: [a]}\n", 4, "one_of is for a fact of type string"),
        (LEAST + "transfers:\n  desk: {about: x}\n", 4, "needs a number to go to"),
        (LEAST + "transfers:\n  desk: 12345\n", 4, "transfer needs a number such as"),
        (LEAST + "facts:\n  desk: x\ntransfers:\n  desk: {to: '{desk}'}\n", 6, "{desk} is a fact"),
        (LEAST + "transfers:\n  desk: '{desk|+12025550100}'\nfacts:\n  desk: x\n", 4, "{desk} is a fact"),
        (LEAST + "limits: {turns: 0}\n", 3, "turns is a whole number from 1 to 500"),
        (LEAST + "limits: {dollars: -1}\n", 3, "dollars is a number above 0"),
        (LEAST + "machine: {action: leave_message}\n", 3, "leave_message needs a message"),
        (LEAST + "model: n\n", 3, "is here twice"),
    ],
)
def test_a_fault_is_told_with_its_line(source, line, reason):
    with pytest.raises(ScriptError) as error:
        parse_llm(source)
    assert reason in error.value.reason
    assert error.value.line == line


def test_a_variable_without_a_value_is_warned_of():
    [warning] = parse_llm(LEAST.replace("Talk.", "Talk to {somebody}.")).warnings
    assert (warning.line, warning.reason) == (2, "{somebody} has no fallback and no default")
