"""Control of calls at a carrier: place, end, transfer, look up."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID, uuid5

from outdial.carriers.callbacks import BackToAgent, CallbackReply, IncomingCall
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import Progress
from outdial.telephony.transfer import TransferResult
from outdial.telephony.verdict import Verdict


class Detection(StrEnum):
    """How a carrier should look for answering machines."""

    OFF = "off"
    FAST = "fast"                # say human or machine as soon as known
    MESSAGE_END = "message_end"  # for a machine, wait until a message can be left


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall:
    """One dial. `ref` is our attempt id; it is in every URL, so that a callback that overtakes the reply
    finds its attempt. `stream_url` (wss://…) ends in the one-time token."""

    ref: str
    to: str
    from_: str
    callback_url: str  # base: the adapter appends the kinds of callback it knows (/status, /event, …)
    stream_url: str
    ring_timeout_s: int
    max_duration_s: int
    detection: Detection = Detection.OFF
    detection_timeout_s: int = 30

    @property
    def command_id(self) -> str:
        """The same UUID for the same attempt: a carrier that knows idempotency dials once, however often it is sent."""
        return command_id(self.ref)


_COMMANDS = UUID("5f0f6a52-4a3c-5d0b-9a9f-0f6f6b6c7d21")  # any UUID will do, but it must stay the same


def command_id(ref: str) -> str:
    """The same UUID for what is done once for an attempt (its `ref`), whoever of us asks for it and however often."""
    return str(uuid5(_COMMANDS, ref))


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRecord:
    """What the carrier's own books say of a call."""

    call: CarrierCall
    progress: Progress
    created_at: datetime | None = None
    verdict: Verdict | None = None  # of answering machine detection, when the carrier keeps it
    price: Price | None = None


class HungUp(StrEnum):
    """What a carrier made of a request to end a call."""

    TAKEN = "taken"          # it ends the call
    ENDED = "ended"          # it had ended already
    NOT_KNOWN = "not_known"  # it knows no such call, or no longer


class CallControl(Protocol):
    """The calls of one account, by REST. Every method raises a CarrierError subclass."""

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        """Ask the carrier to dial; returns once it is accepted, before the phone rings."""
        ...

    async def hang_up(self, call: CarrierCall) -> HungUp:
        """End the call whatever its state; ending what is over, or is not known there, is not an error."""
        ...

    async def look_up(self, call: CarrierCall) -> CarrierRecord:
        """The call as it is now. Raises CarrierRefused with `not_known_there` for one that isn't in the books."""
        ...

    async def find(self, *, ref: str, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """Calls the carrier knows that could be the dial `ref`, created at or after `since` (newest first).

        A list that can't be read to its end is an error: what is missing must not pass for absent.
        """
        ...

    async def transfer(self, call: CarrierCall, to: str, caller_id: str, callback_url: str) -> None:
        """Connect the other party to `to`; our part in the call is over, unless it comes back (`resume`)."""
        ...

    async def look_up_transfer(
        self, call: CarrierCall, *, to: str, leg: str | None, since: datetime
    ) -> TransferResult | None:
        """What became of the transfer of `call` to `to`, asked for at `since`; None when the carrier's books have no
        such leg. `leg`: what the carrier calls it, where it was told."""
        ...

    async def join(self, call: CarrierCall, other: CarrierCall, *, room: str) -> None:
        """Connect two answered calls of ours with each other: from then on each ends with the other, and our part in
        both is over. `room`: a name that nothing else has, for carriers that connect calls in one."""
        ...

    async def resume(self, call: CarrierCall, back: BackToAgent) -> None:
        """Bring the audio of a call whose transfer failed back to us."""
        ...

    async def say_and_hang_up(self, call: CarrierCall, sentence: str) -> None:
        """Say a sentence in the carrier's own voice, then end the call. May take as long as the sentence does."""
        ...

    async def accept(
        self, incoming: IncomingCall, *, ref: str, callback_url: str, stream_url: str, max_duration_s: int
    ) -> CallbackReply | None:
        """Connect an incoming call to our media websocket.

        The result is what its callback is answered with; None when the carrier was told by a request of its
        own and reads no answer. `max_duration_s` is held to by the carrier where it can.
        """
        ...

    async def refuse(self, incoming: IncomingCall, *, sentence: str | None) -> CallbackReply | None:
        """Turn an incoming call down, after a sentence if there is one. The result is as of `accept`.

        Without an answer to give this may take as long as the sentence does: answer the callback first.
        """
        ...

    async def aclose(self) -> None: ...
