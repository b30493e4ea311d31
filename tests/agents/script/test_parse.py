import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.agents.script.examples import load_example
from outdial.agents.script.model import (
    Ask,
    AtScreening,
    Goto,
    HangUp,
    If,
    MachineAction,
    Say,
    Script,
    SetVariables,
    Transfer,
)
from outdial.agents.script.parse import ScriptError, parse_script
from outdial.agents.script.template import Slot
from outdial.conversation.opening import Greet

DEMO = load_example("appointment_reminder")


def script(text: str) -> Script:
    return parse_script(textwrap.dedent(text))


def fault(text: str) -> tuple[int | None, str]:
    with pytest.raises(ScriptError) as caught:
        script(text)
    return caught.value.line, caught.value.reason


def test_the_smallest_script_is_a_step_that_ends_the_call():
    small = script("""\
        steps:
          hello:
            say: Hello {user_name|there}.
            hang_up: Goodbye.
    """)
    step = small.steps["hello"]
    assert small.start == "hello"
    match step.block:
        case (Say(line=3) as say, HangUp(line=4)):
            assert say.text.parts == ("Hello ", Slot("user_name", "there"), ".")
        case _:
            pytest.fail(f"{step.block}")
    assert small.machine.action is MachineAction.HANG_UP
    assert small.machine.message is None


def test_things_happen_in_the_order_written():
    order = script("""\
        steps:
          a:
            set: {done: true}
            say: One.
            goto: b
          b:
            - transfer: "+12025550100"
    """)
    assert [type(action) for action in order.steps["a"].block] == [SetVariables, Say, Goto]
    assert [type(action) for action in order.steps["b"].block] == [Transfer]


def test_an_ask_knows_how_many_digits_to_wait_for():
    ask = script("""\
        anywhere:
          - digits: ["*99"]
            goto: q
        steps:
          q:
            ask: How many?
            save_as: amount
            answers:
              - digits: [1, 12]
              - words: yes
            hang_up:
    """).steps["q"].block[0]
    assert isinstance(ask, Ask)
    assert ask.max_digits == 3
    assert ask.answers[0].digits == ("1", "12")
    assert ask.save_as == "amount"


def test_yes_times_and_leading_zeros_stay_what_was_written():
    values = script("""\
        variables:
          answer: yes
          time: 10:30
          code: 0123
          count: 3
          price: 9.5
          sent: false
          phone: +12025550100
          day: 2030-01-02
          nothing:
          list: [a, 1]
        steps:
          a:
            hang_up: Goodbye.
    """).variables
    assert values == {
        "answer": "yes", "time": "10:30", "code": "0123", "count": 3, "price": 9.5, "sent": False,
        "phone": "+12025550100", "day": "2030-01-02", "nothing": None, "list": ["a", 1],
    }  # fmt: skip


def test_then_may_be_a_step_or_what_to_do():
    branch = script("""\
        steps:
          a:
            if: plan
            one_of: [gold, silver]
            then: b
            else:
              hang_up: Goodbye.
          b:
            hang_up:
    """).steps["a"].block[0]
    assert isinstance(branch, If)
    assert branch.values == ("gold", "silver")
    assert isinstance(branch.then[0], Goto)
    assert isinstance(branch.otherwise[0], HangUp)


