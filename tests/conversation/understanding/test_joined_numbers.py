"""Numbers in one word, in two, and with a language's marks."""

from decimal import Decimal

import pytest

from outdial.conversation.understanding.language import language_of


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("zweihundertfunfzig", "zwei hundert funfzig"), ("hundertundeins", "hundert und eins"),
        ("neunzehnhundertvierundachtzig", "neunzehn hundert vierundachtzig"), ("zweieinhalb", "zwei einhalb"),
        ("einhundertsiebenundzwanzigtausendneunhundertneunundneunzig",
         "ein hundert siebenundzwanzig tausend neun hundert neunundneunzig"),
        ("hundert", "hundert"), ("funfundzwanzig", "funfundzwanzig"), ("jahrhundert", "jahrhundert"),
        ("tausendsassa", "tausendsassa"), ("hundert" * 1000, "hundert" * 1000),
    ],
)  # fmt: skip
def test_a_number_in_one_word_is_taken_apart(word, words):
    assert language_of("de").joined_numbers.apart(word) == words


def test_where_numbers_are_words_of_their_own_nothing_is():
    assert language_of("en").joined_numbers.apart("twohundred") == "twohundred"


@pytest.mark.parametrize(
    ("tag", "word", "value"),
    [
        ("en", "1,500", "1500"), ("en", "1.500", "1.5"), ("en", "1,250.50", "1250.5"), ("en", "12,50", None),
        ("de", "1.500", "1500"), ("de", "12,50", "12.5"), ("de", "12.50", "12.5"), ("de", "1.500,75", "1500.75"),
        ("de", "1,500", "1.5"), ("es", "1,500", "1500"), ("es", "1.500", "1500"), ("es", "1,250.50", "1250.5"),
        ("es", "7,5", "7.5"), ("fr", "1.234.567", "1234567"), ("de", "5.3.2027", None), ("de", "drei", None),
    ],
)  # fmt: skip
def test_a_numeral_has_its_languages_marks(tag, word, value):
    assert language_of(tag).joined_numbers.value(word) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("tag", "text", "together"),
    [
        ("fr", "1 500 euros", "1500 euros"), ("fr", "1\u202f234\u00a0567,50 €", "1234567,50 €"),
        ("fr", "06 12 34 56 78", "06 12 34 56 78"), ("fr", "le 5 2027", "le 5 2027"), ("en", "1 500", "1 500"),
        ("de", "0171 234 567", "0171 234567"),
    ],
)  # fmt: skip
def test_thousands_that_stand_apart_are_one_numeral(tag, text, together):
    assert language_of(tag).joined_numbers.together(text) == together
