"""How many dials a process has under way, so that it claims no more than it can send soon."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from outdial.calls.claim import Claim
from outdial.calls.due import BATCH
from outdial.repeating import Pauses

MOST_TO_SEND = 100  # calls that are claimed and not sent yet
# A process that could not send in time what it had claimed leaves the queue to others for a while.
REST = Pauses(first_s=1.0, longest_s=15.0)


class UnderWay:
    """The dials of this process, from their claim to their carrier's answer."""

    def __init__(self) -> None:
        self.by_account: Counter[str] = Counter()
        self._to_send: set[str] = set()  # attempts: claimed, and not sent yet
        self._promised = 0               # more of them, to claims that aren't through yet
        self._rests = 0                  # in a row
        self._rests_until = 0.0          # by the loop's clock

    @contextmanager
    def claiming(self) -> Iterator[int]:
        """How many calls a claim may take. Half of what there is room for: others may claim at the same time."""
        left = 0 if self.rest_s > 0 else max(0, MOST_TO_SEND - len(self._to_send) - self._promised)
        room = min(BATCH, (left + 1) // 2)
        self._promised += room
        try:
            yield room
        finally:
            self._promised -= room

    @property
    def rest_s(self) -> float:
        """How long nothing is to be claimed, whatever is under way."""
        return max(0.0, self._rests_until - asyncio.get_running_loop().time())

    def claimed(self, claim: Claim) -> None:
        self.by_account[claim.carrier_account_id] += 1
        self._to_send.add(claim.attempt_id)

    def sent(self, claim: Claim) -> None:
        self._to_send.discard(claim.attempt_id)
        self._rests = 0

    def was_too_late(self) -> None:
        if self.rest_s > 0:
            return  # what was claimed together is late together
        self._rests += 1
        self._rests_until = asyncio.get_running_loop().time() + REST.after(self._rests)

    def over(self, claim: Claim) -> None:
        self._to_send.discard(claim.attempt_id)
        self.by_account[claim.carrier_account_id] -= 1
        self.by_account += Counter()  # forgets those that have none
