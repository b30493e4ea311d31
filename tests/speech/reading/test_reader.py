"""Reading: by language, with pronunciations and formats, sentence by sentence."""

import time
from itertools import islice, pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.speech.reading.marks import Format, marked, without_marks
from outdial.speech.reading.phones import written
from outdial.speech.reading.reader import Reading, has_rules
from speech.reading.test_english import TABLE

WRITTEN = [text for text, _ in TABLE]


def spoken(text, language="en-US", **pronunciations):
    return Reading(language=language, pronunciations=tuple(pronunciations.items())).spoken(text)


# -- languages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["de-DE", "es", "fr-CA"])
def test_nothing_english_is_read_into_another_language(language):
    text = "Dr. Meier, 3.4.2026 um 14:30, 12,50 EUR, AB-1234, 1/2, 5%, & etc."
    assert spoken(text, language) == text
    assert not has_rules(language)


def test_another_language_has_its_phone_numbers_in_groups_and_its_formats():
    assert spoken("Tel. +49 30 123456", "de-DE") == "Tel. 0 3 0, 1 2 3 4 5 6"
    assert spoken("Tel. +442079460958", "de-DE") == "Tel. 4 4, 2 0, 7 9 4 6, 0 9 5 8"
    assert spoken("Tel. +12025550100", "de-DE") == "Tel. 2 0 2, 5 5 5, 0 1 0 0"
    assert spoken(f"Code {marked('00123', Format.DIGITS)}", "de-DE") == "Code 0 0 1 2 3"
    assert spoken(f"Name {marked('Ute', Format.SPELL)}", "de-DE") == "Name U, t, e"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en-US", "On April third, twenty twenty-six."),
        ("en", "On April third, twenty twenty-six."),
        ("en-GB", "On March fourth, twenty twenty-six."),
        ("en-AU", "On March fourth, twenty twenty-six."),
    ],
)
def test_whether_the_day_comes_first_is_the_country_s(language, said):
    assert spoken("On 4/3/2026.", language) == said


def test_numbers_without_a_country_code_are_grouped_as_at_home():
    said = "zero two zero, seven nine four six, zero nine five eight"
    assert spoken("020 7946 0958", "en-GB") == said
    assert spoken("+44 20 7946 0958", "en-GB") == said
    assert spoken("1-800-FLOWERS", "en-GB") == "one, eight hundred, flowers"
    assert spoken("(02) 5550 1234", "en-AU") == "zero two, five five five zero, one two three four"


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+12025550100", "+1 202-555-0100"), ("+442079460958", "+44 20 7946 0958"), ("no number", "no number")],
)
def test_a_number_is_written_in_groups(number, shown):
    assert written(number) == shown


# -- pronunciations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello Nguyen.", "Hello win."),
        ("Hello NGUYEN!", "Hello win!"),
        ("It is nguyen's turn", "It is win's turn"),
        ("Dr. Nguyen is in", "Doctor win is in"),
        ("12 Nguyen St.", "twelve win Street."),
        ("Nguyens and Nguyen1", "Nguyens and Nguyen one"),
        ("nguyen@example.com", "win at example dot com"),
        ("On A4 paper", "On ay four paper"),
        ("San  Jose or Jose", "san ho-zay or jo-say"),
    ],
)
def test_a_word_is_said_as_the_agent_says_it(text, said):
    said_as = {"Nguyen": "win", "A4": "ay four", "Jose": "jo-say", "San Jose": "san ho-zay"}
    assert spoken(text, **said_as) == said
    assert Reading(language="de", pronunciations=(("Nguyen", "win"),)).spoken("Hallo Nguyen") == "Hallo win"


def test_how_a_word_is_said_is_not_read_again():
    assert spoken("The QX9 is here", QX9="Q 9 Dr. No") == "The Q 9 Dr. No is here"


@pytest.mark.parametrize("between", [" ", "-"])
def test_words_that_begin_alike_cost_as_much_as_one(between):
    start = f"a{between}" * 48
    ends = ("".join(letters) for letters in product("bcdefghi", repeat=3))
    said = [*((start + end, "x") for end in islice(ends, 499)), ("z", "y")]
    reading = Reading(pronunciations=tuple(said))
    text = f"a{between}" * 990
    reading.spoken("Made ready.")
    began = time.thread_time()
    for number in range(10):
        reading.spoken(f"{text} {number}")
    assert time.thread_time() - began < 0.5


def test_of_words_that_begin_alike_the_longest_is_said():
    said = {"New": "noo", "New York": "noo york", "New York City": "the city", "Newer": "nooer"}
    read = Reading(pronunciations=tuple(said.items())).spoken
    assert read("new, New York, new  york city, Newer, newest") == "noo, noo york, the city, nooer, newest"


# -- formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "how", "said"),
    [
        ("00123", Format.DIGITS, "zero zero one two three"),
        ("1998", Format.DIGITS, "one nine nine eight"),
        ("12-34", Format.DIGITS, "one two, three four"),
        ("AB-12", Format.DIGITS, "A, B, one two"),
        ("4829137", Format.DIGITS, "four eight two, nine one three seven"),
        ("+1 202-555-0100", Format.DIGITS, "two zero two, five five five, zero one zero zero"),
        ("Smith", Format.SPELL, "S, M, I, T, H"),
        ("O'Neil 3", Format.SPELL, "O, N, E, I, L, three"),
        ("1998", Format.NUMBER, "one thousand nine hundred ninety-eight"),
        ("48213", Format.NUMBER, "forty-eight thousand two hundred thirteen"),
        ("many", Format.NUMBER, "many"),
    ],
)
def test_a_format_says_how_a_value_is_read(value, how, said):
    text = f"It is {marked(value, how)}, yes."
    assert spoken(text) == f"It is {said}, yes."
    assert without_marks(text) == f"It is {value}, yes."


def test_a_mark_that_was_cut_off_leaves_the_text():
    cut = marked("00123 and more", Format.DIGITS)[:-5]
    assert spoken(f"It is {cut}") == "It is zero zero one two three and"


# -- any text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), list(pairwise(text for text in WRITTEN if text.endswith((".", "!")))))
def test_a_text_is_read_sentence_by_sentence(first, second):
    assert spoken(f"{first} {second}") == f"{spoken(first)} {spoken(second)}"


@given(st.text(max_size=200) | st.text("0123456789 .,:/-$%+#()ABxa@'\u00bd\u2013\uff11", max_size=60))
def test_any_text_can_be_read(text):
    said = spoken(text)
    assert without_marks(said) == said
    assert not any(character in "0123456789" for character in said)


@given(st.lists(st.sampled_from(WRITTEN), max_size=4).map(" ".join))
def test_what_was_read_is_read_the_same_again(text):
    assert spoken(spoken(text)) == spoken(text)


def test_reading_a_sentence_takes_less_than_a_millisecond():
    spoken("Call +12025550100, +442079460958, +49 30 123456 or +33 1 99 00 12 34.")  # their plans are read once
    texts = [f"{text} {number}" for number in range(3) for text in WRITTEN]
    began = time.thread_time()
    for text in texts:
        spoken(text)
    assert (time.thread_time() - began) / len(texts) < 0.001


def test_no_text_takes_long():
    for part in ("1", "1-", "A", "a.", "1,", "$1 ", "(1", "a@", "Main ", "12 Oak ", "w.w.", "code ", "0 ", "A1-"):
        began = time.thread_time()
        spoken((part * 2000)[:2000])
        assert time.thread_time() - began < 0.2, part
