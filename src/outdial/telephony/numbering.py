"""Where a number is, and whether it is one of those that cost more: by the numbering plans that `phonenumbers` holds.

Plans change faster than any copy of them, so this decides what a rule of the workspace's own says of a number, never
whether it exists (`telephony/e164.py`). Pure; the first number of a country takes milliseconds, its plan being read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import chain, product

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberType

NORTH_AMERICA = 1
_AREA_CODE_DIGITS = 3
_MOST_TOO_MANY = 6    # digits after a whole number: exchanges ignore them
_FEWEST_LEFT = 4      # digits of a number without its country code, below which nothing is told of it
_MOST_DIGITS = 15     # of an E.164 number
_NO_COUNTRY = "001"   # what phonenumbers calls the place of numbers that belong to no country


class Special(StrEnum):
    """Kinds of numbers that cost more than others of their country, or are in none."""

    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    SATELLITE = "satellite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a number is. Countries are ISO 3166 codes of two letters.

    `country` is where it belongs first, None of an area code that is unknown (or isn't the number's country to tell);
    `countries` are all that share it (toll-free numbers of North America). `calling_code` None: nobody has it.
    """

    calling_code: int | None = None
    country: str | None = None
    countries: frozenset[str] = frozenset()
    special: Special | None = None
    is_known: bool = False


# Codes of no country. 882 and 883 are networks across countries, most of them by satellite and all as expensive.
_WORLDWIDE = {
    808: Special.SHARED_COST,
    870: Special.SATELLITE,
    881: Special.SATELLITE,
    882: Special.SATELLITE,
    883: Special.SATELLITE,
    979: Special.PREMIUM,
}
_SPECIAL_TYPES = {
    PhoneNumberType.PREMIUM_RATE: Special.PREMIUM,
    PhoneNumberType.SHARED_COST: Special.SHARED_COST,
}
_CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
# Whatever follows them: their plan knows some of their numbers only.
_NORTH_AMERICAN_PREMIUM = frozenset({"900"})


def place_of(number: str) -> Place:
    """`number` is E.164."""
    if number.startswith("+1"):
        # The area code decides, whatever stands behind it; no area code begins with 0 or 1.
        return _place_of_area(number[2:].lstrip("01")[:_AREA_CODE_DIGITS])
    return _place_elsewhere(number)


def countries_called(number: str, own_number: str) -> frozenset[str]:
    """Where a call from `own_number` to `number` goes. An unknown area code of a country code that is shared counts as
    the own number's country, where that has the same country code; else as the country it is named for."""
    place = place_of(number)
    if place.countries or place.calling_code is None:
        return place.countries
    own = place_of(own_number)
    country = own.country if own.calling_code == place.calling_code else None
    return frozenset({country or _main_country(place.calling_code)}) - {_NO_COUNTRY}


def country_of(own_number: str) -> str | None:
    """The country of a number of our own; None where it is in none."""
    place = place_of(own_number)
    if place.country is not None or place.calling_code is None or place.calling_code in _WORLDWIDE:
        return place.country
    main = _main_country(place.calling_code)
    return None if main == _NO_COUNTRY else main


def is_country(code: str) -> bool:
    return code in phonenumbers.SUPPORTED_REGIONS


def all_countries() -> list[str]:
    return sorted(phonenumbers.SUPPORTED_REGIONS)


def calling_code(country: str) -> str:
    """`+49` of `DE`."""
    return f"+{phonenumbers.country_code_for_region(country)}"


def countries_with(prefix: str) -> list[str]:
    """The countries whose calling codes begin with `prefix`: `+1` is that of the United States and 24 more."""
    found = {
        country
        for code, countries in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
        if f"+{code}".startswith(prefix)
        for country in countries
    }
    return sorted(found - {_NO_COUNTRY})


@lru_cache(maxsize=20_000)
def special_of_prefix(prefix: str) -> Special | None:
    """The kind of all numbers that begin with `prefix` (a + and digits), where they are of one: `+1900`, `+4490`,
    `+881`. None where others begin with it, too. Takes milliseconds once: it tries some hundred numbers. So one is
    found out anywhere, lists of them in a thread."""
    code = _code_of_prefix(prefix)
    if code is None:
        begun = {special_of_prefix(f"+{one}") for one in _CODES if one.startswith(prefix[1:])}
        return None if None in begun else min(filter(None, begun), default=None)
    if code in _WORLDWIDE:
        return _WORLDWIDE[code]
    if code == NORTH_AMERICA:
        places = (place_of(f"{prefix}{''.join(two)}2345678") for two in product("0123456789", repeat=2))
        return _common((place.is_known, place.special) for place in places)
    own = place_of(prefix)  # where it is a whole number already, or more than one
    return _common(chain([(own.is_known or own.special is not None, own.special)], _whole_numbers(prefix, code)))


