"""What callees say besides an answer, and what becomes of it on a call."""

import pytest

from agents.script.fake_call import SILENCE, BargeIn, pressed
from agents.script.test_run import hold
from outdial.conversation.verb_results import Heard

REMINDER = """
steps:
  a:
    - say: Hello, this is Riverside Dental. We have an appointment for you tomorrow.
    - ask: Does that time still work for you?
      save_as: ans
      answers:
        - {name: yes, words: [yes], digits: [1]}
        - {name: no, words: [no], digits: [2]}
      no_match: {retries: 1, then: c}
      no_reply: {retries: 1, then: c}
    - goto: c
  c:
    hang_up: Goodbye.
"""
QUESTION = "Does that time still work for you?"


async def said_after(*callee):
    call = await hold(REMINDER, *callee)
    return call.said[1:], call


async def test_who_asks_for_a_moment_is_waited_for_and_has_not_agreed():
    said, call = await said_after("Okay, hold on.", "No, it doesn't.")
    assert said == [QUESTION, "Of course.", "Goodbye."]
    assert call.noted["ans"] == "no"
    assert call.listened[1]["no_reply_s"] == 30.0


async def test_who_is_back_without_an_answer_is_asked_again():
    said, call = await said_after("One second please.", "Okay, I'm back.", "Yes.")
    assert said == [QUESTION, "Of course.", QUESTION, "Goodbye."]
    assert call.noted["ans"] == "yes"


async def test_who_stays_away_is_asked_gently():
    said, _ = await said_after("Hang on a minute", SILENCE, "yes")
    assert said == [QUESTION, "Of course.", f"Are you still there? {QUESTION}", "Goodbye."]


async def test_a_moment_over_a_statement_stops_it():
    said, call = await said_after(BargeIn("wait a moment", into="Hello", after=5), "okay go on", "yes")
    assert said == ["Of course.", "We have an appointment for you tomorrow.", QUESTION, "Goodbye."]
    assert call.noted["ans"] == "yes"


@pytest.mark.parametrize("words", ["It is.", "it does", "Yeah, no.", "No, that's fine."])
async def test_what_may_be_the_opposite_is_asked_once_more_in_words(words):
    said, call = await said_after(words, "No.")
    assert said == [QUESTION, f"Just to be sure, yes or no: {QUESTION}", "Goodbye."]
    assert call.noted["ans"] == "no"


async def test_what_was_heard_in_doubt_is_asked_once_more_and_then_given_up():
    said, call = await said_after(Heard(text="yes", doubtful=True), "No.")
    assert said == [QUESTION, f"Just to be sure, yes or no: {QUESTION}", "Goodbye."]
    assert call.noted["ans"] == "no"
    said, call = await said_after(Heard(text="yes", doubtful=True), Heard(text="yes", doubtful=True))
    assert said[2] == f"Sorry, I didn't get that. {QUESTION}"
    assert "ans" not in call.noted


async def test_it_is_never_becomes_a_yes_by_itself():
    said, call = await said_after("It is.", "It is.", "It is.")
    sure, sorry = f"Just to be sure, yes or no: {QUESTION}", f"Sorry, I didn't get that. {QUESTION}"
    assert said == [QUESTION, sure, sorry, "Goodbye."]
    assert "ans" not in call.noted


async def test_a_question_is_no_answer():
    said, call = await said_after("Yeah, who's calling?", "yes")
    assert said[:2] == [QUESTION, f"I'm an automated assistant, and I'm afraid I can't answer that. {QUESTION}"]
    assert call.noted["ans"] == "yes"


async def test_who_wants_to_hear_it_again_hears_it_again():
    said, call = await said_after("Okay, what was the date again?", "You're breaking up.", "yes")
    assert said == [QUESTION, QUESTION, QUESTION, "Goodbye."]
    assert call.noted["ans"] == "yes"


@pytest.mark.parametrize(
    ("words", "outcome", "apology"),
    [
        ("She passed away.", "deceased", "I'm very sorry to hear that. Please excuse the call. Goodbye."),
        ("You have the wrong number.", "wrong_number", "I'm sorry to have bothered you. Goodbye."),
        ("She's not here.", "not_here", "Thank you for telling me. We'll try again another time. Goodbye."),
    ],
)
@pytest.mark.parametrize("over", [None, "Hello"])
async def test_where_nobody_is_to_be_talked_to_the_call_ends_with_an_apology(words, outcome, apology, over):
    said, call = await said_after(BargeIn(words, into=over, after=6) if over else words)
    assert said[-1] == apology
    assert call.noted == {"outcome": outcome}


