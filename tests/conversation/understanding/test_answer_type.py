"""Types of values: which digits are still to come."""

import pytest

from outdial.conversation.understanding.answer_type import is_begun, parse_type
from outdial.conversation.understanding.language import language_of


@pytest.mark.parametrize(
    ("tag", "country", "said", "begun"),
    [
        ("en", "US", "two oh two five five five", True),
        ("en", "US", "two oh two five five five oh one seven seven", False),
        ("es", "ES", "seis uno dos, tres cuatro cinco", True),
        ("es", "ES", "seis uno dos, tres cuatro cinco, seis siete ocho", False),
        ("fr", "FR", "zéro six douze trente-quatre cinquante-six", True), ("fr", "FR", "06 12 34 56 78", False),
        ("de", "DE", "null eins sieben eins, eins zwei drei", True), ("de", "DE", "0171 1234567", False),
        ("en", "ZZ", "two oh two", True), ("en", "US", "I don't know", False),
    ],
)  # fmt: skip
def test_a_phone_number_is_whole_at_the_length_of_its_country(tag, country, said, begun):
    language = language_of(tag)
    assert is_begun(language.utterance(said), parse_type("phone"), country, language) is begun


def test_digits_are_whole_at_their_least():
    language = language_of("de")
    assert is_begun(language.utterance("acht null drei"), parse_type("digits(5)"), "DE", language)
    assert not is_begun(language.utterance("acht null drei drei eins"), parse_type("digits(5)"), "DE", language)
    assert not is_begun(language.utterance("acht"), parse_type("number"), "DE", language)
