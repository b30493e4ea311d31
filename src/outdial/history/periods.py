"""The days an overview is of, and the pieces it is told in. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from outdial.instants import start_of_day


class Days(IntEnum):
    """How many days: today, and as many before it as it takes."""

    ONE = 1
    WEEK = 7
    MONTH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`starts`: of each hour of one day, or of each day of more; the last one ends at `until`. Aware UTC."""

    days: Days
    time_zone: str
    starts: tuple[datetime, ...]
    until: datetime

    @property
    def since(self) -> datetime:
        return self.starts[0]

    @property
    def today(self) -> datetime:
        """When the last of its days began."""
        return self.starts[0] if self.days is Days.ONE else self.starts[-1]


def last_days(days: Days, time_zone: str, *, now: datetime) -> Period:
    """The days up to now, as a reader in a time zone has them. A day that the clock is changed in has 23 or 25 hours.

    Raises ValueError for a name that is no time zone."""
    until = start_of_day(time_zone, now=now, days_ago=-1)
    if days is Days.ONE:
        since = start_of_day(time_zone, now=now)
        hours = -(-(until - since) // timedelta(hours=1))
        starts = [since + timedelta(hours=hour) for hour in range(hours)]
    else:
        starts = [start_of_day(time_zone, now=now, days_ago=ago) for ago in range(days - 1, -1, -1)]
    return Period(days=days, time_zone=time_zone, starts=tuple(starts), until=until)
