"""The section `after`, of every kind of agent that has it."""

import re
import textwrap
from pathlib import Path

import pytest

from outdial.agents.kinds import parse_agent
from outdial.agents.llm.free_talk import Fact, ModelName
from outdial.agents.review import review_agent
from outdial.agents.script.model import ScriptError

LLM = """
model: gpt-test
fallback: other
instructions: Remind them.
outcomes: {confirmed: They come}
facts: {day: Which day}
"""
SCRIPT = """
steps:
  hello:
    - say: Hello.
    - hang_up: Goodbye.
"""


def after(source, asked):
    return parse_agent(f"{source}\nafter: {asked}\n").after


@pytest.mark.parametrize("source", [LLM, SCRIPT])
def test_nothing_is_made_of_a_call_where_nothing_is_asked_for(source):
    assert parse_agent(source).after is None


def test_a_model_makes_what_its_agent_declares():
    asked = after(LLM, "{summary: true, facts: true, outcome: true}")
    assert [model.name for model in asked.models] == ["gpt-test", "other"]
    assert (asked.summary, asked.outcomes) == ("", {"confirmed": "They come"})
    assert [fact.name for fact in asked.facts] == ["day"]
    assert asked.language == "en-US"


def test_or_what_is_written_there():
    asked = after(LLM, "{summary: What they want, facts: {age: {type: integer}}, outcome: [won, lost], model: big}")
    assert (asked.summary, asked.models) == ("What they want", (ModelName(name="big"),))
    assert asked.facts == (Fact(name="age", about="", type="integer"),)
    assert asked.outcomes == {"won": "", "lost": ""}


def test_a_script_names_the_model():
    asked = after(SCRIPT, "{summary: true, model: m, base_url: http://127.0.0.1:1/v1, fallback: n}")
    assert asked.models == (ModelName(name="m", base_url="http://127.0.0.1:1/v1"), ModelName(name="n"))


@pytest.mark.parametrize(
    ("source", "asked", "reason"),
    [
        (SCRIPT, "{summary: true}", "after needs a model"),
        (SCRIPT, "{facts: true, model: m}", "declares facts"),
        (SCRIPT, "{outcome: true, model: m}", "declares outcomes"),
        (SCRIPT, "{model: m}", "asks for a summary, facts or outcome"),
        (LLM, "{summary: false}", "asks for a summary, facts or outcome"),
        (LLM, "{summry: true}", "did you mean 'summary'"),
        (LLM, "{summary: true, base_url: http://x/v1}", "written beside a model"),
        (LLM, "{outcome: [two words]}", "is no outcome"),
        (LLM, "{outcome: [won, silent]}", "Outdial's own outcome"),
        (LLM, "{facts: {outcome: x}}", "noted by Outdial itself"),
        (LLM, "true", "'key: value' lines"),
        (LLM, "{summary: %s}" % ("x" * 1001), "longer than 1,000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(source, asked, reason):
    with pytest.raises(ScriptError, match=reason) as error:
        after(source, asked)
    assert error.value.line == len(source.splitlines()) + 2


def test_what_the_docs_show_is_sound():
    docs = (Path(__file__).parents[3] / "docs" / "agents.md").read_text(encoding="utf-8")
    shown = re.search(r"^    after:\n(?:    .*\n)+", docs, re.MULTILINE)[0]
    asked = parse_agent(LLM + textwrap.dedent(shown)).after
    assert (asked.summary, [fact.name for fact in asked.facts], list(asked.outcomes)) == ("", ["day"], ["confirmed"])


def test_a_model_that_cant_be_used_here_is_told_while_it_is_written():
    source = f"{SCRIPT}\nafter: {{summary: true, model: gone}}"
    [warning] = review_agent(source, may_use=lambda model: False)["warnings"]
    assert "no key for the model gone" in warning["message"]
