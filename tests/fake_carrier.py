"""A carrier in memory: it keeps honest books of what was dialled, and fails as it is told to."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from outdial.carriers.callbacks import BackToAgent, CallbackReply, IncomingCall
from outdial.carriers.calls import CarrierRecord, HungUp, PlaceCall
from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierUncertain
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, EndReason, Progress
from outdial.telephony.transfer import TransferResult
from outdial.telephony.verdict import Verdict


class FakeCarrier:
    def __init__(self) -> None:
        self.dialed: list[PlaceCall] = []             # requests that reached the carrier
        self.books: dict[str, CarrierRecord] = {}     # calls it placed, by its id, oldest first
        self.numbers: dict[str, tuple[str, str]] = {}  # of those calls: to, from
        self.hung_up: list[str] = []
        self.said: list[tuple[str, str]] = []         # sentences, with the id of the call that was hung up after them
        self.legs: dict[str, TransferResult] = {}     # what became of transfers, by the id of the transferred call
        self.joins: asyncio.Event | None = None       # set when it is asked to connect two, which it then never does
        self.joined: list[tuple[str, str, str]] = []  # calls that were connected with each other, and in which room
        self.resumed: list[tuple[str, BackToAgent]] = []  # calls that were brought back to their agents
        self.gives_none_back: CarrierError | None = None  # … and why they are not
        self.accepted: list[tuple[IncomingCall, dict[str, Any]]] = []  # calls that came in, and where their audio goes
        self.turned_away: list[tuple[IncomingCall, str | None]] = []   # … and the sentences of those that were not
        self.told_by_requests = False                 # of what becomes of a call that comes in, not by our answers
        self.refuses_next: deque[Exception] = deque()    # what the next dials are answered with; nothing is placed
        self.loses_replies = False                    # a dial is placed, but its reply never arrives
        self.refuses_hang_ups: deque[CarrierError] = deque()  # what the next hang-ups are answered with
        self.refuses_ends_of: dict[str, deque[CarrierError]] = {}  # the same, of one call
        self.fault: CarrierError | None = None        # what every other request is answered with
        self.look_up_fault: CarrierError | None = None  # what look-ups of a call are answered with, they alone
        self.looked_up: list[str] = []
        self.before_reply: Callable[[PlaceCall, str], Awaitable[None]] | None = None
        self.before_look: Callable[[], Awaitable[None]] | None = None  # while we wait for look_up or find

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        if self.refuses_next:
            raise self.refuses_next.popleft()
        self.dialed.append(request)
        carrier_call_id = f"CA{len(self.dialed)}"
        self.place(carrier_call_id, to=request.to, from_=request.from_)
        if self.before_reply is not None:
            await self.before_reply(request, carrier_call_id)
        if self.loses_replies:
            raise CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "The carrier did not answer.")
        return CarrierCall(id=carrier_call_id)

    async def hang_up(self, call: CarrierCall) -> HungUp:
        if self.refuses_hang_ups:
            raise self.refuses_hang_ups.popleft()
        if refusals := self.refuses_ends_of.get(call.id):
            raise refusals.popleft()
        self._may_fail()
        carrier_call_id = call.id
        self.hung_up.append(carrier_call_id)
        if carrier_call_id not in self.books:
            return HungUp.NOT_KNOWN
        if self.books[carrier_call_id].progress.state is CallState.ENDED:
            return HungUp.ENDED
        answered = self.books[carrier_call_id].progress.state is CallState.IN_PROGRESS
        reason = EndReason.COMPLETED if answered else EndReason.CANCELED
        self.now_is(carrier_call_id, CallState.ENDED, reason)
        return HungUp.TAKEN

    async def look_up(self, call: CarrierCall) -> CarrierRecord:
        self._may_fail()
        self.looked_up.append(call.id)
        if self.look_up_fault is not None:
            raise self.look_up_fault
        if self.before_look is not None:
            await self.before_look()
        try:
            return self.books[call.id]
        except KeyError:
            raise CarrierRefused(FailureCode.NOT_KNOWN_THERE, "There is no such call.") from None

    async def find(self, *, ref: str, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        self._may_fail()
        records = [
            record
            for record in reversed(self.books.values())
            if self.numbers[record.call.id] == (to, from_) and record.created_at >= since
        ]
        if self.before_look is not None:
            await self.before_look()
        return records

    async def say_and_hang_up(self, call: CarrierCall, sentence: str) -> None:
        self._may_fail()
        self.said.append((call.id, sentence))

    async def transfer(self, call: CarrierCall, to: str, caller_id: str, callback_url: str) -> None:
        self._may_fail()

    async def join(self, call: CarrierCall, other: CarrierCall, *, room: str) -> None:
        self._may_fail()
        if self.joins is not None:
            self.joins.set()
            await asyncio.Event().wait()
        self.joined.append((call.id, other.id, room))

    async def look_up_transfer(
        self, call: CarrierCall, *, to: str, leg: str | None, since: datetime
    ) -> TransferResult | None:
        self._may_fail()
        return self.legs.get(call.id)

    async def resume(self, call: CarrierCall, back: BackToAgent) -> None:
        self._may_fail()
        if self.gives_none_back is not None:
            raise self.gives_none_back
        self.resumed.append((call.id, back))

    async def accept(self, incoming: IncomingCall, **where: Any) -> CallbackReply | None:
        if self.refuses_next:
            raise self.refuses_next.popleft()
        self.accepted.append((incoming, where))
        return None if self.told_by_requests else CallbackReply(media_type="text/plain", body=where["stream_url"])

    async def refuse(self, incoming: IncomingCall, *, sentence: str | None) -> CallbackReply | None:
        self._may_fail()
        self.turned_away.append((incoming, sentence))
        return None if self.told_by_requests else CallbackReply(media_type="text/plain", body=sentence or "")

    async def aclose(self) -> None:
        pass

    # -- for tests

    def place(self, carrier_call_id: str, *, to: str, from_: str) -> None:
        """Enter a call into the books."""
        now = datetime.now(UTC)
        call = CarrierCall(id=carrier_call_id)
        progress = Progress(state=CallState.DIALING, at=now, carrier_call=call)
        self.books[carrier_call_id] = CarrierRecord(call=call, progress=progress, created_at=now)
        self.numbers[carrier_call_id] = (to, from_)

    def now_is(
        self, carrier_call_id: str, state: CallState, end_reason: EndReason | None = None, *, at: datetime | None = None
    ) -> Progress:
        """The books say so from now on. The result is what a callback would say."""
        call = CarrierCall(id=carrier_call_id)
        progress = Progress(state=state, at=at or datetime.now(UTC), carrier_call=call, end_reason=end_reason)
        self.books[carrier_call_id] = replace(self.books[carrier_call_id], progress=progress)
        return progress

    def heard(self, carrier_call_id: str, verdict: Verdict) -> None:
        self.books[carrier_call_id] = replace(self.books[carrier_call_id], verdict=verdict)

    def forget(self, carrier_call_id: str) -> None:
        """The books lose a call, as those of another carrier process would."""
        del self.books[carrier_call_id]

    def _may_fail(self) -> None:
        if self.fault is not None:
            raise self.fault
