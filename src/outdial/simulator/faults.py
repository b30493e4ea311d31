"""What can go wrong between a carrier and its customer, switched on one by one."""

import random
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count


class FaultKind(StrEnum):
    CALLBACK_LOST = "callback_lost"
    CALLBACK_REPEATED = "callback_repeated"          # sent twice, with the same idempotency token
    CALLBACK_LATE = "callback_late"                  # by `delay_s`
    CALLBACK_REORDERED = "callback_reordered"        # sent after the one that should follow it
    REPLY_LOST = "reply_lost"                        # dialled, and the connection closes without a reply
    REPLY_AFTER_CALLBACK = "reply_after_callback"    # the first callback overtakes the reply
    THROTTLED = "throttled"                          # 429, nothing was done
    ERROR_BEFORE_DIALLING = "error_before_dialling"  # 503, nothing was done
    REDIRECTED = "redirected"                        # 307 to a dial, nothing was done
    LOOK_UP_ERROR = "look_up_error"                  # 503 to whoever asks for a call; it goes on
    HANG_UP_ERROR = "hang_up_error"                  # 503 to a hang-up, Retry-After: `delay_s`; the call goes on
    FORGOTTEN = "forgotten"                          # 404 to all about a call, and it is in no list; it goes on
    ERROR_AFTER_DIALLING = "error_after_dialling"    # 500, and the phone rings
    STREAM_CUT = "stream_cut"                        # the media connection breaks after `after_ms`
    STREAM_NEVER_STARTED = "stream_never_started"
    MEDIA_GARBLED = "media_garbled"                  # a message of no protocol on the stream, every `after_ms`
    MEDIA_REORDERED = "media_reordered"              # neighbouring frames change places (Telnyx)
    VERDICT_LATE = "verdict_late"                    # detection hears everything `delay_s` later
    TALK_BEHIND = "talk_behind"                      # for `after_ms`: detection takes whoever answers for a machine


LONGEST_S = 86_400

_ids = count(1)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, `count` times or until it is removed.

    `number` (either party's) and `callbacks` narrow it down; without them it strikes everything. `callbacks`
    are names: initiated, ringing, answered, completed, or status for these four; amd; stream; transfer, which tells
    how a transfer ended. A carrier may send others, see docs/simulator.md.
    """

    kind: FaultKind
    number: str | None = None
    account: str | None = None
    callbacks: frozenset[str] = frozenset()
    count: int | None = None
    probability: float = 1.0
    delay_s: float = 1.0
    after_ms: int = 1000
    id: str = field(default_factory=lambda: f"fault_{next(_ids)}")

    @property
    def retry_after(self) -> dict[str, str]:
        return {"Retry-After": str(round(self.delay_s))}

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be over 0 and at most 1")
        if self.count is not None and self.count < 1:
            raise ValueError("count must be at least 1")
        if not 0 <= self.delay_s <= LONGEST_S or not 0 <= self.after_ms <= LONGEST_S * 1000:
            raise ValueError("delay_s and after_ms must be between nothing and a day")


ELSEWHERE = {"Location": "/elsewhere"}  # where a redirect leads: nowhere


class Faults:
    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._faults = {fault.id: replace(fault) for fault in faults}  # copies: `count` is used up

    def add(self, fault: Fault) -> None:
        self._faults[fault.id] = fault

    def all(self) -> list[Fault]:
        return list(self._faults.values())

    def remove(self, fault_id: str) -> bool:
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._faults.clear()

    def strike(
        self, kind: FaultKind, *, account: str, numbers: tuple[str, ...] = (), callback: str = ""
    ) -> Fault | None:
        """The fault of this kind that happens now, if one does; uses up one of its `count`."""
        names = {callback, "status"} if callback in STATUS_CALLBACKS else {callback}
        for fault in self._faults.values():
            if (
                fault.kind is kind
                and fault.account in (None, account)
                and (fault.number is None or fault.number in numbers)
                and (not fault.callbacks or fault.callbacks & names)
                and random.random() < fault.probability
            ):
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count == 0:
                        del self._faults[fault.id]
                return fault
        return None


TRANSFER = "transfer"  # where the answer to it runs next, loss is the only fault it can have
STATUS_CALLBACKS = frozenset({"initiated", "ringing", "answered", "completed"})
