"""Phone numbers, grouped as their country groups them. For any language: each says its digits in its own way."""

import re
from collections.abc import Callable

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

NORTH_AMERICA = 1

_GROUP = r"(?:[ .\-/\u2010-\u2013]|[ .-]?\([0-9]+\)[ .-]?|)"
INTERNATIONAL = re.compile(rf"(?<![\w+])\+[1-9]\d{{0,3}}(?:{_GROUP}\d{{1,}}){{1,8}}(?![\w])")

_LAST_GROUP = re.compile(r"[^0-9+]+[0-9]+$")
_MOST_DIGITS = 15  # of any number, with its country code

SayDigits = Callable[[str], str]


def written(e164: str) -> str:
    """As people read a number: "+12025550100" → "+1 202-555-0100". Any text that is no number stays as it is."""
    number = _parsed(e164)
    return e164 if number is None else phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


def read_international(text: str, country: str, say: SayDigits, plus: str) -> str:
    """Every number with a plus in `text`, in groups. Without its country code where that is the country's own and
    nobody there would say it; `plus` is the word before one."""

    def read(found: re.Match[str]) -> str:
        whole = found[0]
        while _is_too_long(whole) and (shorter := _LAST_GROUP.sub("", whole)) != whole:
            whole = shorter  # "+1 202 555 0100 2 times": what follows is no part of it
        number = None if _is_too_long(whole) else _parsed(whole)
        if number is None:
            said = f"{plus} {say_groups(re.findall(r'[0-9]+', whole), say)}"
        elif number.country_code in (NORTH_AMERICA, phonenumbers.country_code_for_region(country)):
            said = say_groups(groups_of(number), say)
        else:
            international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
            code, *groups = re.findall(r"[0-9]+", international)
            said = f"{plus} {say(code)}, {say_groups(groups, say)}"
        return said + found[0][len(whole) :]

    return INTERNATIONAL.sub(read, text)


def national_groups(digits: str, country: str) -> list[str] | None:
    """The groups of a number as it is dialled within `country`; None when it can't be one there."""
    try:
        number = phonenumbers.parse(digits, country)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) is not ValidationResult.IS_POSSIBLE:
        return None
    return groups_of(number)


def groups_of(number: PhoneNumber) -> list[str]:
    """As it is written in its own country."""
    if number.country_code == NORTH_AMERICA:
        national = phonenumbers.national_significant_number(number)
        if len(national) == 10:
            return [national[:3], national[3:6], national[6:]]
    form = PhoneNumberFormat.NATIONAL
    return re.findall(r"[0-9]+", phonenumbers.format_number(number, form))


def say_groups(groups: list[str], say: SayDigits) -> str:
    return ", ".join(say(group) for group in groups)


def _is_too_long(written: str) -> bool:
    number = _parsed(written)
    if number is None:
        return sum(character.isdecimal() for character in written) > _MOST_DIGITS
    return phonenumbers.is_possible_number_with_reason(number) is ValidationResult.TOO_LONG


def _parsed(e164: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(e164, None)
    except NumberParseException:
        return None
