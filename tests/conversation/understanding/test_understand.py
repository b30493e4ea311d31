import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.understanding.asked import DOES_IT_WORK, ENGLISH, MONDAY, WHO, YES_OR_NO, meaning_of
from outdial.conversation.understanding.answer_type import parse_type
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Kind, Option, Question
from outdial.conversation.understanding.understand import understand, understand_keys, wants_no_more_calls

ANSWERS = {
    "yes": Option(words=["yes"], digits=["1"]),
    "no": Option(words=["no"], digits=["2"]),
    "move": Option(words=["move it", "reschedule", "different time"], digits=["3"]),
    "wrong": Option(words=["wrong number", "wrong person"]),
}


def understood(text="", digits="", answers=ANSWERS):
    question = Question(text="Does that time still work for you?", options=list(answers.values()))
    meaning = understand_keys(digits, question) if digits else understand(text, question, ENGLISH)
    return None if meaning.option is None else list(answers)[meaning.option]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Yes, speaking.", "yes"),
        ("Yes, that works for me.", "yes"),
        ("Yep", "yes"),
        ("Uh-huh.", "yes"),
        ("This is she.", "yes"),
        ("That's right.", "yes"),
        ("OK", "yes"),
        ("I am.", "yes"),
        ("No problem, that works", "yes"),
        ("It's not a problem", "yes"),
        ("Why not?", "yes"),
        ("No.", "no"),
        ("No, that's fine", "no"),
        ("No, that doesn't work.", "no"),
        ("No, that doesn\u2019t work.", "no"),
        ("that wont work", "no"),
        ("Yeah, no.", "no"),
        ("Yeah, that doesn't work for me", "no"),
        ("That's not right", "no"),
        ("I'm not", "no"),
        ("This is not Jane", "no"),
        ("I can't talk right now", "no"),
        ("incorrect", "no"),
        ("Yes, but I need to move it", "move"),
        ("No, can we reschedule?", "move"),
        ("I can't. Can we move it?", "move"),
        ("I don't want to move it", "no"),
        ("No, you have the wrong number.", "wrong"),
        ("I am driving", None),
        ("I'm not sure", None),
        ("I don't know", None),
        ("Who is speaking?", None),
        ("Sorry, I can't hear you", None),
        ("yesterday", None),
        ("know", None),
        ("", None),
        ("...", None),
    ],
)
def test_what_people_say_is_understood(said, answer):
    assert understood(said) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("one", "yes"),
        ("Press one, please.", "yes"),
        ("number 2", "no"),
        ("to", "no"),
        ("3", "move"),
        ("one moment please", None),
        ("not one", "no"),
        ("seven", None),
    ],
)
def test_a_spoken_number_counts_when_it_is_all_that_is_said(said, answer):
    assert understood(said) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("that worked for me", "yes"),
        ("I need to reshedule", "move"),
        ("rescheduled", "move"),
        ("corect", "yes"),
        ("that isn't corect", "no"),
        ("a difference time", "move"),
    ],
)
def test_near_spellings_count_when_nothing_was_said_exactly(said, answer):
    assert understood(said) == answer


def test_days_and_numbers_are_never_taken_for_each_other():
    days = {"Tuesday": Option(words=["Tuesday"]), "thirteen": Option(words=["thirteen"])}
    assert understood("Thursday", answers=days) is None
    assert understood("thirty", answers=days) is None
    assert understood("On Tuesday.", answers=days) == "Tuesday"


def test_the_longest_phrase_wins_and_then_the_first():
    answers = {
        "a": Option(words=["the clinic"]),
        "b": Option(words=["the clinic in town", "town"]),
        "c": Option(words=["town"]),
    }
    assert understood("the clinic in town", answers=answers) == "b"
    assert understood("the clinic", answers=answers) == "a"
    assert understood("town", answers=answers) == "b"


def test_phrases_are_whole_words_in_order():
    answers = {"move": Option(words=["move it"])}
    assert understood("it move", answers=answers) is None
    assert understood("remove it", answers=answers) is None
    assert understood("MOVE, it!", answers=answers) == "move"


def test_a_phrase_with_its_own_not_means_what_it_says():
    answers = {"busy": Option(words=["not now"]), "now": Option(words=["now"])}
    assert understood("not now", answers=answers) == "busy"
    assert understood("now", answers=answers) == "now"


def test_digits_come_before_words():
    assert understood("no", digits="1") == "yes"
    assert understood("yes", digits="9") is None
    assert understood(digits="1#") == "yes"


