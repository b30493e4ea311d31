"""What every carrier is to the rest of Outdial: a few REST verbs, a stream codec, and four kinds of error."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from outdial.calls.state import CallEvent, Progress, Verdict


class CarrierName(StrEnum):
    TWILIO = "twilio"
    VONAGE = "vonage"
    TELNYX = "telnyx"


class CarrierError(Exception):
    """A carrier request that did not do what was asked. The subclass says what may be done next.

    `code` is the carrier's own code (or our word when it gave none), `message` a sentence for the user.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)  # the sentence may name a phone number; it stays out of logs
        self.code = code
        self.message = message


class CarrierUnreachable(CarrierError):
    """Nothing was sent; retrying is safe."""


class CarrierThrottled(CarrierError):
    """Refused for now; retrying is safe after `retry_after_s`."""

    def __init__(self, code: str, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class CarrierRefused(CarrierError):
    """Will fail again (bad number, no funds, wrong credentials)."""


class CarrierUncertain(CarrierError):
    """Sent, but no usable reply. The phone may be ringing: look the call up, never redial."""


class NotSupported(CarrierError):
    """This carrier cannot do that."""


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
    callback_url: str  # base: the adapter appends /status, /amd, /stream
    stream_url: str
    ring_timeout_s: int
    max_duration_s: int
    detection: Detection = Detection.OFF
    detection_timeout_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRecord:
    """What the carrier's own books say of a call."""

    carrier_call_id: str
    progress: Progress
    to: str
    from_: str
    created_at: datetime | None = None
    verdict: Verdict | None = None  # of answering machine detection, when the carrier keeps it
    price: str | None = None        # what the call cost, positive
    price_currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRecord:
    """A number the account may call from, as the carrier's books have it."""

    number: str
    carrier_number_id: str
    name: str
    can_call: bool
    rented: bool  # False: a caller ID that was only verified; it can be dialled from, never answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a carrier can do; a row of docs/carriers.md."""

    ringing_event: bool
    detection: bool
    detection_message_end: bool
    send_digits: bool
    transfer: bool
    idempotent_create: bool
    calls_per_second: float


class Carrier(Protocol):
    """One account at a carrier: REST verbs. Every method raises a CarrierError subclass."""

    capabilities: Capabilities

    async def place_call(self, request: PlaceCall) -> str:
        """Ask the carrier to dial; returns its call id once accepted, before the phone rings."""
        ...

    async def hang_up(self, carrier_call_id: str) -> None:
        """End the call whatever its state; ending an ended call is not an error."""
        ...

    async def look_up(self, carrier_call_id: str) -> CarrierRecord: ...

    async def find(self, *, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """Calls the carrier knows with these numbers, created at or after `since` (newest first)."""
        ...

    async def transfer(self, carrier_call_id: str, to: str, caller_id: str, callback_url: str) -> None: ...

    async def send_digits(self, carrier_call_id: str, digits: str, stream_url: str) -> None: ...

    async def check(self) -> None:
        """Raises CarrierRefused when the credentials are wrong or the account can't be used."""
        ...

    async def owns(self, number: str) -> NumberRecord | None:
        """The account's own record of `number`, None when it may not call from it."""
        ...

    async def aclose(self) -> None: ...


# -- media streams -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    stream_id: str
    carrier_call_id: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Callee audio: PCM16 little-endian, 8000 Hz, mono; usually 320 bytes (20 ms)."""

    pcm: bytes
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class DigitPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """The carrier played everything sent before this mark, or dropped it at our `clear`."""

    name: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    pass


StreamEvent = StreamStarted | AudioReceived | DigitPressed | MarkReached | StreamEnded


class BadFrame(ValueError):
    """A frame on the media websocket that is not of the carrier's protocol."""


class StreamCodec(Protocol):
    """One media websocket's protocol, without I/O: messages in, events out; our wishes in, messages out."""

    def receive(self, message: str | bytes) -> StreamEvent | None:
        """The event in a message, None for one that says nothing. Raises BadFrame."""
        ...

    def audio(self, pcm: bytes) -> str | bytes: ...
    def mark(self, name: str) -> str | bytes: ...
    def clear(self) -> str | bytes:
        """Drop audio the carrier has buffered: the callee interrupted."""
        ...


# -- callbacks -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A verified carrier callback: what it means, and the key under which a repeat is recognised."""

    kind: str
    dedupe_key: str
    event: CallEvent | None  # None: stored for the record, changes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReply:
    """What a callback is answered with, where the carrier reads the answer."""

    media_type: str
    body: str


class BadCallback(ValueError):
    """A callback whose body is not of the carrier's protocol."""
