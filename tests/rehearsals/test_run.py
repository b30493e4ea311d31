import textwrap
import time

import pytest

from outdial.agents.script.examples import REHEARSALS, list_examples, load_example
from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Rehearsed, Tried, budget, rehearse, talk
from outdial.telephony.state import EndedBy
from outdial.testing.callee import HangsUp, Says, Silent

SCRIPT = Tried.of(
    """\
variables: {user_name: Jane}
anywhere:
  - words: [who is this]
    say: This is a test.
steps:
  greeting:
    say: Hello {user_name}.
    ask: Shall I go on?
    save_as: go_on
    answers:
      - name: agreed
        words: [yes]
        goto: number
      - words: [no]
        digits: [2]
        set: {outcome: refused}
        hang_up: Goodbye.
    no_match: {retries: 0, then: thanks}
  number:
    ask: What is your number?
    save_as: number
    max_digits: 4
    answers:
      - digits: any
        goto: thanks
  thanks:
    set: {outcome: agreed, done: true, count: 3}
    transfer: {to: "+12025550177", failed: sorry}
  sorry:
    hang_up: Nobody is there. Goodbye.
"""
)


def played(lines: str, expect: str = "{}") -> Rehearsed:
    """With the callee's lines from the fourth line of the file on, and what is expected right after them."""
    expected = f"    expect: {expect}\n" if expect != "{}" else ""
    source = "rehearsals:\n  - name: One\n    call:\n" + textwrap.indent(textwrap.dedent(lines), "      ") + expected
    [done] = rehearse(SCRIPT, parse_rehearsals(source).rehearsals)
    return done


@pytest.mark.parametrize("example", [example.name for example in list_examples()])
def test_the_examples_have_rehearsals_that_go_as_written(example):
    read = parse_rehearsals(load_example(example + REHEARSALS))
    assert read.script == f"{example}.yaml"
    done = rehearse(Tried.of(load_example(example)), read.rehearsals)
    assert [(one.name, one.line, one.wrong) for one in done if one.wrong is not None] == []


def test_rehearsals_are_no_examples():
    assert not any(example.name.endswith(REHEARSALS) for example in list_examples())


def test_a_call_tells_its_path_with_the_answers_that_led_there():
    done = played("- says: Yes.\n- presses: 4471\n- transfer: busy\n")
    assert done.wrong is None
    assert [(one.step, one.led_by) for one in done.path] == [
        ("greeting", None),
        ("number", "agreed"),
        ("thanks", "any"),
        ("sorry", None),
    ]
    assert [one.at_ms for one in done.path] == sorted(one.at_ms for one in done.path)
    assert SCRIPT.agent.steps["number"].line == done.path[1].line
    assert (done.outcome, done.ended_by) == ("transfer_failed", EndedBy.AGENT)
    assert done.noted == {"go_on": "agreed", "number": "4471", "outcome": "agreed", "done": True, "count": 3}


@pytest.mark.parametrize(
    ("lines", "led_by"),
    [
        ("- says: Apples.\n", "no_match"),
        ("- says: Who is this?\n- says: Yes.\n- presses: 1#\n", "agreed"),
    ],
)
def test_a_step_says_what_led_to_it(lines, led_by):
    assert played(lines).path[1].led_by == led_by


def test_a_value_of_the_type_asked_for_leads_on():
    script = Tried.of(
        "steps:\n  a:\n    - ask: How many?\n      type: number\n      save_as: n\n    - goto: b\n  b: {hang_up: }\n"
    )
    [done] = rehearse(script, parse_rehearsals("rehearsals: [{name: a, call: [says: seven]}]").rehearsals)
    assert [(one.step, one.led_by) for one in done.path] == [("a", None), ("b", "value")]
    assert done.noted["n"] == 7


def test_it_takes_milliseconds():
    began = time.thread_time()
    for _ in range(20):
        assert played("- silent\n- silent\n").outcome == "silent"
    assert time.thread_time() - began < 2  # of more than six minutes of silence