HEAD = "steps:\n  a:\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "empty"),
        ("- a\n- b", 1, "key: value"),
        ("start: a", 1, "needs steps"),
        ("steps: {}", 1, "at least one step"),
        ("stepz:\n  a:\n    hang_up:", 1, "did you mean 'steps'?"),
        (HEAD + "    sya: Hello\n    hang_up:", 3, "did you mean 'say'?"),
        (HEAD + "    say: Hello\n    say: Again\n    hang_up:", 4, "here twice (first on line 3)"),
        (HEAD + "    goto: bb\n  bbb:\n    hang_up:", 3, "no step 'bb'; did you mean 'bbb'?"),
        ("start: x\n" + HEAD + "    hang_up:", 1, "no step 'x'"),
        (HEAD + "    say: Hello", 2, "without saying what is next"),
        (HEAD + "    hang_up:\n  b:\n    hang_up:", 4, "nothing leads to step 'b'"),
        (HEAD + "    say: One.\n    goto: b\n  b:\n    goto: a", 2, "can never end"),
        (HEAD + "    goto: a\n    say: Hello", 4, "never reached"),
        (HEAD + "    - {if: x, exists: true, then: a, else: a}\n    - hang_up:", 2, "can never end"),
        (HEAD + "    say: Hello {user name}\n    hang_up:", 3, "a lone '{'"),
        (HEAD + "    say: Hello {{user_name}}\n    hang_up:", 3, "single braces"),
        (HEAD + "    say: {user_name}\n    hang_up:", 3, "needs quotes"),
        (HEAD + "    say: {user_name}, hello\n    hang_up:", 3, "needs quotes"),
        (HEAD + "    say: Press 1: yes\n    hang_up:", 3, "needs quotes"),
        (HEAD + "    say: *hello\n    hang_up:", 3, "needs quotes"),
        (HEAD + "    say: &x hello\n    hang_up:", 3, "needs quotes"),
        (HEAD + "    say: !!python/object:os.system x\n    hang_up:", 3, "needs quotes"),
        (HEAD + "\t say: x", 3, "tabs"),
        (HEAD + "    say:\n    hang_up:", 3, "empty"),
        (HEAD + "    hang_up: false", 3, "goodbye, or nothing"),
        (HEAD + "    answers: []\n    hang_up:", 3, "belongs to 'ask'"),
        (HEAD + "    ask: Well?\n    hang_up:", 3, "needs answers"),
        (HEAD + "    ask: Well?\n    answers: []\n    hang_up:", 4, "answers are a list"),
        (HEAD + "    ask: Well?\n    answers:\n      - goto: a\n    hang_up:", 5, "needs words or digits"),
        (HEAD + "    ask: W?\n    answers:\n      - words: [a]\n      - words: [A]", 6, "line 5"),
        (HEAD + "    ask: Well?\n    answers:\n      - digits: [x]\n    hang_up:", 5, "can't be pressed"),
        (HEAD + "    ask: Well?\n    answers:\n      - digits: any", 3, "needs max_digits"),
        (HEAD + "    ask: Well?\n    answers:\n      - words: ['?']\n    hang_up:", 5, "needs a word"),
        (HEAD + "    ask: W?\n    answers:\n      - words: yes\n        ask: x", 6, "of its own"),
        (HEAD + "    ask: W?\n    answers:\n      - words: yes\n        repley: x", 6, "unknown"),
        (HEAD + "    ask: W?\n    answers: [{words: yes}]\n    no_reply:\n      retries: 9", 6, "0 to 5"),
        (HEAD + "    ask: W?\n    answers: [{words: yes}]\n    wait_s: soon\n    hang_up:", 5, "seconds"),
        (HEAD + "    if: x\n    then: a\n    hang_up:", 3, "one of equals, one_of or exists"),
        (HEAD + "    if: x\n    equals: 1\n    hang_up:", 3, "needs a then"),
        (HEAD + "    if: x y\n    equals: 1\n    then: a\n    hang_up:", 3, "name of a variable"),
        (HEAD + "    set: {user_number: 1}\n    hang_up:", 3, "can't be set"),
        (HEAD + "    set:\n      a b: 1\n    hang_up:", 4, "no name for a variable"),
        (HEAD + "    transfer: the front desk", 3, "transfer needs a number"),
        (HEAD + "    transfer: {to: the front desk, failed: a}", 3, "transfer needs a number"),
        (HEAD + "    transfer: {failed: a}", 3, "transfer needs a number to go to"),
        (HEAD + '    transfer: {to: "+12025550100", fialed: a}', 3, "did you mean 'failed'"),
        (HEAD + '    transfer: {to: "+12025550100", failed: b}', 3, "there is no step 'b'"),
        (HEAD + '    transfer: {to: "+12025550100", failed: [a]}', 3, "failed is one text, not a list"),
        (HEAD + '    transfer: {to: "+12025550100", failed: a}\n    hang_up:', 4, "never reached"),
        (HEAD + "    send_digits: abc\n    hang_up:", 3, "send_digits takes"),
        ("machine: {action: shout}\n" + HEAD + "    hang_up:", 1, "hang_up, leave_message or continue"),
        ("machine: {message: Hello}\n" + HEAD + "    hang_up:", 1, "machine needs an action"),
        ("machine: {screening: wait}\n" + HEAD + "    hang_up:", 1, "screening is say or hang_up"),
        ("machine:\n  screening: hang_up\n  reason: I call\n" + HEAD + "    hang_up:", 3, "gives it no reason"),
        ("machine: {press: 1}\n" + HEAD + "    hang_up:", 1, "press"),
        ("machine: {press: {}}\n" + HEAD + "    hang_up:", 1, "1 to 20 phrases"),
        ("machine:\n  press:\n    front desk: zero\n" + HEAD + "    hang_up:", 3, "press takes keys"),
        ("machine:\n  press:\n    '1': 1\n" + HEAD + "    hang_up:", 3, "words that a menu says"),
        ("machine: {action: leave_message}\n" + HEAD + "    hang_up:", 1, "needs a message"),
        ("anywhere:\n  - words: any\n    goto: a\n" + HEAD + "    hang_up:", 2, "every answer"),
        ("agent: {language: english!}\n" + HEAD + "    hang_up:", 1, "en-US"),
        ("a: 1\n---\nb: 2", 2, "one YAML document"),
        (HEAD + "    say: 'never closed\n", 3, "end of stream"),
        (HEAD + "    say: \x07\n    hang_up:", 3, "no text"),
        (HEAD + "    say: \ud800\n    hang_up:", 3, "no text"),
        ("a: " + "[" * 5000, 1, "deep"),
        ("a: " + "x" * 200_000, None, "longer than"),
        (HEAD + f"    say: {'long ' * 300}\n    hang_up:", 3, "longer than 1000"),
    ],
)  # fmt: skip
def test_a_fault_is_reported_with_its_line_and_reason(text, line, words):
    found_line, reason = fault(text)
    assert words in reason
    assert found_line == line


