"""Which step leads where, also in a script that isn't sound yet."""

import pytest

from agents.script.test_docs import EXAMPLES
from outdial.agents.script.checks import targets_of
from outdial.agents.script.examples import list_examples
from outdial.agents.script.outline import Does, Outline, OutlinedStep, Way, outline_of
from outdial.agents.script.parse import parse_script
from outdial.agents.script.tree import read_tree

SOUND = [*(example.source for example in list_examples() if example.kind == "script"), *EXAMPLES]


def outline(source: str) -> Outline:
    return outline_of(read_tree(source))


def reached(source: str) -> dict[str, bool]:
    return {step.name: step.reached for step in outline(source).steps}


@pytest.mark.parametrize("source", SOUND)
def test_of_a_sound_script_it_says_what_the_script_does(source: str):
    script, found = parse_script(source), outline(source)
    assert {step.name: (step.line, {way.step for way in step.ways if way.step}) for step in found.steps} == {
        name: (step.line, set(targets_of(step.block))) for name, step in script.steps.items()
    }
    assert {way.step for way in found.anywhere if way.step} == {
        target for answer in script.anywhere for target in targets_of(answer.then)
    }
    assert found.start == script.start
    assert all(step.reached for step in found.steps)


def test_a_way_says_what_it_takes():
    found = outline(
        """
steps:
  ask_them:
    ask: Are you coming?
    answers:
      - words: [yes, sure]
        digits: [1]
        if: plan
        equals: gold
        then: thanks
        else:
          hang_up: Goodbye.
      - name: talk
        words: [desk]
        transfer: {to: "+12025550177", failed: thanks}
    no_reply: thanks
    no_match:
      then: {goto: ask_them}
  thanks:
    hang_up:
"""
    )
    assert found.steps[0] == OutlinedStep(
        name="ask_them",
        line=3,
        reached=True,
        ways=(
            Way(on=("yes, 1", "if plan"), does=Does.GOTO, step="thanks", line=10),
            Way(on=("yes, 1", "else"), does=Does.HANG_UP, line=12),
            Way(on=("talk",), does=Does.TRANSFER, line=15),
            Way(on=("talk", "nobody reached"), does=Does.GOTO, step="thanks", line=15),
            Way(on=("no reply",), does=Does.GOTO, step="thanks", line=16),
            Way(on=("not understood",), does=Does.GOTO, step="ask_them", line=18),
        ),
    )


def test_steps_that_nobody_reaches_are_told_also_those_that_only_lead_to_each_other():
    found = reached("steps: {a: {goto: b}, b: {hang_up: }, c: {goto: d}, d: {goto: c}, e: {goto: b}}")
    assert found == {"a": True, "b": True, "c": False, "d": False, "e": False}


def test_what_stands_behind_a_way_that_is_always_taken_leads_nowhere():
    assert reached("steps: {a: [{hang_up: Bye.}, {goto: b}], b: {hang_up: }}") == {"a": True, "b": False}
    both = "steps: {a: [{if: x, exists: true, then: {hang_up: }, else: {hang_up: }}, {goto: b}], b: {hang_up: }}"
    assert reached(both) == {"a": True, "b": False}


def test_what_can_be_said_at_any_time_leads_to_its_step():
    source = "anywhere: [{words: [stop], goto: c}]\nstart: b\nsteps: {a: {goto: b}, b: {hang_up: }, c: {hang_up: }}"
    assert reached(source) == {"a": False, "b": True, "c": True}
    assert outline(source).anywhere == (Way(on=("stop",), does=Does.GOTO, step="c", line=1),)


@pytest.mark.parametrize(
    "source",
    [
        "just a text",
        "[1, 2]",
        "steps:",
        "steps: [a, b]",
        "steps: {a: }",
        "steps: {a: [goto]}",
        "steps: {a: {goto: [b, c], transfer: [1], if: {x: 1}, then: , ask: , answers: {a: b}, no_reply: [x]}}",
        "start: [a]\nanywhere: {a: b}\nsteps: {a: {answers: [text, [1], {words: {a: b}}], ask: x, no_match: {then: }}}",
    ],
)
def test_it_makes_do_with_whatever_is_there(source: str):
    outline(source)


def test_a_start_that_is_no_step_is_none_and_nobody_gets_anywhere():
    found = outline("start: nowhere\nsteps: {a: {hang_up: }}")
    assert found.start is None
    assert [step.reached for step in found.steps] == [False]


def test_a_long_answer_is_cut_to_a_label():
    (step,) = outline(f"steps: {{a: {{ask: x, answers: [{{words: [{'yes ' * 40}], hang_up: }}]}}}}").steps
    assert len(step.ways[0].on[0]) == 40
