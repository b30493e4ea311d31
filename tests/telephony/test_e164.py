import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.telephony.e164 import MAX_CHARS, normal_e164, number_hint, parse_e164


@pytest.mark.parametrize("number", ["+15551234567", "+12345678", "+123456789012345", "+999999999999999"])
def test_a_number_is_taken_as_it_is(number):
    assert parse_e164(number) == number


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("", "start with +"),
        ("15551234567", "start with +"),
        (" +15551234567", "start with +"),
        ("+", "only digits"),
        ("+1555 1234567", "only digits"),
        ("+1555123456x", "only digits"),
        ("+15551234567\n", "only digits"),
        ("+١٢٣٤٥٦٧٨٩", "only digits"),
        ("+05551234567", "starts with 0"),
        ("+1234567", "this has 7"),
        ("+1234567890123456", "this has 16"),
    ],
)
def test_anything_else_is_refused_with_the_reason(wrong, reason):
    with pytest.raises(ValueError, match=r"\+15551234567") as refusal:
        parse_e164(wrong)
    assert reason in str(refusal.value)


@given(st.from_regex(r"\+0[0-9]{5,20}|[0-9]{5,20}", fullmatch=True))
def test_the_reason_never_repeats_the_number(text):
    with pytest.raises(ValueError) as refusal:
        parse_e164(text)
    assert text not in str(refusal.value).replace("+15551234567", "")


@pytest.mark.parametrize(
    "written",
    ["+442071838750", " +44 20 7183 8750 ", "+44 (0)20 7183-8750", "0044/20.7183.8750",
     "\u202a+44\xa02071838750\u202c"],
)
def test_numbers_are_read_as_people_write_them(written):
    assert normal_e164(written) == "+442071838750"


@pytest.mark.parametrize(
    "written", ["02071838750", "442071838750", "+44 20 7183 87ab", "", "00", "++442071838750", "+٤٤٢٠٧١٨٣"]
)
def test_a_country_is_never_guessed(written):
    with pytest.raises(ValueError, match=r"\+15551234567"):
        normal_e164(written)


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True))
def test_a_number_stays_what_it_is_and_its_hint_is_less(number):
    assert normal_e164(number) == number
    assert len(number) <= MAX_CHARS
    assert number not in number_hint(number)
