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


# -- what copying leaves in a number ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "\u202a+12025550100\u202c",
        "\u202d+12025550100\u202c",
        "\u2066+12025550100\u2069",
        "\u200e+12025550100\u200f",
        "\u061c+12025550100",
        "\ufeff+12025550100",
        "+12025550100\u200b",
        "+1\u200c202\u200d555\u20600100",
        "+1\u00a0202\u202f555\u20070100",
        "+1202\u00ad5550100",
        "\uff0b12025550100",
        "\uff0b\uff11\uff12\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff10\uff10",
    ],
    ids=lambda text: ascii(text)[1:-1],
)
def test_what_nobody_sees_is_dropped_and_full_width_folded(text):
    assert parse_e164(text) == "+12025550100"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("+12025550100 ", "U+0020 SPACE"),
        ("+1 2025550100", "U+0020 SPACE"),
        ("+1-202-555-0100", "U+002D HYPHEN-MINUS"),
        ("+1\u2011202\u20115550100", "U+2011 NON-BREAKING HYPHEN"),
        ("+1202555010O", "U+004F LATIN CAPITAL LETTER O"),
        ("+1202555\u0660100", "U+0660 ARABIC-INDIC DIGIT ZERO"),
        ("+12025550100\n", "U+000A"),
        ("\u202e+12025550100", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u207a12025550100", "U+207A SUPERSCRIPT PLUS SIGN"),
        ("tel:+12025550100", "U+0074 LATIN SMALL LETTER T"),
        (" +12025550100", "U+0020 SPACE"),
    ],
)
def test_whatever_else_stands_in_it_is_named(wrong, reason):
    with pytest.raises(ValueError) as refusal:
        parse_e164(wrong)
    assert reason in str(refusal.value)


@pytest.mark.parametrize("national", ["(202) 555-0100", "202-555-0100", "2025550100", "1 202 555 0100"])
def test_a_number_without_its_country_is_told_how_to_be_written(national):
    with pytest.raises(ValueError, match=r"\(555\) 123-4567 in the United States or Canada is written \+15551234567"):
        parse_e164(national)


def test_a_number_with_two_zeros_is_told_what_to_leave_out():
    with pytest.raises(ValueError, match=r"without the 00"):
        parse_e164("0049301234567")


@given(st.text(st.sampled_from("\u200e\u200b\ufeff\u00a0\u202a\u202c\u2066\u00ad"), max_size=3), st.integers(0, 12))
def test_a_number_is_the_same_wherever_the_invisible_stands(invisible, place):
    number = "+12025550100"
    assert parse_e164(number[:place] + invisible + number[place:]) == number
