import textwrap
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.script.fake_call import SILENCE, BargeIn, FakeCall, pressed
from outdial.agents.script.examples import load_example
from outdial.agents.script.parse import parse_script
from outdial.agents.script.run import MAX_ACTIONS, run_script, speakable
from outdial.agents.script.template import TemplateError
from outdial.agents.script.unheard import unheard
from outdial.conversation.verb_results import CallEnded, FailedTransfer, Heard
from outdial.conversation.warm import Warm
from outdial.speech.reading.marks import Format, marked, without_marks
from outdial.speech.reading.reader import Reading
from outdial.telephony.transfer import TransferOutcome
from outdial.telephony.verdict import AnsweredBy

ONE_QUESTION = """
steps:
  q:
    ask: Tea or coffee?
    save_as: drink
    answers:
      - {name: tea, words: [tea], digits: [1], goto: done}
      - {words: [coffee], digits: [2], goto: done}
  done:
    hang_up: You get {drink}.
"""


async def hold(source: str, *callee: str | Heard | BargeIn, **call: Any) -> FakeCall:
    fake = FakeCall(callee=list(callee), **call)
    with pytest.raises(CallEnded):
        await run_script(parse_script(textwrap.dedent(source)), fake)
    return fake


@pytest.mark.parametrize(
    ("reply", "drink"),
    [("Tea, please", "tea"), (pressed("1"), "tea"), ("Coffee.", "Coffee."), (pressed("2#"), "2")],
)
async def test_an_answer_is_saved_under_its_name_or_as_it_came(reply, drink):
    call = await hold(ONE_QUESTION, reply)
    assert call.noted["drink"] == drink


async def test_no_reply_and_no_match_are_counted_apart_and_say_their_own_words():
    call = await hold(
        """
        steps:
          q:
            ask: Tea or coffee?
            wait_s: 4
            answers:
              - words: [tea]
                hang_up: Fine.
            no_reply:
              retries: 1
              reprompt: Are you there?
              then: gone
            no_match:
              retries: 2
              reprompt: Just say tea.
              then:
                say: Never mind.
                goto: gone
            hang_up:
          gone:
            hang_up: Goodbye.
        """,
        "blue", SILENCE, "green", "red",
    )  # fmt: skip
    assert call.said == [
        "Tea or coffee?", "Just say tea.", "Are you there?", "Just say tea.", "Never mind.", "Goodbye.",
    ]  # fmt: skip
    assert call.listened[0] == {"no_reply_s": 4.0, "max_digits": 0}


async def test_without_words_of_its_own_a_script_still_asks_again_and_ends():
    call = await hold(ONE_QUESTION, "blue", "blue")
    assert call.said == [
        "Tea or coffee?",
        "Sorry, I didn't get that. Tea or coffee?",
        "I'm sorry, I'm having trouble understanding. Goodbye.",
    ]
    assert (await hold(ONE_QUESTION)).said[-1] == "I'm sorry, I can't hear you. Goodbye."


async def test_a_hello_and_a_pardon_get_the_question_again_without_being_counted():
    call = await hold(ONE_QUESTION, "Hello?", "Sorry?", "Could you repeat that?", "blue", "tea")
    assert call.said[:4] == ["Tea or coffee?"] * 4
    assert call.noted["drink"] == "tea"


async def test_a_noise_that_cut_the_question_off_is_not_an_answer():
    call = await hold(ONE_QUESTION, BargeIn(), "tea")
    assert call.said == ["Tea or coffee?", "Tea or coffee?", "You get tea."]


STATEMENT = """
anywhere:
  - words: [who is this]
    say: I am the assistant.
  - words: [operator]
    transfer: "+12025550177"
steps:
  a:
    - say: This is the clinic. Your results have arrived. Please fetch them.
    - ask: Will you come?
      answers:
        - words: [yes]
          hang_up: Good.
        - words: [no]
          digits: [2]
          hang_up: A pity.
    - hang_up:
"""


@pytest.mark.parametrize("words", ["Okay.", "Hello?", "The weather is nice", ""])
async def test_a_statement_is_taken_up_again_where_it_was_cut(words):
    call = await hold(STATEMENT, BargeIn(words, after=6), "yes")
    assert call.said[:3] == [
        "This is the clinic. Your results have arrived. Please fetch them.",
        "Your results have arrived. Please fetch them.",
        "Will you come?",
    ]


async def test_a_statement_that_is_cut_again_and_again_is_said_to_its_end():
    okay = BargeIn("okay", into="Will")
    call = await hold(STATEMENT, BargeIn("uh huh", after=2), BargeIn("okay", after=5), okay, "yes")
    assert call.said[:4] == [
        "This is the clinic. Your results have arrived. Please fetch them.",
        "This is the clinic. Your results have arrived. Please fetch them.",
        "Your results have arrived. Please fetch them.",
        "Will you come?",
    ]