SOUND = "- hears: Hello Jane\n- says: Yes.\n- presses: 4471\n"


@pytest.mark.parametrize(
    "expect",
    [
        "{outcome: agreed, ended_by: agent, path: [greeting, number, thanks]}",
        "{noted: {go_on: agreed, number: 4471, done: true, count: '3', missing: }}",
        "{variables: {user_name: , number: '4471'}}",
    ],
)
def test_what_is_expected_and_comes_about_is_right(expect):
    assert played(SOUND, expect).wrong is None


@pytest.mark.parametrize(
    ("expect", "wrong"),
    [
        ("{outcome: refused}", "outcome is 'agreed', not 'refused'"),
        ("{outcome: }", "outcome is 'agreed', not nothing"),
        ("{ended_by: callee}", "ended_by is 'agent', not 'callee'"),
        ("{path: [greeting, thanks]}", "path: after greeting comes number, not thanks"),
        ("{path: [greeting, number]}", "path: after number comes thanks, not the end"),
        ("{path: [greeting, number, thanks, sorry]}", "path: after thanks comes the end, not sorry"),
        ("{path: [hello]}", "path: first comes greeting, not hello"),
        ("{noted: {number: 4472}}", "noted number is '4471', not '4472'"),
        ("{noted: {user_name: Jane}}", "noted user_name is nothing, not 'Jane'"),
        ("{noted: {done: }}", "noted done is 'True', not nothing"),
        ("{variables: {count: 4}}", "variable count is '3', not '4'"),
    ],
)
def test_what_is_expected_and_does_not_come_about_is_told(expect, wrong):
    done = played(SOUND, expect)
    assert (done.wrong, done.line) == (wrong, 7)


def test_the_first_line_that_goes_wrong_is_told():
    done = played("- hears: Hello Jane\n- says: No.\n- hears: your number\n- says: 1\n", "{outcome: agreed}")
    assert done.line == 6
    assert done.wrong == "the callee doesn't hear this; the agent said “Goodbye.”"
    source = "rehearsals:\n  - name: a\n    expect:\n      noted: {a: 1}\n      outcome: moved\n      path: [no]\n"
    [done] = rehearse(SCRIPT, parse_rehearsals(source).rehearsals)
    assert (done.line, done.wrong) == (4, "noted a is nothing, not '1'")


def test_a_script_that_goes_round_in_circles_is_told():
    source = "steps:\n  a: {if: x, exists: true, then: {hang_up: }, else: {goto: b}}\n  b: {goto: a}\n"
    script = Tried.of(source)
    [done] = rehearse(script, parse_rehearsals("rehearsals: [{name: a, call: }]").rehearsals)
    assert done.wrong is not None
    assert done.wrong.startswith("the script goes round in circles: it was stopped after ")
    assert done.line is None


def test_rehearsals_have_a_time_limit():
    [done] = rehearse(SCRIPT, parse_rehearsals("rehearsals: [{name: a, call: [says: Yes]}]").rehearsals, budget(0))
    assert done.wrong == "this took too long, and was given up"
    assert done.line is None


def test_a_talk_stops_where_the_callee_is_awaited_and_goes_on_from_there():
    begun = talk(SCRIPT, [], {"user_name": "Ann"})
    assert begun.awaits_callee
    assert [turn.text for turn in begun.turns] == ["Hello Ann.", "Shall I go on?"]
    on = talk(SCRIPT, [Silent(), Says("Yes")], {"user_name": "Ann"})
    assert on.turns[: len(begun.turns)] == begun.turns
    assert on.awaits_callee
    assert [one.step for one in on.path] == ["greeting", "number"]
    over = talk(SCRIPT, [Silent(), Says("Yes"), HangsUp()], {"user_name": "Ann"})
    assert (over.awaits_callee, over.ended_by, over.outcome) == (False, EndedBy.CALLEE, "hung_up_early")
