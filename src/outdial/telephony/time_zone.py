"""The time zone a phone number is in, by the numbering plans that `phonenumbers` holds. Pure."""

from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import NumberParseException, timezone

_UTC = ZoneInfo("UTC")


def zone_of(number: str) -> ZoneInfo:
    """`number` is E.164. UTC where the plan doesn't tell; the first zone of a number that is in several."""
    return next(iter(zones_of(number)), _UTC)


@lru_cache(maxsize=4096)
def zones_of(number: str) -> tuple[ZoneInfo, ...]:
    """All that a number may be in; none where the plan doesn't tell."""
    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(number))
    except NumberParseException:
        return ()
    return tuple(ZoneInfo(zone) for zone in zones if zone != timezone.UNKNOWN_TIMEZONE)
