"""Points in time as the outside world writes them: ISO 8601 with a time zone in, UTC with `Z` out."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import overload
from zoneinfo import ZoneInfo


def parse_instant(text: str) -> datetime:
    """`text` as aware UTC. Raises ValueError with a reason when it isn't an instant."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an ISO 8601 instant such as 2026-01-31T09:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError("needs a time zone, as in 2026-01-31T09:00:00Z or 2026-01-31T09:00:00+01:00")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


@overload
def to_json(at: datetime) -> str: ...
@overload
def to_json(at: datetime | None) -> str | None: ...
def to_json(at: datetime | None) -> str | None:
    """`2026-01-31T09:00:00.123456Z`; None stays None."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def zone_named(time_zone: str) -> tzinfo:
    """A time zone by its IANA name. Raises ValueError for a name that is none."""
    try:
        return UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    except (ValueError, KeyError, OSError):  # no name at all, an unknown one, a folder of names
        raise ValueError("must be the name of a time zone, such as Europe/Vienna") from None


def start_of_day(time_zone: str, *, now: datetime, days_ago: int = 0) -> datetime:
    """The last midnight in a time zone, or one some days before (after: negative), as aware UTC. Raises ValueError."""
    zone = zone_named(time_zone)
    day = now.astimezone(zone).date() - timedelta(days=days_ago)
    return datetime.combine(day, time.min, zone).astimezone(UTC)
