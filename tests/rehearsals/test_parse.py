import textwrap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.agents.script.model import ScriptError
from outdial.rehearsals.parse import MAX_LINES, MAX_REHEARSALS, parse_rehearsals
from outdial.telephony.transfer import TransferOutcome
from outdial.testing.callee import HangsUp, Hears, Interrupts, Presses, Says, Silent, TransferEnds, Waits
from outdial.testing.written_model import calls, means

ALL = """\
script: reminder.yaml
variables: {user_name: Jane, plan: basic}
rehearsals:
  - name: Everything
    variables: {plan: premium}
    call:
      - hears: Hello Jane
      - says: Yes.
      - presses: 012
      - interrupts: {after: an appointment, says: Wait}
      - interrupts: {after: an appointment, presses: "0"}
      - interrupts: {after: an appointment}
      - interrupts: {after: 1.5 s, says: Wait}
      - interrupts: {after: "1.5 s", says: Wait}
      - says: [I think, 0.9 s, Friday]
      - silent
      - waits: 2.5
      - transfer: no_answer
      - transfer: refused
      - hangs_up
    expect:
      outcome: moved
      ended_by: callee
      noted: {new_day: Friday, count: 3, gone: }
      variables: {plan: premium}
      path: [greeting, move]
  - name: Only what comes of it
    expect:
      outcome:
"""


def test_a_file_says_what_each_callee_does_and_what_is_to_come_of_it():
    read = parse_rehearsals(ALL)
    assert (read.script, read.script_line) == ("reminder.yaml", 1)
    everything, bare = read.rehearsals
    assert everything.variables == {"user_name": "Jane", "plan": "premium"}
    assert everything.callee == (
        (Hears("Hello Jane"), 7),
        (Says("Yes."), 8),
        (Presses("012"), 9),
        (Interrupts("an appointment", says="Wait"), 10),
        (Interrupts("an appointment", presses="0"), 11),
        (Interrupts("an appointment"), 12),
        (Interrupts(1.5, says="Wait"), 13),
        (Interrupts("1.5 s", says="Wait"), 14),
        (Says(("I think", 0.9, "Friday")), 15),
        (Silent(), 16),
        (Waits(2.5), 17),
        (TransferEnds(TransferOutcome.NO_ANSWER), 18),
        (TransferEnds("refused"), 19),
        (HangsUp(), 20),
    )
    expect = everything.expect
    assert expect.outcome
    assert (expect.outcome.value, expect.outcome.line) == ("moved", 22)
    assert expect.path
    assert expect.path.value == ("greeting", "move")
    assert {name: one.value for name, one in expect.noted.items()} == {"new_day": "Friday", "count": 3, "gone": None}
    assert bare.callee == ()
    assert bare.expect.outcome
    assert bare.expect.outcome.value is None
    assert bare.expect.ended_by is None


def fault(text: str) -> tuple[int | None, str]:
    with pytest.raises(ScriptError) as caught:
        parse_rehearsals(textwrap.dedent(text))
    return caught.value.line, caught.value.reason


