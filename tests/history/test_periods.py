"""Days as their reader has them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from outdial.history.periods import Days, last_days

NOW = datetime(2026, 3, 31, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Chatham"])
@pytest.mark.parametrize("days", Days)
def test_every_interval_begins_where_the_one_before_ends_and_now_is_in_the_last_day(days, zone):
    period = last_days(days, zone, now=NOW)
    local = [start.astimezone(ZoneInfo(zone)) for start in period.starts]
    assert len(period.starts) == (24 if days is Days.ONE else days)
    assert list(period.starts) == sorted(set(period.starts))
    assert period.today <= NOW < period.until
    today = NOW.astimezone(ZoneInfo(zone)).date()
    assert {at.date() for at in local} == {today - timedelta(days=ago) for ago in range(days)}
    if days is not Days.ONE:
        assert {at.time() for at in local} == {datetime.min.time()}


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (30, 24)])
def test_a_day_has_as_many_hours_as_the_clock_leaves_it(day, hours):
    """On the 29th of March it goes forward."""
    period = last_days(Days.ONE, "Europe/Vienna", now=datetime(2026, 3, day, 12, tzinfo=UTC))
    assert len(period.starts) == hours
    assert period.until - period.starts[-1] == timedelta(hours=1)


def test_days_around_a_change_of_the_clock_begin_at_midnight():
    period = last_days(Days.WEEK, "Europe/Vienna", now=NOW)
    lengths = [end - start for start, end in zip(period.starts, (*period.starts[1:], period.until), strict=True)]
    assert sorted(lengths) == [timedelta(hours=23)] + 6 * [timedelta(days=1)]


def test_there_is_no_overview_of_a_place_that_is_no_time_zone():
    with pytest.raises(ValueError, match="time zone"):
        last_days(Days.MONTH, "Nowhere/Town", now=NOW)