async def test_a_script_may_answer_them_itself():
    call = await hold(
        """
        steps:
          a:
            ask: Am I speaking with Jane?
            answers:
              - words: [yes]
              - words: [no, wrong_number, not_here]
                hang_up: My mistake.
              - words: [deceased]
                hang_up: My condolences.
            hang_up: Good.
        """,
        "She passed away last year.",
    )
    assert call.said[1] == "My condolences."


@pytest.mark.parametrize("words", ["Don't call me at work.", "Don't call me on Tuesday, call me Friday."])
async def test_a_wish_about_calls_is_not_a_wish_for_none(words):
    _, call = await said_after(words, "yes")
    assert call.noted == {"ans": "yes"}


async def test_lose_this_number_is_one():
    _, call = await said_after("Lose this number.")
    assert call.noted == {"do_not_call": True}


PHONE = """
steps:
  a:
    ask: Please say or enter your ten digit phone number, then press pound.
    save_as: phone
    max_digits: 10
    min_digits: 7
    answers: [{digits: any}]
    no_match: {retries: 1, then: b}
    goto: b
  b:
    hang_up: Thank you.
"""


async def test_spoken_digits_are_noted_as_digits_with_the_words_beside():
    call = await hold(PHONE, "Five, five, five, zero, one, two, three.")
    assert call.noted == {"phone": "5550123", "phone_words": "Five, five, five, zero, one, two, three."}


async def test_pressed_digits_have_no_words():
    assert (await hold(PHONE, pressed("2025550177#"))).noted == {"phone": "2025550177"}


async def test_too_few_digits_are_asked_for_again():
    call = await hold(PHONE, pressed("555#"), pressed("5550123#"))
    assert call.said[1].startswith("Sorry, I didn't get that.")
    assert call.noted == {"phone": "5550123"}


async def test_a_number_in_a_sentence_is_the_key():
    call = await hold(
        """
        steps:
          a:
            ask: From one to ten, how satisfied are you?
            save_as: rating
            answers:
              - {name: '7', digits: [7]}
              - {digits: [8]}
            hang_up: Thank you.
        """,
        "I'd say eight.",
    )
    assert call.noted == {"rating": "8", "rating_words": "I'd say eight."}


def typed(of: str, more: str = "") -> str:
    return f"""
    steps:
      a:
        ask: What is it?
        type: {of}
        save_as: it
        {more}
        hang_up: Thank you.
    """


async def test_a_long_number_is_gathered_read_back_and_noted():
    call = await hold(typed("digits(7)"), "five five five", "um, zero one", "two three", "Yes.")
    assert call.said[1:] == ["I have 5 5 5, 0 1 2 3. Is that right?", "Thank you."]
    assert call.noted == {"it": "5550123", "it_words": "five five five um, zero one two three"}
    assert [each["no_reply_s"] for each in call.listened[:3]] == [6.0, 3.0, 3.0]


async def test_a_slip_is_put_right_where_it_was():
    slip = ("five five five eleven four three", "No, seventy, not eleven.", "That's right.")
    call = await hold(typed("digits(7)"), *slip)
    assert call.said[1:] == [
        "I have 5 5 5, 1 1 4 3. Is that right?", "I have 5 5 5, 7 0 4 3. Is that right?", "Thank you.",
    ]  # fmt: skip
    assert call.noted["it"] == "5557043"


async def test_a_whole_new_value_is_read_back_too_and_a_mere_no_has_it_said_again():
    call = await hold(typed("digits(5)"), "nine oh two one oh", "no, nine oh two one one", "no", "90213", "correct")
    assert call.said[1:] == [
        "I have 9 0 2, 1 0. Is that right?",
        "I have 9 0 2, 1 1. Is that right?",
        "All right, please say it once more.",
        "I have 9 0 2, 1 3. Is that right?",
        "Thank you.",
    ]
    assert call.noted["it"] == "90213"


async def test_who_hears_a_value_twice_and_says_nothing_agrees():
    call = await hold(typed("digits(5)"), "90210")
    assert call.said.count("I have 9 0 2, 1 0. Is that right?") == 2
    assert call.noted["it"] == "90210"


async def test_keys_are_not_read_back():
    call = await hold(typed("phone"), pressed("2025550177"))
    assert call.said == ["What is it?", "Thank you."]
    assert call.noted == {"it": "+12025550177"}
    assert call.listened[0]["max_digits"] == 10


