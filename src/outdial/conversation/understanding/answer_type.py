"""What kind of value a question asks for, and that value out of words or keys. Pure.

    phone                             an E.164 number, "+12025550177"
    digits, digits(5), digits(4..6)   a text of digits, as many as that
    number, number(0..10)             an int, or a float
    date                              "2027-03-05"
    time                              "14:30"
    amount                            "20.50"
    email                             "jane.doe@example.com"
    name                              "Jane Doe"
    yes_no                            "yes" or "no"
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache

import phonenumbers

from outdial.conversation.understanding.amounts import amount_in
from outdial.conversation.understanding.dates import date_in
from outdial.conversation.understanding.digits import TEN, digits_in, fitting, says_plus
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import the_number
from outdial.conversation.understanding.spelling import email_in, name_in
from outdial.conversation.understanding.times import time_in
from outdial.conversation.understanding.utterance import Utterance

Value = str | int | float

MAX_DIGITS = 40
PHONE_DIGITS = 15  # E.164
_TYPE = re.compile(r"([a-z_]+)(?:\(\s*(-?\d{1,9})\s*(?:\.\.\s*(-?\d{1,9})\s*)?\))?")


class TypeName(StrEnum):
    PHONE = "phone"
    DIGITS = "digits"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    AMOUNT = "amount"
    EMAIL = "email"
    NAME = "name"
    YES_NO = "yes_no"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerType:
    """`least` and `most`: of digits how many, of a number its value; None: any."""

    name: TypeName
    least: int | None = None
    most: int | None = None

    def max_keys(self, country: str) -> int:
        """How many keys are an answer; 0 when keys are none."""
        match self.name:
            case TypeName.PHONE:
                return TEN if is_north_american(country) else PHONE_DIGITS
            case TypeName.DIGITS:
                return self.most or MAX_DIGITS
            case TypeName.NUMBER if self.least is None or self.least >= 0:
                return len(str(self.most)) if self.most is not None else 10
        return 0

    @property
    def is_of_numbers(self) -> bool:
        return self.name not in (TypeName.EMAIL, TypeName.NAME, TypeName.YES_NO)

    @property
    def is_of_digits(self) -> bool:
        return self.name in (TypeName.PHONE, TypeName.DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a value depends on: `today` of the callee, and their `country`."""

    today: date
    country: str


def parse_type(text: str) -> AnswerType:
    """Raises ValueError, in words for the author."""
    found = _TYPE.fullmatch(text.strip())
    if not found or found[1] not in list(TypeName):
        raise ValueError(f"a type is one of {', '.join(TypeName)}, such as digits(5) or number(0..10)")
    name = TypeName(found[1])
    if found[2] is None:
        return AnswerType(name=name)
    least, most = int(found[2]), int(found[3] or found[2])
    if name not in (TypeName.DIGITS, TypeName.NUMBER):
        raise ValueError(f"{name} takes nothing in brackets")
    if name is TypeName.NUMBER and found[3] is None:
        raise ValueError("number takes a range, such as number(0..10)")
    if least > most or (name is TypeName.DIGITS and not 1 <= least <= most <= MAX_DIGITS):
        raise ValueError(f"{text.strip()} is no range; digits are 1 to {MAX_DIGITS}")
    return AnswerType(name=name, least=least, most=most)


def value_in(text: str, said: Utterance, of: AnswerType, around: Around, language: Language) -> Value | None:
    """The value that was said; None when there is none, or not a whole one."""
    match of.name:
        case TypeName.PHONE:
            international = "+" in text or says_plus(said, language)
            return phone_number(digits_in(said, language, range(7, PHONE_DIGITS + 1)), around.country, international)
        case TypeName.DIGITS:
            return fitting(digits_in(said, language, _lengths(of)), of.least, of.most) or None
        case TypeName.NUMBER:
            return _plain_number(the_number(said, language, _bound(of.least), _bound(of.most)))
        case TypeName.DATE:
            found = date_in(said, around.today, language)
            return found.isoformat() if found else None
        case TypeName.TIME:
            return time_in(said, language)
        case TypeName.AMOUNT:
            return amount_in(said, language)
        case TypeName.EMAIL:
            return email_in(text, language)
        case TypeName.NAME:
            return name_in(text, language)
        case TypeName.YES_NO:
            return None  # that is no value but a meaning: yes_no.py


def value_of_keys(keys: str, of: AnswerType, country: str) -> Value | None:
    """The value that was keyed in."""
    if not re.fullmatch(r"\d+", keys):
        return None
    match of.name:
        case TypeName.PHONE:
            return phone_number(keys, country, international=False)
        case TypeName.DIGITS:
            return fitting(keys, of.least, of.most) or None
        case TypeName.NUMBER:
            number = Decimal(keys)
            least, most = _bound(of.least), _bound(of.most)
            fits = (least is None or number >= least) and (most is None or number <= most)
            return _plain_number(number) if fits else None
    return None


def is_north_american(country: str) -> bool:
    return bool(phonenumbers.country_code_for_region(country) == 1)


def is_begun(said: Utterance, of: AnswerType, country: str, language: Language) -> bool:
    """Whether this are some of the digits that were asked for, and more may come."""
    if not of.is_of_digits:
        return False
    digits = digits_in(said, language)
    if of.name is TypeName.PHONE:
        return 0 < len(digits) < min(TEN, _longest_number(country))
    return of.least is not None and 0 < len(digits) < of.least


@cache
def _longest_number(country: str) -> int:
    """Digits of the longest number one may have there, as it is dialled inside: nine in Spain."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country, None)
    if metadata is None:
        return PHONE_DIGITS
    kinds = (metadata.fixed_line, metadata.mobile)
    longest = max((length for kind in kinds if kind for length in kind.possible_length), default=PHONE_DIGITS)
    return len(metadata.national_prefix or "") + longest


def phone_number(digits: str, country: str, international: bool) -> str | None:
    """E.164; None for what can't be a number there. The plan isn't asked whether somebody has it."""
    if not digits:
        return None
    for written in (f"+{digits}",) if international else (digits, f"+{digits}"):
        try:
            number = phonenumbers.parse(written, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def _lengths(of: AnswerType) -> range | None:
    return None if of.least is None or of.most is None else range(of.least, of.most + 1)


def _bound(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _plain_number(number: Decimal | None) -> int | float | None:
    if number is None:
        return None
    return int(number) if number == number.to_integral_value() else float(number)