async def test_who_barges_in_with_the_answer_is_not_asked():
    by_words = await hold(STATEMENT, BargeIn("No, I will not come."))
    by_key = await hold(STATEMENT, BargeIn(digits="2"))
    assert by_words.said[1:] == by_key.said[1:] == ["A pity."]


async def test_what_is_understood_anywhere_is_answered_and_the_talk_goes_on():
    call = await hold(STATEMENT, BargeIn("Who is this?", after=4), "who is this", "yes")
    assert call.said[1:] == [
        "I am the assistant.",
        "Your results have arrived. Please fetch them.",
        "Will you come?",
        "I am the assistant.",
        "Will you come?",
        "Good.",
    ]


async def test_something_remembered_after_the_goodbye_still_counts():
    call = await hold(STATEMENT, "yes", "Oh wait, operator please")
    assert call.transferred_to == "+12025550177"


async def test_the_callee_may_hang_up_at_any_time():
    call = await hold(STATEMENT, "(hangs up)")
    assert call.ended


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"plan": "PREMIUM "}, "gold"),
        ({"plan": 3}, "three"),
        ({"plan": "3"}, "three"),
        ({"plan": True}, "true"),
        ({"plan": "basic"}, "other"),
        ({}, "default"),
        ({"plan": None}, "default"),
        ({"plan": {"a": 1}}, "other"),
    ],
)
async def test_a_branch_compares_as_its_author_means_it(variables, said):
    call = await hold(
        """
        variables: {plan: start}
        steps:
          a:
            - {if: plan, one_of: [gold, premium], then: {hang_up: gold}}
            - {if: plan, equals: 3, then: {hang_up: three}}
            - {if: plan, equals: true, then: {hang_up: "true"}}
            - {if: plan, equals: start, then: {hang_up: default}}
            - hang_up: other
        """,
        variables=dict(variables),
    )
    assert call.said[0] == said


async def test_exists_is_about_having_a_value():
    source = """
        steps:
          a: {if: customer.name, exists: true, then: {hang_up: known}, else: {hang_up: unknown}}
    """
    assert (await hold(source, variables={"customer": {"name": "Jane"}})).said == ["known"]
    assert (await hold(source, variables={"customer": {"name": " "}})).said == ["unknown"]
    assert (await hold(source, variables={"customer": 5})).said == ["unknown"]


async def test_a_value_no_sender_meant_is_missing_in_texts_and_conditions_and_kept_as_it_was_sent():
    source = """
        variables: {city: Berlin, plan: basic}
        steps:
          a:
            if: name
            exists: true
            then: {hang_up: "wrong {name}"}
            else:
              - say: "Hello {name|there}, {city}."
              - if: plan
                equals: None
                then: {hang_up: "no plan"}
                else: {hang_up: "a plan"}
    """
    sent = {"name": "undefined", "city": "#N/A", "plan": "None"}
    call = await hold(source, variables=sent)
    assert call.said == ["Hello there, Berlin.", "no plan"]
    assert call.variables == {"name": "undefined", "city": "#N/A", "plan": "None"}


async def test_what_the_agent_noted_is_meant_whatever_it_is():
    source = """
        steps:
          a:
            set: {allergies: None}
            hang_up: "Noted, {allergies}."
    """
    assert (await hold(source)).said == ["Noted, None."]


async def test_a_transfer_drops_what_nobody_sees_in_its_number():
    call = await hold('steps: {a: {transfer: "{desk}"}}', variables={"desk": "\u202a+12025550123\u202c"})
    assert call.transferred_to == "+12025550123"


async def test_set_copies_a_value_as_it_is_and_fills_in_texts():
    call = await hold(
        """
        steps:
          a:
            set:
              copy: "{ids}"
              number: "{phone}"
              text: To {phone}
              count: 3
              missing: "{nothing|none}"
            send_digits: "w{phone}#"
            transfer: "{number}"
        """,
        variables={"ids": [1, 2], "phone": "+12025550133"},
    )
    assert call.noted["copy"] == [1, 2]
    assert call.noted["text"] == "To +1 202-555-0133"
    assert call.noted["count"] == 3
    assert call.noted["missing"] == "none"
    assert call.digits_sent == ["w12025550133#"]
    assert call.transferred_to == "+12025550133"