def test_any_digits_and_any_words_take_what_nothing_else_took():
    answers = {
        "zero": Option(digits=["0"]),
        "help": Option(words=["help"]),
        "number": Option(any_digits=True),
        "free": Option(any_words=True),
    }
    assert understood(digits="0", answers=answers) == "zero"
    assert understood(digits="123#", answers=answers) == "number"
    assert understood("one two three", answers=answers) == "number"
    assert understood("help me", answers=answers) == "help"
    assert understood("blue", answers=answers) == "free"
    assert understood(digits="#", answers=answers) is None


def test_a_hash_may_be_an_answer():
    assert understood(digits="#", answers={"hash": Option(digits=["#"])}) == "hash"


NOTHING = Question()


@pytest.mark.parametrize(
    "said",
    [
        "Stop calling me. Don't call this number again.",
        "Please stop calling.",
        "Take me off your list!",
        "remove my number please",
        "Do not call me again",
        "never call here again",
        "stop coaling me",
        "I told you not to... don't ever call me",
    ],
)  # fmt: skip
def test_nobody_has_to_ask_twice_to_be_left_alone(said):
    assert wants_no_more_calls(said, NOTHING, ENGLISH)


@pytest.mark.parametrize("said", ["Call me again tomorrow", "Don't stop calling", "I'd like to stop", ""])
def test_other_words_are_not_a_wish_for_no_more_calls(said):
    assert not wants_no_more_calls(said, NOTHING, ENGLISH)


def test_a_script_may_add_words_for_no_more_calls():
    assert wants_no_more_calls("Rufen Sie mich nicht mehr an", Question(do_not_call=["nicht mehr"]), ENGLISH)


MERE_HELLOS = ["Hello?", "Hi", "Yes, hello?", "I'm Hello.", "Am hello?", "Hello? Hello? Anyone there?", "Good day"]


@pytest.mark.parametrize("said", MERE_HELLOS)
def test_a_mere_hello_is_a_greeting(said):
    assert meaning_of(said).kind is Kind.GREETING


@pytest.mark.parametrize("said", ["Hello, speaking", "Yes", "Hello, this is Jane", "", "In the morning"])
def test_anything_more_is_not(said):
    assert meaning_of(said).kind is not Kind.GREETING


def test_a_greeting_that_says_yes_knows_of_it():
    assert meaning_of("Yes, hello?").option == 0
    assert meaning_of("Hello?").option is None


# -- who is on the phone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["She's not here", "You have the wrong number", "She doesn't live here anymore"])
def test_who_isnt_there_is_a_no_to_who_is_there_and_news_elsewhere(said):
    assert meaning_of(said, WHO).kind is Kind.NO
    assert meaning_of(said).kind in (Kind.NOT_HERE, Kind.WRONG_NUMBER)
    assert meaning_of(said).option is None


def test_a_death_is_news_whatever_was_asked():
    assert meaning_of("She passed away.", WHO).kind is meaning_of("He died.").kind is Kind.DECEASED


def test_somebody_elses_death_is_not():
    assert meaning_of("My father passed away, I need to talk to you later").kind is not Kind.DECEASED


@pytest.mark.parametrize("keyword", ["wrong_number", "not_here", "deceased"])
def test_a_script_may_have_its_own_answer_for_them(keyword):
    said = {"wrong_number": "Wrong number!", "not_here": "He's at work.", "deceased": "She has passed away."}[keyword]
    question = Question(text=WHO.text, options=[*YES_OR_NO, Option(words=[keyword])])
    assert meaning_of(said, question).option == 2


def test_who_says_who_they_are_has_answered_and_who_only_asks_has_not():
    assert meaning_of("Speaking, who's this?", WHO).kind is Kind.YES
    assert meaning_of("Yeah, who's this?", WHO).kind is Kind.QUESTION


# -- several things in one breath ------------------------------------------------------------------------------


def test_who_takes_a_word_back_means_the_later_one():
    days = Question(options=[Option(words=["Tuesday"]), Option(words=["Thursday"]), Option(words=["no"])])
    assert meaning_of("Tuesday, no wait, Thursday", days).option == 1
    assert meaning_of("thursday i mean tuesday", days).option == 0
    assert meaning_of("Not Tuesday, Thursday.", days).option == 1
    assert meaning_of("not tuesday thursday", days).option == 1


