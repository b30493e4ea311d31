"""When a delivery is tried again, and when it is given up. Pure but for chance."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# After the first try, the second, …: those of Standard Webhooks, three days in all.
DELAYS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1                             # longer or shorter by so much: who failed together doesn't come back together
LONGEST = timedelta(days=3, hours=6)     # after that an event is given up; its last try comes after three days
LONGEST_RETRY_AFTER = timedelta(days=1)  # what an endpoint can ask for
HOLD_FROM = 5                            # failures in a row: from here on an endpoint is only asked whether it is back
HOLD_S = (10, 20, 40, 80, 160, 300)      # how often


def next_try(tries: int, *, now: datetime, since: datetime, retry_after: datetime | None) -> datetime | None:
    """After so many tries that failed; None: never. `retry_after` is what the receiver asked for: not before that. What
    it asks for sooner than the table has it would use up its tries sooner, so the table holds."""
    if tries > len(DELAYS_S):
        return None
    at = now + timedelta(seconds=DELAYS_S[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER))
    if retry_after is not None:
        at = max(at, min(retry_after, now + LONGEST_RETRY_AFTER))
    return at if at - since <= LONGEST else None


def hold_s(failures: int) -> float:
    """How long a lane is left alone after so many failures in a row; then one delivery tells whether it is back."""
    if failures < HOLD_FROM:
        return 0.0
    return HOLD_S[min(failures - HOLD_FROM, len(HOLD_S) - 1)] * random.uniform(1 - JITTER, 1 + JITTER)


def parse_retry_after(values: Sequence[str], now: datetime) -> datetime | None:
    """The header `Retry-After`: seconds, or a date; at most `LONGEST_RETRY_AFTER`. What is neither is ignored."""
    text = values[0].strip() if values else ""
    if text.isascii() and text.isdigit():
        return now + min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
        aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        # Cut first: what lies at either end of the calendar may have no place in UTC.
        return min(aware, now + LONGEST_RETRY_AFTER).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