@pytest.mark.parametrize("number", [None, "", "0301234", "+1", "call me", "+12025550100;ext=1", [1]])
async def test_a_transfer_without_a_number_ends_politely(number):
    call = await hold('steps: {a: {transfer: "{desk}"}}', variables={"desk": number})
    assert call.transferred_to is None
    assert call.said == ["I'm sorry, I can't put you through right now. Goodbye."]


BACK = """
steps:
  a:
    transfer: {to: "{desk}", failed: sorry}
  sorry:
    hang_up: Nobody is free, {name}. Goodbye.
start: a
"""
DESK = {"desk": "+12025550177", "name": "Jane"}
FAILED = FailedTransfer(step="sorry", to="+12025550177", result=TransferOutcome.BUSY)


async def test_a_transfer_says_where_the_call_goes_on_when_nobody_takes_it():
    call = await hold(BACK, variables=DESK)
    assert (call.transferred_to, call.goes_on_at, call.said) == ("+12025550177", "sorry", [])


async def test_a_call_that_is_back_goes_on_at_that_step():
    call = await hold(BACK, variables=DESK, failed_transfer=FAILED)
    assert (call.transferred_to, call.said) == (None, ["Nobody is free, Jane. Goodbye."])


async def test_a_call_that_is_back_at_a_step_that_is_gone_begins_anew():
    call = await hold(BACK, variables=DESK, failed_transfer=replace(FAILED, step="gone"))
    assert call.transferred_to == "+12025550177"


@pytest.mark.parametrize("reason", [{"refuses_transfers": True}, {"variables": {"name": "Jane"}}])
async def test_a_transfer_that_can_not_be_tried_goes_on_there_at_once(reason):
    call = await hold(BACK, **{"variables": DESK} | reason)
    assert (call.transferred_to, call.said) == (None, ["Nobody is free, Jane. Goodbye."])


async def test_a_refused_transfer_ends_politely():
    call = await hold('steps: {a: {transfer: "{desk}"}}', variables=DESK, refuses_transfers=True)
    assert call.said == ["I'm sorry, I can't put you through right now. Goodbye."]
    assert call.ended


async def test_what_was_noted_comes_before_what_was_sent_in_texts_and_branches():
    source = """
        variables: {plan: free, city: Rome, day: never}
        steps:
          a:
            say: "{name} {plan} {city} {day} {seat}"
            if: plan
            equals: gold
            then: {set: {name: Jim, copy: "{plan}"}, hang_up: "gold {name} {copy}"}
            else: {hang_up: none}
    """
    sent = {"name": "Jane", "plan": "silver", "city": "Oslo"}
    call = await hold(source, variables=dict(sent), noted={"plan": "gold", "city": "", "seat": 3})
    assert call.said == ["Jane gold Rome never 3", "gold Jim gold"]
    assert call.variables == sent
    assert call.noted == {"plan": "gold", "city": "", "seat": 3, "name": "Jim", "copy": "gold"}


async def test_the_numbers_and_who_answered_are_variables_of_every_call():
    call = await hold(
        """
        steps:
          a:
            - if: answered_by
              equals: machine
              then:
                say: Dear machine.
            - hang_up: I am {agent_number} and you are {user_number}.
        """,
        answered_by=AnsweredBy.MACHINE,
        variables={"user_number": "forged"},
    )
    assert call.said == ["Dear machine.", "I am +1 202-555-0199 and you are +1 202-555-0100."]


async def test_a_silent_hang_up_waits_for_nothing():
    call = await hold("steps: {a: {hang_up: }}")
    assert call.said == call.listened == []


async def test_a_conversation_that_goes_in_circles_comes_to_a_polite_end():
    source = """
        steps:
          a:
            ask: Again?
            answers:
              - {words: [yes], goto: a}
            hang_up:
    """
    call = await hold(source, *["yes"] * 1000)
    assert call.said[-1] == "I'm sorry, I have to end this call now. Goodbye."
    assert len(call.said) <= MAX_ACTIONS


async def test_a_loop_without_questions_comes_to_an_end_too():
    call = await hold(
        """
        steps:
          a: {set: {y: 1}, if: x, exists: false, then: a, else: b}
          b: {hang_up: }
        """
    )
    assert call.said == ["I'm sorry, I have to end this call now. Goodbye."]


async def test_nothing_is_said_where_no_word_is_left_of_a_text():
    call = await hold('steps: {a: {say: "{x}.", hang_up: "{y}"}}')
    assert call.said == []
    assert call.ended


async def test_own_words_for_no_more_calls_and_an_own_apology():
    call = await hold(
        """
        do_not_call:
          say: We are sorry, {user_name|friend}.
          words: [nicht mehr anrufen]
        steps:
          q:
            ask: Passt das?
            answers: [{words: [ja]}]
            hang_up:
        """,
        "Bitte nicht mehr anrufen!",
    )
    assert call.said == ["Passt das?", "We are sorry, friend."]
    assert call.noted["do_not_call"] is True


