"""A script's name for its agent is changed where it stands."""

import pytest

from outdial.agents.kinds import parse_agent
from outdial.agents.script.examples import list_examples
from outdial.agents.script.model import ScriptError
from outdial.agents.script.naming import named, written_name

REST = "steps: {a: {hang_up: 'Goodbye from {name|us}.'}}  # the end\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("agent:\n  name: Old   # ours\n  language: en-GB\n", "agent:\n  name: New one   # ours\n  language: en-GB\n"),
        ("agent: {name: Old, language: en-GB}\n", "agent: {name: New one, language: en-GB}\n"),
        ('agent: {"name": "Old: é😀"}\n', 'agent: {"name": New one}\n'),
        ("# é😀 before\nagent:\n  name: 'Old'\n", "# é😀 before\nagent:\n  name: New one\n"),
        ("agent:\n  name: >\n    Old\n    name\n  language: en-GB\n", "agent:\n  name: New one\n  language: en-GB\n"),
    ],
)
def test_only_the_name_changes(before: str, after: str):
    assert named(before + REST, "New one") == after + REST
    assert written_name(after + REST) == "New one"


NAMES = ["Recall & co <b>", "a: b", "# x", "{x}", "[1]", '"', "yes", "-", "1", "é😀", "A\\b", "x,y}"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_read_back_as_it_was_given(name: str):
    for source in ("agent:\n  name: Old\n", "agent: {name: Old}\n"):
        assert written_name(named(source + REST, name)) == name


@pytest.mark.parametrize("source", ["", "agent: {language: en-GB}\n", "agent:\n", "variables: {name: x}\n"])
def test_a_script_without_a_name_stays_as_it_is(source: str):
    if source == "agent:\n":
        source = "agent: {}\n"
    assert named(source + REST, "New one") == source + REST
    assert written_name(source + REST) is None


def test_the_same_name_changes_nothing():
    for example in list_examples():
        assert named(example.source, example.title, parse_agent) == example.source


def test_a_name_that_is_too_long_for_a_script_is_refused():
    with pytest.raises(ScriptError, match="can't be written"):
        named("agent: {name: Old}\n" + REST, "x" * 101)
