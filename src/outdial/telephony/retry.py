"""When a call is dialled again. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from outdial.telephony.state import EndReason


def next_attempt_at(
    retry: Mapping[str, Any] | None, end_reason: EndReason | None, number: int, now: datetime
) -> datetime | None:
    """When the attempt after attempt `number` is due; None when there is to be none.

    The last delay is used again when there are more attempts than delays.
    """
    if not retry or end_reason is None or end_reason not in retry["on"] or number >= retry["max_attempts"]:
        return None
    delays = retry["delays_s"] or [0]
    return now + timedelta(seconds=delays[min(number, len(delays)) - 1])
