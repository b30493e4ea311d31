import pytest

from outdial.agents.llm.form import Edit, form_of, with_edit
from outdial.agents.llm.parse import parse_llm
from outdial.agents.script.examples import load_example
from outdial.agents.script.model import ScriptError

SOURCE = load_example("model_reminder")
SHORT = """\
model: a
fallback: b
instructions: Talk.
outcomes: [good, bad]
facts:
  day: The day   # of the week
transfers: {desk: "+12025550142"}
tools: [wait, look_up]
"""


def test_the_form_has_what_the_source_says():
    form = form_of(SOURCE)
    assert form.value("agent", "name") == "Reminder by a model"
    assert form.value("greeting").startswith("Hello, this is the automated assistant of {practice}.")
    assert form.value("instructions").endswith("front desk.")
    assert list(form.names["outcomes"]) == ["confirmed", "moved", "call_back", "wrong_person", "unclear"]
    assert form.value("transfers", "front_desk", "say") == "I'm connecting you with our front desk."
    assert (form.value("limits", "turns"), form.value("limits", "tokens")) == (20, "")
    assert form.tools == ["wait"]
    first, last = form.lines["instructions",]
    assert SOURCE.splitlines()[first - 1 : last][0] == "instructions: |"


def test_what_is_written_short_is_shown_in_its_fields():
    form = form_of(SHORT)
    assert form.value("fallback", "model") == "b"
    assert form.value("facts", "day", "about") == "The day"
    assert form.value("transfers", "desk", "to") == "+12025550142"
    assert list(form.names["outcomes"]) == ["good", "bad"]


@pytest.mark.parametrize(
    ("edit", "look"),
    [
        (Edit(path=("facts", "day", "type"), value="integer"), lambda agent: agent.facts[0].type == "integer"),
        (
            Edit(path=("facts", "day", "one_of"), value=["Mon", "Tue"]),
            lambda agent: agent.facts[0].choices == ("Mon", "Tue"),
        ),
        (Edit(path=("facts", "day"), rename="weekday"), lambda agent: agent.facts[0].name == "weekday"),
        (Edit(path=("facts", "hour"), value=""), lambda agent: [one.name for one in agent.facts] == ["day", "hour"]),
        (Edit(path=("facts", "day"), value=None), lambda agent: agent.facts == ()),
        (
            Edit(path=("outcomes", "good"), value="They come."),
            lambda agent: agent.outcomes == {"good": "They come.", "bad": "bad"},
        ),
        (Edit(path=("outcomes", "late"), value=""), lambda agent: list(agent.outcomes) == ["good", "bad", "late"]),
        (
            Edit(path=("fallback", "base_url"), value="http://a/v1"),
            lambda agent: agent.models[1].base_url == "http://a/v1",
        ),
        (Edit(path=("fallback", "model"), value=""), lambda agent: len(agent.models) == 1),
        (
            Edit(path=("transfers", "desk", "say"), value="Wait."),
            lambda agent: agent.transfers[0].say.source == "Wait.",
        ),
        (Edit(path=("greeting",), value="Hi."), lambda agent: agent.greeting.source == "Hi."),
        (Edit(path=("limits", "turns"), value=7), lambda agent: agent.limits.turns == 7),
        (Edit(path=("tools",), value=["send_digits"]), lambda agent: agent.tools == {"send_digits"}),
        (Edit(path=("tools",), value=[]), lambda agent: agent.tools == frozenset()),
    ],
)
def test_a_change_is_in_the_agent_that_is_read(edit, look):
    source = SHORT.replace(", look_up", "")
    assert look(parse_llm(with_edit(source, edit)))


def test_comments_and_tools_that_the_form_does_not_show_stay():
    new = with_edit(SHORT, Edit(path=("facts", "day", "about"), value="Which day"))
    assert "# of the week" in new
    assert form_of(with_edit(SHORT, Edit(path=("tools",), value=["send_digits"]))).tools == ["look_up", "send_digits"]


@pytest.mark.parametrize(
    "tools", ["[wait, {look_up: {about: a}}]", "\n  - wait\n  - look_up: {about: a}", "{look_up: {}}"]
)
def test_tools_of_an_authors_own_are_changed_in_the_source_alone(tools):
    source = SHORT.replace("tools: [wait, look_up]", f"tools: {tools}")
    assert form_of(source).elsewhere == ["tools"]
    with pytest.raises(ScriptError, match="tools of your own"):
        with_edit(source, Edit(path=("tools",), value=["wait", "send_digits"]))
    assert f"tools: {tools}" in with_edit(source, Edit(path=("limits", "turns"), value=7))


def test_sections_that_the_form_does_not_have_stay():
    more = "think_ahead: true   # costs\nafter:\n  summary: true\n"
    for edit in (Edit(path=("tools",), value=["wait"]), Edit(path=("greeting",), value="Hi.")):
        assert more in with_edit(SHORT.replace(", look_up", "") + more, edit)


def test_a_source_with_faults_has_a_form_and_one_that_is_no_yaml_has_none():
    assert form_of("instructions: [1]\nlimits: lots\n").elsewhere == ["limits"]
    for source in ("a: [", "- a"):
        with pytest.raises(ScriptError):
            form_of(source)
    for edit in (Edit(path=("limits", "turns"), value=1), Edit(path=("facts", "x"), rename=" ")):
        with pytest.raises(ScriptError):
            with_edit("limits: lots\nfacts: {x: ''}\n", edit)