def _code_of_prefix(prefix: str) -> int | None:
    """None where it is too short to tell, or nobody's."""
    return next((int(one) for one in (prefix[1:end] for end in (2, 3, 4)) if one in _CODES), None)


def _whole_numbers(prefix: str, code: int) -> Iterator[tuple[bool, Special | None]]:
    """Of numbers that begin with `prefix` and are as long as those of its plan: whether they exist, and their kind."""
    for digits in _lengths(code):
        left = len(f"+{code}") + digits - len(prefix)
        for next_two in product("0123456789", repeat=min(left, 2)) if left > 0 else ():
            number = f"{prefix}{''.join(next_two)}2345678901234"[: len(prefix) + left]
            kind = phonenumbers.number_type(phonenumbers.parse(number))
            yield kind != PhoneNumberType.UNKNOWN, _SPECIAL_TYPES.get(kind)


def _common(numbers: Iterable[tuple[bool, Special | None]]) -> Special | None:
    found: set[Special] = set()
    for is_known, special in numbers:
        if special is not None:
            found.add(special)
        elif is_known:
            return None
    return min(found, default=None)


@lru_cache(maxsize=300)
def _lengths(code: int) -> Sequence[int]:
    """How many digits numbers have behind a country code."""
    plans = [PhoneMetadata.metadata_for_region(one) for one in phonenumbers.region_codes_for_country_code(code)]
    plans.append(PhoneMetadata.metadata_for_nongeo_region(code))
    about = [plan.general_desc for plan in plans if plan]
    known = {digits for one in about if one for digits in one.possible_length}
    return sorted(digits for digits in known if _FEWEST_LEFT <= digits <= _MOST_DIGITS - len(str(code)))


@lru_cache(maxsize=1000)
def _place_of_area(area_code: str) -> Place:
    number = PhoneNumber(country_code=NORTH_AMERICA, national_number=int(f"{area_code or 0}2345678"))
    place = _place(number)
    if area_code in _NORTH_AMERICAN_PREMIUM:
        return Place(calling_code=NORTH_AMERICA, special=Special.PREMIUM, is_known=True)
    return place


@lru_cache(maxsize=20_000)
def _place_elsewhere(number: str) -> Place:
    try:
        return _place(phonenumbers.parse(number))
    except NumberParseException:  # a country code that nobody has
        return Place()


def _place(number: PhoneNumber) -> Place:
    code = number.country_code or 0
    if code in _WORLDWIDE:
        return Place(calling_code=code, special=_WORLDWIDE[code], is_known=True)
    is_known = phonenumbers.number_type(number) != PhoneNumberType.UNKNOWN
    whole = number if is_known else _without_surplus(number)
    country = phonenumbers.region_code_for_number(whole)
    if country == _NO_COUNTRY:
        return Place(calling_code=code, is_known=True)
    regions = phonenumbers.region_codes_for_country_code(code)
    sharing = {one for one in regions if phonenumbers.is_valid_number_for_region(whole, one)}
    return Place(
        calling_code=code,
        country=country,
        countries=frozenset(sharing | ({country} if country else set())),
        special=_SPECIAL_TYPES.get(phonenumbers.number_type(whole)),
        is_known=is_known,
    )


def _without_surplus(number: PhoneNumber) -> PhoneNumber:
    """The number that one which is none begins with: with digits behind it a call is still put through there."""
    digits = phonenumbers.national_significant_number(number)
    for too_many in range(1, min(_MOST_TOO_MANY, len(digits) - _FEWEST_LEFT) + 1):
        shorter = PhoneNumber()
        shorter.merge_from(number)
        shorter.national_number = int(digits[:-too_many])
        if phonenumbers.number_type(shorter) != PhoneNumberType.UNKNOWN:
            return shorter
    return number


def _main_country(code: int) -> str:
    return phonenumbers.region_code_for_country_code(code)