@pytest.mark.parametrize(
    ("of", "said", "value"),
    [
        ("number(0..10)", "seven out of ten", 7), ("time", "half past two", "14:30"),
        ("name", "my name is jane doe", "Jane Doe"),
        ("yes_no", "yes, sure", "yes"), ("yes_no", "I don't think so", "no"), ("number", "seven and a half", 7.5),
    ],
)  # fmt: skip
async def test_a_value_is_noted_as_its_type_has_it(of, said, value):
    call = await hold(typed(of), said)
    assert call.noted == {"it": value, "it_words": said}


async def test_an_author_decides_what_is_read_back():
    call = await hold(typed("time", "read_back: true"), "half past two", "yes")
    assert call.said[1] == "I have 14:30. Is that right?"
    assert len((await hold(typed("phone", "read_back: false"), "202 555 0177")).said) == 2


async def test_no_is_no_value_and_is_asked_once_more():
    call = await hold(typed("yes_no"), "it is", "no")
    assert call.said[1] == "Just to be sure, yes or no: What is it?"
    assert call.noted["it"] == "no"


async def test_a_number_may_be_keyed_in_instead_of_agreed_to():
    call = await hold(typed("digits(5)"), "nine oh two", pressed("90210"))
    assert call.noted == {"it": "90210"}
    call = await hold(typed("digits(5)"), "nine oh two one oh", pressed("90211"), "yes")
    assert call.said[2] == "I have 9 0 2, 1 1. Is that right?"
    assert call.noted["it"] == "90211"


@pytest.mark.parametrize(
    ("of", "said", "heard_again"),
    [
        ("phone", "two oh two five five five oh one seven seven", "2 0 2, 5 5 5, 0 1 7 7"),
        ("digits", "one two three four", "1 2 3 4"),
        ("digits", "one two three four five six seven eight", "1 2 3, 4 5 6, 7 8"),
        ("amount", "twenty dollars", "20"),
        ("amount", "twenty dollars fifty", "20.50"),
        ("email", "jane dot doe at example dot com", "jane.doe@example.com"),
        ("date", "march third twenty twenty eight", "2028-03-03"),
    ],
)
async def test_a_value_is_read_back_as_it_can_be_checked(of, said, heard_again):
    call = await hold(typed(of), said, "yes")
    assert call.said[1] == f"I have {heard_again}. Is that right?"


async def test_for_how_long_a_moment_lasts_is_the_scripts():
    call = await hold(f"hold_s: 75\n{REMINDER}", "Okay, hold on.", "Yes.")
    assert call.listened[1]["no_reply_s"] == 75.0


@pytest.mark.parametrize(
    "words",
    [
        "Hi, you have reached Jane. I can't come to the phone right now, please leave a message after the tone.",
        "Please say your name and why you are calling, and I will see if this person is available.",
    ],
)
async def test_a_recording_answers_nothing(words):
    said, call = await said_after(words, "Yes.")
    assert said == [QUESTION, QUESTION, "Goodbye."]
    assert call.noted["ans"] == "yes"


async def test_who_picks_up_and_wants_no_more_calls_is_asked_nothing():
    call = await hold(REMINDER, hello="Stop calling this number!")
    assert call.said == ["I'm sorry for the disturbance. You won't get another call from us. Goodbye."]
    assert call.noted["do_not_call"] is True


async def test_any_other_hello_is_none_of_the_scripts_business():
    call = await hold(REMINDER, "Yes.", hello="No, not again. Who is this?")
    assert call.said[:2] == ["Hello, this is Riverside Dental. We have an appointment for you tomorrow.", QUESTION]


@pytest.mark.parametrize(
    ("language", "of", "said", "heard_again"),
    [
        ("de", "date", "am fünften März zweitausendachtundzwanzig",
         "Ich habe Sonntag, den fünften März 2028. Ist das richtig?"),
        ("de", "amount", "zwölf Euro fünfzig", "Ich habe 12,50. Ist das richtig?"),
        ("fr", "date", "le premier mai deux mille vingt-huit", "J'ai noté lundi 1er mai 2028. Est-ce exact ?"),
        ("es", "amount", "doscientos cincuenta euros", "Tengo 250. ¿Es correcto?"),
    ],
)  # fmt: skip
async def test_a_value_is_read_back_in_the_language_of_the_script(language, of, said, heard_again):
    source = f"\n    agent: {{language: {language}}}{typed(of)}"
    yes = {"de": "Ja.", "fr": "Oui.", "es": "Sí."}[language]
    call = await hold(source, said, yes)
    assert call.said[1:] == [heard_again, "Thank you."]