def call(line: str) -> tuple[int | None, str]:
    return fault(f"rehearsals:\n  - name: a\n    call:\n      {line}\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("- say: Yes", "'say' is unknown in a line of a call; did you mean 'says'?"),
        ("- shouts", "'shouts' is nothing that a callee does"),
        ("- {says: Yes, presses: 1}", "one thing that the callee does"),
        ("- {}", "one thing that the callee does"),
        ("- says:", "says is empty"),
        ("- hears: '...'", "hears has no word in it"),
        ("- says: [a, b]", "one text, not a list"),
        ("- presses: one", "can't be pressed"),
        ("- silent: 3", "silent stands alone"),
        ("- waits: soon", "a number of seconds"),
        ("- waits: true", "a number of seconds"),
        ("- waits: 0", "a number of seconds"),
        ("- waits: 100000", "a number of seconds"),
        (
            "- transfer: lost",
            "a transfer is answered, busy, no_answer, declined, voicemail, failed or refused, not 'lost'",
        ),
        ("- says: [0.5 s]", "or words with pauses"),
        ("- says: [a, 31 s, b]", "not between 0 and 30 s"),
        (f"- says: [{'a' * 500}, 1 s, b]", "longer than 500"),
        ("- interrupts: {after: 0 s}", "not between 0 and 600 s"),
        ("- interrupts: Wait", "interrupts is written as"),
        ("- interrupts: {says: Wait}", "needs the words after which"),
        ("- interrupts: {after: a, says: b, presses: 1}", "one of says and presses"),
        (f"- says: {'a' * 501}", "longer than 500"),
        ("says: Yes", "call is a list"),
    ],
)
def test_a_line_that_no_callee_does_is_refused_with_its_line(line, reason):
    number, told = call(line)
    assert number == 4
    assert reason in told


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", None, "no rehearsals here"),
        ("a" * 100_001, None, "longer than"),
        ("steps: {a: {hang_up: }}", 1, "this is a script"),
        ("script: a.yaml", 1, "rehearsals are a list"),
        ("rehearsals: []", 1, "rehearsals are a list"),
        ("rehearsals:\n  - call: []", 2, "needs a name"),
        ("rehearsals:\n  - name: a", 2, "needs a call"),
        ("rehearsals:\n  - {name: a, call: }\n  - {name: a, call: }", 3, "'a' is rehearsed on line 2 already"),
        ("rehearsals:\n  - name: a\n    expects: {}", 3, "did you mean 'expect'?"),
        ("rehearsals:\n  - name: a\n    expect: {}", 3, "expect needs one of"),
        ("rehearsals:\n  - name: a\n    expect: {path: greeting}", 3, "path is a list"),
        ("rehearsals:\n  - name: a\n    expect: {ended_by: nobody}", 3, "ended_by is agent or callee, not 'nobody'"),
        ("rehearsals:\n  - name: a\n    expect: {outcome: [a]}", 3, "one text, not a list"),
        ("rehearsals:\n  - &x a\n", 2, "no anchors"),
        ("rehearsals:\n  - name: a\n    call:\n" + "      - silent\n" * (MAX_LINES + 1), MAX_LINES + 4, "more than"),
        (
            "rehearsals:\n" + "".join(f"  - {{name: a{n}, call: }}\n" for n in range(MAX_REHEARSALS + 1)),
            MAX_REHEARSALS + 2,
            "more than",
        ),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_with_its_line(text, line, reason):
    number, told = fault(text)
    assert number == line
    assert reason in told


@given(st.text(max_size=200))
def test_whatever_is_written_is_read_or_refused(text):
    for source in (text, f"rehearsals:\n  - name: a\n    call:\n      - says: {text}\n"):
        with suppress(ScriptError):
            assert parse_rehearsals(source).rehearsals


def test_noise_is_of_a_file_or_of_one_call():
    others = "{name: b, noise: television, call: }, {name: c, noise: none, call: }"
    source = f"noise: 20\nrehearsals: [{{name: a, call: }}, {others}]"
    assert [one.noise for one in parse_rehearsals(source).rehearsals] == [20.0, "television", None]
    assert parse_rehearsals("rehearsals: [{name: a, call: }]").rehearsals[0].noise is None


@pytest.mark.parametrize("noise", ["-1", "61", "true", "loud", "[20]", "'20'"])
def test_a_noise_that_there_is_not_is_refused(noise):
    line, told = fault(f"noise: {noise}\nrehearsals: [{{name: a, call: }}]")
    assert line == 1
    assert "noise is so many dB below the callee's voice, 0 to 60, or" in told


def _model(*answers: str) -> str:
    listed = "".join(f"      - {answer}\n" for answer in answers)
    return f"rehearsals:\n  - name: A\n    call: []\n    model:\n{listed}"


def test_a_model_ends_its_part_by_an_exit_and_says_which_answer_is_meant():
    source = _model("{says: Fine., calls: note, with: {day: Friday}, exits: agreed}", "{means: early}", "{means: }")
    [rehearsal] = parse_rehearsals(source).rehearsals
    assert rehearsal.model == (
        ("Fine.", calls("note", day="Friday"), calls("exit", to="agreed")),
        (means("early"),),
        (means(None),),
    )


@pytest.mark.parametrize(("answer", "reason"), [
    ("{means: early, says: Fine.}", "line 5: means stands alone"),
    ("{means: [early]}", "line 5: means is one text"),
    ("{exits: }", "line 5: exits is empty"),
    ("{exit: agreed}", "line 5: 'exit' is unknown in an answer of the model; did you mean 'exits'?"),
])  # fmt: skip
def test_what_a_model_answers_is_read_as_strictly(answer, reason):
    with pytest.raises(ScriptError) as told:
        parse_rehearsals(_model(answer))
    assert str(told.value).startswith(reason)
