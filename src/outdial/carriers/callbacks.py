"""What a carrier tells us by HTTP, once verified and read."""

from dataclasses import dataclass
from datetime import datetime

from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import CallEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingCall:
    """Somebody calls one of our numbers and waits. `from_` may be a word of the carrier's ("anonymous")."""

    call: CarrierCall
    from_: str
    to: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A verified carrier callback: what it means, and the key under which a repeat is recognised."""

    kind: str
    dedupe_key: str
    event: CallEvent | None               # None: stored for the record, changes nothing
    call: CarrierCall | None = None       # whose it is, as far as it says; of a transfer's other party: None
    price: Price | None = None
    stream_failed: bool = False           # the carrier could not open the call's audio, or lost it
    left_alone: CarrierCall | None = None  # by a transfer that failed, where no reply can tell them


@dataclass(frozen=True, slots=True, kw_only=True)
class BackToAgent:
    """Where the audio of a call goes on with its agent: a new stream, with a one-time token of its own. `ref`,
    `callback_url` and `stream_url` are as in calls.PlaceCall; `from_` is our number."""

    ref: str
    from_: str
    callback_url: str
    stream_url: str
    max_duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReply:
    """What a callback is answered with, where the carrier reads the answer."""

    media_type: str
    body: str


TRANSFER_FAILED = "Sorry, nobody is available to take your call right now. Goodbye."  # said to who is left on the line


class BadCallback(ValueError):
    """A callback whose body is not of the carrier's protocol."""
