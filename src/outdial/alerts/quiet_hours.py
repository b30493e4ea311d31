"""Quiet hours: when e-mails of a workspace wait, and until when. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from outdial.instants import zone_named


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From one time of day to another, which may be that of the next day, in a time zone."""

    starts: time
    ends: time
    time_zone: str

    def over_at(self, now: datetime) -> datetime | None:
        """When those of now are over; None: it isn't quiet now. Both the same: it never is."""
        local = now.astimezone(zone_named(self.time_zone))
        for days in (0, 1):  # those that began today, and yesterday
            day = local.date() - timedelta(days=days)
            until = day if self.starts < self.ends else day + timedelta(days=1)
            began = datetime.combine(day, self.starts, local.tzinfo).astimezone(UTC)
            over = datetime.combine(until, self.ends, local.tzinfo).astimezone(UTC)
            if self.starts != self.ends and began <= now < over:
                return over
        return None


def time_of(text: str) -> time:
    """`22:00`. Raises ValueError with a reason."""
    hour, _, minute = text.partition(":")
    is_written_so = len(text) == 5 and text.isascii() and hour.isdigit() and minute.isdigit()
    if is_written_so and int(hour) < 24 and int(minute) < 60:
        return time(int(hour), int(minute))
    raise ValueError("must be a time of day such as 22:00")