def test_an_alias_bomb_is_refused_at_its_first_anchor():
    bomb = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(30))
    assert fault(bomb)[0] == 1


def test_an_error_says_its_line_in_its_text():
    with pytest.raises(ValueError, match=r"^line 3: "):
        parse_script(HEAD + "    sya: Hello")


def test_variables_that_nothing_gives_a_value_are_warnings_not_errors():
    warned = script("""\
        variables:
          practice: Riverside
          plan:
        steps:
          a:
            - set: {day: Monday}
            - if: account_type
              exists: true
              then:
                say: "{account_type}"
            - say: Hello {user_nam}, {practice} {plan} {day} {other|x} {user_number} {prctice}
            - say: "{user_nam}"
            - hang_up:
    """)
    assert [(warning.line, warning.reason) for warning in warned.warnings] == [
        (11, "{user_nam} has no fallback and no default; did you mean 'user_number'?"),
        (11, "{prctice} has no fallback and no default; did you mean 'practice'?"),
    ]


def test_another_language_is_warned_of():
    german = script("""\
        agent: {name: Termin, language: de-DE}
        steps: {a: {hang_up: Auf Wiedersehen.}}
    """)
    assert german.language == "de-DE"
    assert [(warning.line, warning.reason) for warning in german.warnings] == [
        (1, "the offline voice and recogniser are English: this language needs a vendor's"),
        (1, "numbers, dates and abbreviations are read by rules in English alone; here the voice decides"),
    ]
    finnish = script("""\
        agent: {name: Aika, language: fi}
        steps: {a: {hang_up: Hei hei.}}
    """)
    assert finnish.warnings[0].reason == (
        "what yes, no and do_not_call understand is English here (de, en, es or fr are known): add words"
    )