@pytest.mark.parametrize(
    ("played", "left"),
    [
        ("", "One two. Three four! Five."),
        ("One", "One two. Three four! Five."),
        ("One two", "Three four! Five."),
        ("One two. Three", "Three four! Five."),
        ("One two. Three four! Five.", ""),
        ("Something else", "One two. Three four! Five."),
    ],
)
def test_what_is_left_of_a_text_starts_with_the_sentence_that_was_cut(played, left):
    assert unheard("One two. Three four! Five.", played) == left


def test_a_text_from_elsewhere_is_filled_in_or_refused():
    script = parse_script("steps: {a: {hang_up: }}")
    call = FakeCall(variables={"user_name": "Jane"})
    assert speakable("Hello {user_name}, call {agent_number}", script, call) == (
        "Hello Jane, call +1 202-555-0199"
    )
    with pytest.raises(TemplateError):
        speakable("Hello {user name}", script, call)


DEMO = parse_script(load_example("appointment_reminder"))
some_text = st.text(max_size=40)
anything = st.none() | st.booleans() | st.integers() | some_text | st.lists(some_text, max_size=3)
replies = st.one_of(
    st.sampled_from(["yes", "no", "Hello?", "who is this", "move it", "Friday", "bla", "sorry?"]),
    st.sampled_from(["1", "2", "0", "9"]).map(pressed),
    st.just(SILENCE),
    st.builds(BargeIn, st.sampled_from(["yes", "okay", "", "no thanks", "hello"]), after=st.integers(0, 8)),
)


@given(st.dictionaries(st.sampled_from(sorted(DEMO.variables)), anything), st.lists(replies, max_size=25))
async def test_whatever_comes_the_demo_ends_and_reads_no_braces_aloud(variables, callee):
    call = FakeCall(callee=callee, variables=variables)
    with pytest.raises(CallEnded):
        await run_script(DEMO, call)
    for text in (*call.said, speakable(DEMO.machine.message or "", DEMO, call)):
        assert "{" not in text
        assert "}" not in text
        assert "  " not in text
        assert " ," not in text


FORMATTED = """
steps:
  a:
    say: Your code is {code:digits}. It is good until 3 pm.
    ask: Shall I say {code:digits} again?
    answers: [{words: ["{code:digits}"], hang_up: "Yes, {code:digits}."}, {words: [no], goto: b}]
  b:
    set: {told: "Code {code:digits}", copy: "{code:digits}"}
    hang_up: Goodbye, {code:spell}.
"""


async def test_what_is_said_has_its_formats_and_what_is_noted_and_matched_has_none():
    call = await hold(FORMATTED, "no", variables={"code": "1998"})
    assert [Reading().spoken(text) for text in call.said] == [
        "Your code is one nine nine eight. It is good until three PM.",
        "Shall I say one nine nine eight again?",
        "Goodbye, one nine nine eight.",
    ]
    assert call.noted == {"told": "Code 1998", "copy": "1998"}
    call = await hold(FORMATTED, "1998", variables={"code": "1998"})
    assert without_marks(call.said[-1]) == "Yes, 1998."


def test_what_is_left_of_a_text_with_formats_is_found_by_its_words():
    text = f"The code is {marked('12 34', Format.DIGITS)}. Write it down. Do you have it?"
    assert unheard(text, "The code is 12 34. Write it") == "Write it down. Do you have it?"
    assert unheard(text, "The code is 12") == text


# -- warm transfers --------------------------------------------------------------------------------------------

ASKS_FIRST = """
steps:
  a:
    - set: {day: Friday}
    - transfer: {to: "{desk}", warm: {brief: "{name} wants {day}.", wait_s: 20, hold: One moment}, failed: sorry}
  sorry: {hang_up: "Nobody is free, {name}. Goodbye."}
"""


async def test_who_is_asked_first_is_told_what_the_call_knows():
    call = await hold(ASKS_FIRST, variables=DESK)
    assert (call.transferred_to, call.said) == ("+12025550177", [])
    assert call.warm == Warm(brief="Jane wants Friday.", wait_s=20, hold="One moment")


@pytest.mark.parametrize("result", [TransferOutcome.DECLINED, TransferOutcome.VOICEMAIL, TransferOutcome.BUSY])
async def test_the_script_goes_on_where_it_says_when_they_do_not_take_it(result):
    call = await hold(ASKS_FIRST, variables=DESK, takes_call=result)
    assert (call.transferred_to, call.said) == (None, ["Nobody is free, Jane. Goodbye."])
