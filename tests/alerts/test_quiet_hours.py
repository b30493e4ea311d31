from datetime import UTC, datetime, time

import pytest

from outdial.alerts.quiet_hours import QuietHours, time_of


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = QuietHours(starts=time(22), ends=time(7), time_zone="Europe/Vienna")  # UTC+1, in summer UTC+2
NOON = QuietHours(starts=time(12), ends=time(13, 30), time_zone="America/New_York")


@pytest.mark.parametrize(
    ("hours", "now", "over"),
    [
        (NIGHT, "2026-01-31T20:59:59", None),
        (NIGHT, "2026-01-31T21:00:00", "2026-02-01T06:00:00"),
        (NIGHT, "2026-02-01T05:59:00", "2026-02-01T06:00:00"),
        (NIGHT, "2026-02-01T06:00:00", None),
        (NIGHT, "2026-07-01T20:30:00", "2026-07-02T05:00:00"),
        (NIGHT, "2026-03-28T22:00:00", "2026-03-29T05:00:00"),  # the clock goes forward in that night
        (NOON, "2026-01-31T17:00:00", "2026-01-31T18:30:00"),
        (NOON, "2026-01-31T16:59:00", None),
        (NOON, "2026-01-31T18:30:00", None),
    ],
)
def test_it_is_quiet_between_two_times_of_day_of_the_zone(hours, now, over):
    assert hours.over_at(at(now)) == (None if over is None else at(over))


@pytest.mark.parametrize("text", ["", "7:00", "24:00", "12:60", "12.30", "noon!", "1²:00"])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(ValueError, match="22:00"):
        time_of(text)
