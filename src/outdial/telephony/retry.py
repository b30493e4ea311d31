"""When a call is dialled again. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self


class RetryOn(StrEnum):
    """What a call can be dialled again after: ends of an attempt, and what came of one."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    FAILED = "failed"    # never when the call was talked on
    MACHINE = "machine"
    SCREENING = "screening"  # a screening service answered, and nobody came or we hung up
    MENU = "menu"        # a menu answered, no key of ours was pressed, and nobody behind it has answered us
    SILENT = "silent"    # somebody answered, and never spoke nor pressed a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Dial up to `max_attempts` times in all, after any of these, `delays_s` apart; the last delay is used again when
    there are more attempts than delays."""

    max_attempts: int
    on: frozenset[RetryOn]
    delays_s: tuple[int, ...]

    def next_attempt_at(self, words: Collection[str], number: int, now: datetime) -> datetime | None:
        """When the attempt after attempt `number`, of which `words` are true, is due; None when there is to be none."""
        if self.on.isdisjoint(words) or number >= self.max_attempts:
            return None
        delays_s = self.delays_s or (0,)
        return now + timedelta(seconds=delays_s[min(number, len(delays_s)) - 1])

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            max_attempts=stored["max_attempts"],
            on=frozenset(word for word in RetryOn if word in stored["on"]),
            delays_s=tuple(stored.get("delays_s") or ()),
        )