def test_what_outdial_says_by_itself_is_said_in_the_scripts_language():
    german = script("""\
        agent: {language: de}
        steps: {a: {ask: Passt das?, answers: [{words: [yes]}], hang_up: Gut.}}
    """)
    assert german.do_not_call.say.source.startswith("Entschuldigen Sie")
    ask = german.steps["a"].block[0]
    assert isinstance(ask, Ask)
    assert "Auf Wiederhören" in ask.no_reply.then[0].goodbye.source


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("type: number", None),
        ("type: digits(5)", None),
        ("type: 'digits(4..6)'", None),
        ("type: phon", "a type is one of phone, digits"),
        ("type: digits(0)", "digits(0) is no range"),
        ("type: digits(6..4)", "digits(6..4) is no range"),
        ("type: number(7)", "number takes a range"),
        ("type: date(3)", "date takes nothing in brackets"),
        ("read_back: true", "ask needs answers, or the type"),
        ("{type: phone, read_back: maybe}", "read_back is true or false"),
        ("answers: [{digits: any}]\n            max_digits: 5\n            min_digits: 4", None),
        ("answers: [{digits: [1]}]\n            min_digits: 4", "min_digits is for an answer of any digits"),
        ("answers: [{digits: [1]}]\n            read_back: true", "read_back is for a question with a type"),
    ],
)
def test_types_of_answers_are_checked_when_a_script_is_saved(question, reason):
    if question.startswith("{"):
        question = question.strip("{}").replace(", ", "\n            ")
    source = f"""
        steps:
          a:
            ask: Which?
            {question}
            hang_up: Thank you.
    """
    if reason is None:
        assert isinstance(script(source).steps["a"].block[0], Ask)
    else:
        with pytest.raises(ScriptError, match=re.escape(reason)):
            script(source)


def test_what_is_easily_misheard_is_read_back_unless_the_author_says_otherwise():
    def is_read_back(of: str) -> bool:
        ask = script(f"steps: {{a: {{ask: Which?, type: '{of}', hang_up: Bye.}}}}").steps["a"].block[0]
        assert isinstance(ask, Ask)
        return ask.read_back

    types = ("phone", "email", "date", "amount", "digits", "digits(5)", "digits(4)", "number", "time", "name", "yes_no")
    assert [of for of in types if is_read_back(of)] == ["phone", "email", "date", "amount", "digits", "digits(5)"]


def parses_or_explains(source: str) -> None:
    problem = None
    try:
        assert isinstance(parse_script(source), Script)
    except ScriptError as error:
        problem = error
    if problem is not None:
        assert problem.reason
        assert problem.line is None or 1 <= problem.line <= len(source.splitlines()) + 1


@given(st.text())
def test_any_text_is_a_script_or_a_script_error(text):
    parses_or_explains(text)


def test_what_is_done_at_services_that_stand_before_the_callee():
    source = "machine:\n  reason: It's {shop}.\n  press:\n    front  desk: 0\n    'to speak with': 1w2\n"
    machine = parse_script(source + HEAD + "    hang_up:").machine
    assert (machine.action, machine.screening) == (MachineAction.HANG_UP, AtScreening.SAY)
    assert (machine.reason, machine.reason_line) == ("It's {shop}.", 2)
    assert machine.press == (("front desk", "0"), ("to speak with", "1w2"))


