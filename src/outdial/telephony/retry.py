"""When a call is dialled again. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from outdial.telephony.state import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Dial up to `max_attempts` times in all, after these ends, `delays_s` apart; the last delay is used again when
    there are more attempts than delays."""

    max_attempts: int
    on: frozenset[EndReason]
    delays_s: tuple[int, ...]

    def next_attempt_at(self, end_reason: EndReason | None, number: int, now: datetime) -> datetime | None:
        """When the attempt after attempt `number` is due; None when there is to be none."""
        if end_reason not in self.on or number >= self.max_attempts:
            return None
        delays_s = self.delays_s or (0,)
        return now + timedelta(seconds=delays_s[min(number, len(delays_s)) - 1])

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            max_attempts=stored["max_attempts"],
            on=frozenset(reason for reason in EndReason if reason in stored["on"]),
            delays_s=tuple(stored.get("delays_s") or ()),
        )
