"""A value changed in an agent's source: what is around it stays."""

import difflib

import pytest

from outdial.agents.script.examples import list_examples, load_example
from outdial.agents.script.expect import data
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import read_tree
from outdial.agents.source_edits import changed, places, renamed, without

SOURCE = """\
# An agent.
agent:
  name: Reminder   # what it is called
model: gpt-5-mini
greeting: >-   # said first
  Hello, this is {practice}.

instructions: |
  Remind them.
outcomes:
  confirmed: They come.
  moved: Another time.   # one of two
facts: {day: The day}
limits: {turns: 20, dollars: 0.20}
user_name:            # no default

# The end.
"""


def difference(new: str, old: str = SOURCE) -> list[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        (("model",), "llama3", ["-model: gpt-5-mini", "+model: llama3"]),
        (
            ("agent", "name"),
            "Ann: 2",
            ["-  name: Reminder   # what it is called", '+  name: "Ann: 2"  # what it is called'],
        ),
        (("outcomes", "moved"), "", ["-  moved: Another time.   # one of two", '+  moved: ""  # one of two']),
        (("outcomes", "late"), "Later.", ["+  late: Later."]),
        (("limits", "turns"), 5, ["-limits: {turns: 20, dollars: 0.20}", "+limits:", "+  turns: 5", "+  dollars: 0.2"]),
        (("facts", "day"), {"about": "A, b"}, ["-facts: {day: The day}", "+facts:", "+  day:", "+    about: A, b"]),
        (("user_name",), "007", ["-user_name:            # no default", '+user_name: "007"  # no default']),
        (("new", "deep", "er"), "x", ["+new:", "+  deep:", "+    er: x"]),
        (
            ("greeting",),
            "Hi.",
            ["-greeting: >-   # said first", "-  Hello, this is {practice}.", "+greeting: Hi.  # said first"],
        ),
        (("instructions",), "One.\n\n- two: #3", ["-  Remind them.", "+  One.", "+", "+  - two: #3"]),
    ],
)
def test_a_value_changes_its_own_lines_alone(path, value, lines):
    assert difference(changed(SOURCE, path, value)) == lines


def test_what_is_new_stands_in_its_order():
    order = ("agent", "model", "base_url", "greeting")
    new = changed(SOURCE, ("base_url",), "http://127.0.0.1:1/v1", order=order)
    assert new.splitlines()[4] == "base_url: http://127.0.0.1:1/v1"


def test_what_is_taken_out_takes_its_empty_section_along():
    new = without(without(SOURCE, ("outcomes", "confirmed")), ("outcomes", "moved"))
    assert difference(new) == ["-outcomes:", "-  confirmed: They come.", "-  moved: Another time.   # one of two"]
    assert without(SOURCE, ("tools",)) == SOURCE


def test_a_name_is_changed_where_it_stands():
    assert difference(renamed(SOURCE, ("outcomes", "moved"), "later")) == [
        "-  moved: Another time.   # one of two",
        "+  later: Another time.   # one of two",
    ]
    for path, name in ((("outcomes", "moved"), "confirmed"), (("outcomes", "none"), "x")):
        with pytest.raises(ScriptError):
            renamed(SOURCE, path, name)


@pytest.mark.parametrize("example", [example.name for example in list_examples()])
@pytest.mark.parametrize(
    "value", ["x", "yes", "true", "1.5", "a: b # c", '"', "{a}", "é\u2028", " a ", "a\nb", "\n\n", "-", "a\tb\n c"]
)
def test_whatever_is_written_is_what_is_read_and_nothing_else_changed(example, value):
    source = load_example(example)
    whole = data(read_tree(source))
    for name in [key for key, one in whole.items() if not isinstance(one, list)]:
        new = data(read_tree(changed(source, (name,), value)))
        assert (new.pop(name).rstrip("\n"), new) == (
            value.rstrip("\n"),
            {key: one for key, one in whole.items() if key != name},
        )


@pytest.mark.parametrize("source", ["a: [", "- a", "just words"])
def test_what_is_no_list_of_sections_is_refused(source):
    with pytest.raises(ScriptError):
        changed(source, ("model",), "x")


def test_places_tell_first_and_last_lines():
    found = places(SOURCE)
    assert found[("greeting",)] == (5, 6)
    assert found[("outcomes",)] == (10, 12)
    assert found[("outcomes", "moved")] == (12, 12)
    assert found[("limits", "turns")] == (14, 14)
