"""When a delivery is tried again, and when an endpoint is left alone."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.webhooks.retry import DELAYS_S, HOLD_FROM, LONGEST_RETRY_AFTER, hold_s, next_try, parse_retry_after

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def test_the_pauses_grow_for_three_days_and_then_it_is_given_up():
    at, since = NOW, NOW
    for tries in range(1, len(DELAYS_S) + 1):
        next_at = next_try(tries, now=at, since=since, retry_after=None)
        assert next_at is not None
        assert 0.9 * DELAYS_S[tries - 1] <= (next_at - at).total_seconds() <= 1.1 * DELAYS_S[tries - 1]
        at = since + timedelta(seconds=sum(DELAYS_S[:tries]))
    assert timedelta(days=2, hours=23) < at - since < timedelta(days=3, hours=6)
    assert next_try(len(DELAYS_S) + 1, now=at, since=since, retry_after=None) is None


def test_what_is_older_than_that_is_given_up_at_its_first_failure():
    assert next_try(1, now=NOW + timedelta(days=4), since=NOW, retry_after=None) is None


def test_a_receiver_may_ask_for_later_and_not_for_sooner():
    later = NOW + timedelta(hours=1)
    assert next_try(1, now=NOW, since=NOW, retry_after=later) == later
    assert next_try(3, now=NOW, since=NOW, retry_after=NOW) > NOW + timedelta(minutes=20)
    assert next_try(1, now=NOW, since=NOW, retry_after=NOW + timedelta(days=400)) == NOW + timedelta(days=1)


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "٣"])
def test_nonsense_asks_for_nothing(text):
    assert parse_retry_after([text], NOW) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Sat, 31 Jan 2026 03:00:00 +0200", NOW + timedelta(hours=1)),
        ("Sat, 31 Jan 2026 01:00:00", NOW + timedelta(hours=1)),
        ("Thu, 31 Dec 2099 00:00:00 GMT", NOW + LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -1200", NOW + LONGEST_RETRY_AFTER),
        ("999999999", NOW + LONGEST_RETRY_AFTER),
    ],
)
def test_what_a_receiver_asks_for_is_at_most_a_day_in_either_form(text, at):
    found = parse_retry_after([text], NOW)
    assert found == at
    assert found is None or found.utcoffset() == timedelta()


def test_an_endpoint_is_left_alone_longer_and_longer_after_five_failures():
    assert [hold_s(failures) for failures in range(1, HOLD_FROM)] == [0.0] * 4
    assert 8 < hold_s(5) < 12
    assert 250 < hold_s(1000) < 340
