from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outdial.telephony.retry import Retry
from outdial.telephony.state import EndReason

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RETRY = Retry.from_json({"max_attempts": 3, "on": ["busy", "no_answer", "silent"], "delays_s": [60, 600]})


@pytest.mark.parametrize(
    ("words", "number", "delay_s"),
    [
        ({EndReason.BUSY}, 1, 60),
        ({EndReason.NO_ANSWER}, 2, 600),
        ({EndReason.BUSY}, 3, None),
        ({EndReason.COMPLETED}, 1, None),
        ({EndReason.COMPLETED, "silent"}, 1, 60),
        (set(), 1, None),
    ],
)
def test_the_next_attempt_follows_the_policy(words, number, delay_s):
    due = RETRY.next_attempt_at(words, number, NOW)
    assert due == (None if delay_s is None else NOW + timedelta(seconds=delay_s))


def test_the_last_delay_repeats():
    policy = replace(RETRY, max_attempts=9)
    assert policy.next_attempt_at({EndReason.BUSY}, 7, NOW) == NOW + timedelta(seconds=600)
