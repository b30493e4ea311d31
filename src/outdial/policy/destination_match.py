"""Whether a number is among the destinations that a workspace may call. Pure.

A destination is a country (`DE`) or a prefix (`+4930`). What none of them covers isn't called. Premium, shared-cost and
satellite numbers are covered by no country, and by no prefix that other numbers begin with, too: somebody has to name
them.
"""

import re
from collections.abc import Collection

from outdial.telephony.e164 import plain
from outdial.telephony.numbering import (
    Special,
    countries_called,
    country_of,
    is_country,
    place_of,
    special_of_prefix,
)

_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_BETWEEN = re.compile(r"[\s().\-/]")
_DEEPEST_KIND = 6  # digits of a number that may be looked through for what names its kind: each takes milliseconds
_ALSO_CALLED = {"UK": "GB"}


def parse_destination(text: str) -> str:
    """The destination that somebody wrote: `de`, `+49 (30)`, `0049 30`. Raises ValueError."""
    written = _BETWEEN.sub("", plain(text))
    if written.isascii():  # else "ß" would be SS, South Sudan
        written = written.upper()
    written = _ALSO_CALLED.get(written, written)
    if is_country(written):
        return written
    prefix = f"+{written[2:]}" if written.startswith("00") else written
    if _PREFIX.fullmatch(prefix):
        return prefix
    raise ValueError("must be a country as two letters (DE), or a prefix that begins with + (+4930)")


def is_prefix(destination: str) -> bool:
    return destination.startswith("+")


def named_kind(destination: str) -> Special | None:
    """What a destination lets in that no country does."""
    return special_of_prefix(destination) if is_prefix(destination) else None


def is_allowed(number: str, own_number: str, destinations: Collection[str]) -> bool:
    """Whether `own_number` may call `number`, both E.164."""
    special = place_of(number).special
    if special is None and not countries_called(number, own_number).isdisjoint(destinations):
        return True
    prefixes = (one for one in destinations if is_prefix(one) and number.startswith(one))
    return any(special is None or named_kind(prefix) is not None for prefix in prefixes)


def in_words(number: str, own_number: str) -> str:
    """Where a call goes: `JM`, `premium numbers`."""
    special, country = place_of(number).special, _country(number, own_number)
    if special is not None:
        return f"{special.replace('_', '-')} numbers"
    return "in no country" if country is None else country


def destination_for(number: str, own_number: str) -> str:
    """What would allow a call: the country, or where that isn't enough as much of the number as names its kind."""
    if place_of(number).special is None:
        return _country(number, own_number) or number
    beginnings = (number[:length] for length in range(3, min(len(number), _DEEPEST_KIND + 2)))
    return next((one for one in beginnings if named_kind(one) is not None), number)


def _country(number: str, own_number: str) -> str | None:
    countries = countries_called(number, own_number)
    return min(countries, key=lambda one: (one != country_of(number), one), default=None)