def test_wait_before_what_is_to_be_heard_asks_for_no_moment():
    assert meaning_of("Wait, I have a question about that.").kind is not Kind.WAIT
    assert meaning_of("Wait.").kind is Kind.WAIT


def test_a_choice_that_is_being_looked_up_is_none_yet():
    days = Question(options=[Option(words=["Friday"])])
    assert meaning_of("Hold on, let me check Friday", days).kind is Kind.WAIT
    assert meaning_of("Let me see about Friday", days).kind is Kind.WAIT
    assert meaning_of("Hold on. Friday works.", days).option == 0
    assert meaning_of("let me see maybe on friday", days).option == 0
    assert meaning_of("Let me see, maybe, on Friday.", days).option == 0


def test_an_answer_behind_hold_on_counts_and_an_okay_does_not():
    assert meaning_of("Hold on. No, I can't make it.").kind is Kind.NO
    assert meaning_of("Hold on. Okay.").kind is meaning_of("hold on okay").kind is Kind.WAIT


def test_what_was_not_heard_is_a_no_where_that_was_asked():
    letter = Question(text="Did you get our letter?", options=YES_OR_NO)
    assert meaning_of("No, I didn't get it.", letter).kind is meaning_of("I didn't get it.", letter).kind is Kind.NO
    assert meaning_of("I didn't get it.").kind is Kind.REPEAT


def test_an_open_question_takes_what_it_is_told_but_not_a_wish():
    free = Question(text="What could we do better?", options=[Option(any_words=True)])
    said = "You could be on time, and my mother passed away while waiting for a doctor"
    assert meaning_of(said, free).option == 0
    assert meaning_of("Yes.", free).option == meaning_of("Why do you ask?", free).option == 0
    assert meaning_of("Sorry?", free).kind is Kind.REPEAT
    assert meaning_of("One moment please", free).kind is Kind.WAIT
    assert meaning_of("She passed away.", free).kind is Kind.DECEASED


def test_numbers_are_the_same_in_words_and_in_figures():
    spring = Question(options=[Option(words=[words]) for words in ("march 3rd", "April fourth", "ten thirty")])
    assert meaning_of("March third", spring).option == meaning_of("on march 3", spring).option == 0
    assert meaning_of("April 4th", spring).option == meaning_of("april four", spring).option == 1
    assert meaning_of("10:30 would be good", spring).option == 2


# -- digits ----------------------------------------------------------------------------------------------------

RATING = Question(text="From zero to ten?", options=[Option(digits=[str(number)]) for number in range(11)])
ANY = Question(text="Your number?", options=[Option(any_digits=True, most_digits=10)])


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("I'd say eight.", 8), ("Seven out of ten.", 7), ("Probably a six.", 6), ("A nine.", 9), ("It's a two.", 2),
        ("Five stars.", 5), ("Let's say 7.", 7), ("Nine I guess.", 9), ("ten", 10), ("maybe a four", 4), ("ate", 8),
        ("I'll give it a ten out of ten", 10), ("on a scale of one to ten, six", 6), ("a solid 8", 8), ("zero", 0),
        ("eleven", None), ("that one", None), ("one moment", None), ("I have two kids", None), ("one of those", None),
    ],
)  # fmt: skip
def test_a_rating_is_understood_in_a_sentence(said, number):
    assert meaning_of(said, RATING).option == number


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("Double four seven one.", "4471"), ("Twenty-five.", "25"), ("One hundred.", "100"),
        ("Five five five, twelve thirty four.", "5551234"), ("Zip code is 90210", "90210"),
        ("My number is five five five zero one two three.", "5550123"), ("oh two one three nine", "02139"),
        ("it's triple five oh one", "55501"), ("eight hundred five five five", "800555"), ("one hundred five", "105"),
        ("two thousand twenty six", "2026"), ("area code two oh two", "202"), ("202-555-0177", "2025550177"),
        ("1 202 555 0177", "2025550177"), ("five five um five dash one two", "55512"), ("nineteen eighty four", "1984"),
        ("my phone number, let me think, is two oh two five five five oh one four four", "2025550144"),
        ("five to four", "524"), ("seventy", "70"), ("nobody knows", None), ("I have two kids", None),
        ("one two three four five six seven eight nine zero one two", None), ("star", None),
    ],
)  # fmt: skip
def test_spoken_digits_are_the_entry_they_say(said, digits):
    assert meaning_of(said, ANY).value == digits


