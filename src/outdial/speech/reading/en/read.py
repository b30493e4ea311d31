"""English text as it is said: every kind of writing in the order in which they are told apart."""

from functools import cache

from outdial.speech.reading.en.abbreviations import ABBREVIATION_RULES, CAPITAL_RULES, TITLE_RULES
from outdial.speech.reading.en.addresses import ADDRESS_RULES, STREET_RULES
from outdial.speech.reading.en.clock import CLOCK_RULES
from outdial.speech.reading.en.codes import CODE_RULES, code
from outdial.speech.reading.en.dates import date_rules
from outdial.speech.reading.en.internet import INTERNET_RULES
from outdial.speech.reading.en.money import MONEY_RULES
from outdial.speech.reading.en.numbers import decimal, digits
from outdial.speech.reading.en.phone_numbers import phone_rules
from outdial.speech.reading.en.quantities import QUANTITY_RULES, SIGN_RULES
from outdial.speech.reading.phones import read_international
from outdial.speech.reading.rule import Rule, read_by

# The many ways in which a dash, a quote or a prime is typed, as the keyboard has them.
_PLAIN = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
    | dict.fromkeys("\u2018\u2019\u02bc\u2032", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2033", '"')
    | dict.fromkeys("\u2014\u2015", " - ")
    | dict.fromkeys("\u00a0\u202f", " ")
    | {"\u00d7": "x", "\u2044": "/", "\u00ba": "\u00b0"}
)


class English:
    """As it is said to people of `country` (ISO 3166, two letters)."""

    def __init__(self, country: str) -> None:
        self._country = country
        self._rules = _rules(country)

    def addresses(self, text: str) -> str:
        """E-mail and web addresses: their words may have a pronunciation of their own, so they come first."""
        return read_by(INTERNET_RULES, text)

    def sentence(self, text: str) -> str:
        if not text.isascii():
            text = text.translate(_PLAIN)
        if "+" in text:
            text = read_international(text, self._country, digits, "plus")
        return " ".join(read_by(self._rules, text).split())

    def digits(self, text: str) -> str:
        return self.sentence(text) if text.startswith("+") else code(text)

    def spell(self, text: str) -> str:
        return code(text)

    def number(self, text: str) -> str:
        try:
            return decimal(text.strip())
        except ValueError:
            return self.sentence(text)


@cache
def _rules(country: str) -> tuple[Rule, ...]:
    return (
        *date_rules(country),
        *CLOCK_RULES,
        *phone_rules(country),
        *ADDRESS_RULES,
        *TITLE_RULES,
        *STREET_RULES,
        *ABBREVIATION_RULES,
        *MONEY_RULES,
        *CODE_RULES,
        *QUANTITY_RULES,
        *SIGN_RULES,
        *CAPITAL_RULES,
    )
