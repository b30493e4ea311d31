"""Kinds of agents: told apart by their source, and treated alike."""

import pytest

from outdial.agents.kinds import KINDS, kind_of, parse_agent
from outdial.agents.review import KnownKeys, review_agent
from outdial.agents.script.model import ScriptError

SCRIPT = "agent: {name: A}\nsteps: {a: {hang_up: Goodbye.}}\n"
LLM = "agent: {name: B}\nmodel: m\ngreeting: Hello {user_name|there}.\ninstructions: Talk.\n"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (SCRIPT, "script"),
        (LLM, "llm"),
        ("instructions : |\n  steps: no\n", "llm"),
        ("steps: [", "script"),
        ("", "script"),
    ],
)
def test_a_kind_is_seen_from_the_source(source, kind):
    assert kind_of(source) == kind


@pytest.mark.parametrize(("source", "name"), [(SCRIPT, "A"), (LLM, "B")])
def test_every_kind_says_the_same_of_itself(source, name):
    agent = parse_agent(source)
    assert (agent.name, agent.language, agent.machine.action) == (name, "en-US", "hang_up")
    assert agent.reading.spoken("Dr. Miller")
    assert set(KINDS[kind_of(source)].keys) >= {"agent", "variables", "machine", "do_not_call"}


def test_a_review_says_what_a_model_agent_says_word_for_word():
    transfers = 'transfers: {desk: {to: "+442079460000", say: "Connecting you, {user_name}."}}\n'
    review = review_agent(LLM + transfers, lambda number: number.startswith("+1"))
    assert review["errors"] == []
    assert [(one["step"], one["line"], one["text"]) for one in review["prompts"]] == [
        ("greeting", 3, "Hello {user_name|there}."),
        ("desk", 5, "Connecting you, {user_name}."),
    ]
    assert review["outline"] is None
    assert [one["line"] for one in review["warnings"] if "not among" in one["message"]] == [5]


def test_a_review_warns_of_a_model_that_can_not_be_reached():
    review = review_agent(LLM, may_use=lambda model: False)
    [warning] = [one for one in review["warnings"] if "OUTDIAL_MODEL_SERVERS" in one["message"]]
    assert warning["line"] == 2
    assert warning["message"].startswith("this server has no key for the model m")


def test_a_review_warns_of_a_secret_that_the_workspace_does_not_have():
    source = LLM + "variables:\n  crm: '{secret:crm_key} {secret:other}'\n  key: '{secret:crm_key}'\n"
    warnings = review_agent(source, keys=KnownKeys(secrets={"other"}))["warnings"]
    (warning,) = [one for one in warnings if "secret" in one["message"]]
    assert warning["line"] == 6
    assert "has no secret crm_key" in warning["message"]
    having = KnownKeys(secrets={"other", "crm_key"})
    assert review_agent(source, keys=having)["warnings"] == review_agent(source)["warnings"]


@pytest.mark.parametrize("where", ["greeting: 'Hi {secret:crm_key}'", "instructions: 'Say {secret:crm_key}.'"])
def test_a_secret_is_never_said_nor_told_to_a_model(where):
    section = where.partition(":")[0]
    lines = [line for line in LLM.splitlines() if not line.startswith(section)]
    [error] = review_agent("\n".join([*lines, where]))["errors"]
    assert "a secret is never said" in error["message"]


def test_a_review_names_the_line_of_a_fault():
    review = review_agent(LLM.replace("greeting", "greting"))
    [error] = review["errors"]
    assert error == {"line": 3, "message": "'greting' is unknown in an llm agent; did you mean 'greeting'?"}


def test_a_source_is_read_as_the_kind_it_is_said_to_be():
    with pytest.raises(ScriptError, match="'greeting' is unknown in a script"):
        parse_agent(LLM, "script")