@given(st.data())
def test_a_damaged_script_is_a_script_or_a_script_error(data):
    at = data.draw(st.integers(0, len(DEMO)))
    until = data.draw(st.integers(at, min(len(DEMO), at + 40)))
    noise = data.draw(st.text(alphabet=":-{}[]&*!#|>'\"\n\t ,?%@`a1\x00\ud800", max_size=8))
    parses_or_explains(DEMO[:at] + noise + DEMO[until:])


KEYS = """
    steps start agent machine anywhere do_not_call variables say ask answers words digits then else if exists
    goto hang_up transfer set screening reason press no_reply no_match retries reprompt a b
"""
keys = st.sampled_from(KEYS.split())
values = st.recursive(
    st.sampled_from(["yes", "any", "a", "b", "1", "true", "", "'{x}'", "'{'", "-1", "+12025550100"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(keys, inner, max_size=4).map(
            lambda fields: "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"
        ),
    ),
    max_leaves=15,
)


@given(st.dictionaries(keys, values, max_size=5))
def test_the_right_words_in_the_wrong_places_are_a_script_error(top):
    parses_or_explains("\n".join(f"{key}: {value}" for key, value in top.items()))


def test_who_speaks_first_and_how_long_is_held_on():
    plain = "steps: {a: {hang_up: Goodbye.}}"
    assert (parse_script(plain).greet, parse_script(plain).hold_s) == (None, 30.0)
    script = parse_script(f"greet: after_hello\nhold_s: 45\n{plain}")
    assert (script.greet, script.hold_s) == (Greet.AFTER_HELLO, 45.0)
    assert parse_script(f"greet: at_once\n{plain}").greet is Greet.AT_ONCE


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("greet: loudly", "greet is at_once or after_hello, not 'loudly'"),
        ("greet: [at_once]", "greet is one text, not a list"),
        ("hold_s: 0", "hold_s is a number of seconds from 1 to 300"),
        ("hold_s: long", "hold_s is a number of seconds from 1 to 300"),
    ],
)
def test_what_can_not_be_meant_by_that(line, reason):
    with pytest.raises(ScriptError) as error:
        parse_script(f"{line}\nsteps: {{a: {{hang_up: Goodbye.}}}}")
    assert (error.value.line, error.value.reason) == (1, reason)


# -- warm transfers --------------------------------------------------------------------------------------------

ASKS = """
    steps:
      a:
        transfer: {to: "+12025550177", failed: b, warm: WARM}
      b: {hang_up: Goodbye.}
"""


def warm_of(written: str):
    return script(ASKS.replace("WARM", written)).steps["a"].block[0].warm


def test_a_brief_alone_is_a_warm_transfer():
    warm = warm_of("Jane is on the line.")
    assert (warm.brief.source, warm.wait_s) == ("Jane is on the line.", 15)
    assert (warm.hold, warm.if_not_possible) == (None, "stay")


def test_it_may_say_how_long_it_waits_and_what_the_callee_hears():
    warm = warm_of("{brief: 'About {day}.', wait_s: 20, hold: One moment., if_not_possible: cold}")
    assert (warm.brief.source, warm.wait_s, warm.hold.source) == ("About {day}.", 20, "One moment.")
    assert warm.if_not_possible == "cold"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("true", "a warm transfer needs a brief"),
        ("{wait_s: 20}", "a warm transfer needs a brief"),
        ("{brief: Jane., wait_s: 2}", "wait_s is a number of seconds from 5"),
        ("{brief: Jane., if_not_possible: wait}", "if_not_possible is stay or cold, not 'wait'"),
        ("{brief: Jane., music: loud}", "'music' is unknown in warm"),
    ],
)
def test_what_is_wrong_with_one_is_said(written, reason):
    with pytest.raises(ScriptError, match=re.escape(reason)):
        warm_of(written)


def test_a_warm_transfer_says_where_the_call_goes_on():
    with pytest.raises(ScriptError, match="needs the step where the call goes on"):
        script(ASKS.replace("WARM", "Jane.").replace(" failed: b,", "").replace("b: {", "c: {"))