def test_an_entry_has_the_digits_it_needs():
    question = Question(options=[Option(any_digits=True, least_digits=4, most_digits=10)])
    assert understand_keys("123", question).option is None
    assert understand_keys("1234#", question).value == "1234"
    assert understand_keys("12025550177", question).value == "2025550177"
    assert understand_keys("22025550177", question).option is None
    assert meaning_of("one two three", question).option is None


def test_keys_are_a_value_where_a_type_is_asked_for():
    assert understand_keys("12345", Question(type=parse_type("digits(5)"))).value == "12345"
    assert understand_keys("1234", Question(type=parse_type("digits(5)"))).kind is Kind.UNCLEAR
    assert understand_keys("7#", Question(type=parse_type("number(0..10)"))).value == 7
    assert understand_keys("2025550177", Question(type=parse_type("phone"))).value == "+12025550177"


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=5), st.text("0123456789*#", max_size=3))
def test_whatever_is_heard_is_one_of_the_answers_or_none(text, words, digits):
    question = Question(options=[Option(words=words), *YES_OR_NO], today=MONDAY)
    assert meaning_of(text, question).option in (None, 0, 1, 2)
    assert understand_keys(digits, question).option in (None, 1, 2)
    for of in ("phone", "digits(4)", "number", "date", "time", "amount", "email", "name", "yes_no"):
        assert meaning_of(text, Question(type=parse_type(of), today=MONDAY)).kind in Kind


@given(st.sampled_from(["confirm", "the second one", "another day", "cancel"]), st.text(" ,.!?", max_size=5))
def test_a_phrase_that_is_said_is_found_whatever_is_around_it(phrase, around):
    question = Question(options=[Option(words=["something else"]), Option(words=[phrase])])
    assert meaning_of(f"well{around} {phrase.upper()}{around} thank you", question).option == 1


def test_a_question_in_a_reply_is_left_unanswered_only_where_nothing_else_was_said():
    assert meaning_of("No. Why?").kind is Kind.NO
    assert meaning_of("Sure, what does it cost?", DOES_IT_WORK).kind is Kind.QUESTION


def test_a_yes_as_a_value_is_as_hard_to_get_as_any():
    agreed = Question(text="Do you agree?", type=parse_type("yes_no"))
    assert meaning_of("Yes, I do agree.", agreed).value == "yes"
    assert meaning_of("I refuse.", agreed).value == "no"
    assert meaning_of("It is.", agreed).is_doubtful
    assert meaning_of("Yeah, who's calling?", agreed).kind is Kind.QUESTION
    assert meaning_of("Okay, hold on.", agreed).kind is Kind.WAIT
    assert meaning_of("Okay, what was that again?", agreed).kind is Kind.REPEAT


def test_a_choice_that_is_denied_is_none():
    days = Question(options=[Option(words=["Friday"]), Option(words=["Thursday"]), Option(words=["no"])])
    assert meaning_of("That doesn't work on Friday", days).option == 2
    assert meaning_of("I can't make it Friday.", days).option == 2
    assert meaning_of("No, Friday doesn't work.", days).option == 2
    assert meaning_of("I can't on Friday, Thursday works.", days).option == 1
    assert meaning_of("No. Thursday.", days).option == 1


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("en", "and the weather on sunday looks like rain with no wind at all in the hills"),
        ("en", "so he says no and she says well you should have told me that before"),
        ("en", "the mayor said no to the new bridge after months of talks with the council"),
        ("en", "my brother goes every year to that lake and says there are no fish anymore"),
        ("en", "that is not what the doctor said when we were there in the summer holidays"),
        ("en", "and up next the story of a dog who would not leave his friend alone"),
        ("en", "you know yes that is what they always tell you when you go to the shop"),
        ("de", "und dann hat er gesagt nein das kann er so nicht machen wenn die Kinder spielen"),
        ("fr", "et puis le maire a dit non au pont parce que c'était trop cher pour le village"),
        ("es", "y entonces el alcalde dijo que no al puente nuevo porque era muy caro para todos"),
    ],
)
@pytest.mark.parametrize("of_a_type", [False, True])
def test_a_lone_no_inside_fifteen_words_of_something_else_answers_nothing(tag, said, of_a_type):
    asked = parse_type("yes_no") if of_a_type else None
    options = [Option(words=["yes"]), Option(words=["no"])]
    question = Question(text="Are you coming tomorrow?", options=options, type=asked)
    assert len(said.split()) >= 15
    meaning = understand(said, question, language_of(tag))
    assert (meaning.kind, meaning.option, meaning.value) == (Kind.UNCLEAR, None, None)
