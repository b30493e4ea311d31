"""What every carrier is to the rest of Outdial: a few REST verbs, a stream codec, and four kinds of error."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID, uuid5

from outdial.calls.failures import CallError, FailureCode
from outdial.calls.state import CallEvent, CarrierCall, Progress, Verdict


class CarrierName(StrEnum):
    TWILIO = "twilio"
    VONAGE = "vonage"
    TELNYX = "telnyx"


class CarrierError(Exception):
    """A carrier request that did not do what was asked. The subclass says what may be done next.

    `code` is our word for why, `carrier_code` the carrier's own (None when it gave none), `message` a sentence for
    the user.
    """

    def __init__(self, code: FailureCode, message: str, *, carrier_code: str | None = None) -> None:
        # The sentence may name a phone number; it stays out of logs.
        super().__init__(code if carrier_code is None else f"{code} ({carrier_code})")
        self.code = code
        self.message = message
        self.carrier_code = carrier_code

    @property
    def codes(self) -> dict[str, str | None]:
        """What a log line says of it."""
        return {"code": self.code, "carrier_code": self.carrier_code}

    def as_call_error(self) -> CallError:
        return CallError(code=self.code, message=self.message, carrier_code=self.carrier_code)


class CarrierUnreachable(CarrierError):
    """Nothing was sent; retrying is safe."""


class CarrierThrottled(CarrierError):
    """Refused for now; retrying is safe after `retry_after_s`."""

    def __init__(
        self, code: FailureCode, message: str, retry_after_s: float = 1.0, *, carrier_code: str | None = None
    ) -> None:
        super().__init__(code, message, carrier_code=carrier_code)
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
    callback_url: str  # base: the adapter appends the kinds of callback it knows (/status, /event, …)
    stream_url: str
    ring_timeout_s: int
    max_duration_s: int
    detection: Detection = Detection.OFF
    detection_timeout_s: int = 30

    @property
    def command_id(self) -> str:
        """The same UUID for the same attempt: a carrier that knows idempotency dials once, however often it is sent."""
        return str(uuid5(_COMMANDS, self.ref))


_COMMANDS = UUID("5f0f6a52-4a3c-5d0b-9a9f-0f6f6b6c7d21")  # any UUID will do, but it must stay the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What the carrier charges for a call: a positive decimal and an ISO 4217 currency."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRecord:
    """What the carrier's own books say of a call."""

    call: CarrierCall
    progress: Progress
    created_at: datetime | None = None
    verdict: Verdict | None = None  # of answering machine detection, when the carrier keeps it
    price: Price | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRecord:
    """A number the account may call from, as the carrier's books have it."""

    number: str
    carrier_number_id: str
    name: str
    can_call: bool
    rented: bool  # False: a caller ID that was only verified; it can be dialled from, never answered


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberConnection:
    """What answers calls to a number now, and what connecting it would change at the carrier, a sentence each."""

    number: NumberRecord
    answered_by: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A number is connected. `undo` (JSON) is what `disconnect` wants; `credentials` were made on the way and
    must be kept with those of the account: without them it can't place calls."""

    undo: Mapping[str, Any]
    credentials: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingCall:
    """Somebody calls one of our numbers and waits. `from_` may be a word of the carrier's ("anonymous")."""

    call: CarrierCall
    from_: str
    to: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a carrier can do; a row of docs/carriers.md."""

    ringing_event: bool          # is told when the phone begins to ring
    declined: bool               # tells a callee who declines from one who is busy
    detection: bool              # of answering machines, beside the conversation
    detection_message_end: bool  # tells when a machine can be left a message
    detection_of_fax: bool       # tells a fax from a voicemail
    detection_unsure: bool       # says so when it can't tell who answered; otherwise that passes for a human
    transfer: bool
    send_digits: bool
    inbound: bool
    price_in_callback: bool      # otherwise its books tell, minutes later
    signed_streams: bool         # signs the handshake of the media websocket
    idempotent_create: bool      # the same dial sent twice within a minute rings once
    max_ring_timeout_s: int
    calls_per_second: float      # new calls, of a new account


# -- media streams -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    stream_id: str
    carrier_call_id: str | None  # where the stream tells it
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Callee audio: PCM16 little-endian, 8000 Hz, mono; usually 320 bytes (20 ms), several frames at once when the
    carrier's came out of order."""

    pcm: bytes
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class DigitPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """The carrier played everything sent before this mark, or dropped it at our `clear` (where it says so)."""

    name: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    pass


StreamEvent = StreamStarted | AudioReceived | DigitPressed | MarkReached | StreamEnded


class BadFrame(ValueError):
    """A frame on the media websocket that is not of the carrier's protocol."""


class StreamCodec(Protocol):
    """One media websocket's protocol, without I/O: messages in, events out; our wishes in, messages out.

    `says_stop`: the carrier announces the end of a stream. Where it doesn't, an orderly close of the websocket
    has to stand for it.
    """

    says_stop: bool

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
    event: CallEvent | None               # None: stored for the record, changes nothing
    call: CarrierCall | None = None       # whose it is, as far as it says; of a transfer's other party: None
    price: Price | None = None
    transfer_failed: CarrierCall | None = None  # who is left alone on the line, where no reply can tell them


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReply:
    """What a callback is answered with, where the carrier reads the answer."""

    media_type: str
    body: str


TRANSFER_FAILED = "Sorry, nobody is available to take your call right now. Goodbye."  # said to who is left on the line


class BadCallback(ValueError):
    """A callback whose body is not of the carrier's protocol."""


# -- one account ---------------------------------------------------------------------------------------------


class Carrier(Protocol):
    """One account at a carrier: REST verbs. Every method raises a CarrierError subclass."""

    capabilities: Capabilities

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        """Ask the carrier to dial; returns once it is accepted, before the phone rings."""
        ...

    async def hang_up(self, call: CarrierCall) -> None:
        """End the call whatever its state; ending an ended call is not an error."""
        ...

    async def look_up(self, call: CarrierCall) -> CarrierRecord: ...

    async def find(self, *, ref: str, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """Calls the carrier knows that could be the dial `ref`, created at or after `since` (newest first).

        A list that can't be read to its end is an error: what is missing must not pass for absent.
        """
        ...

    async def transfer(self, call: CarrierCall, to: str, caller_id: str, callback_url: str) -> None:
        """Connect the other party to `to`; our part in the call is over. Its callbacks are of the kind `transfer`."""
        ...

    async def send_digits(self, call: CarrierCall, digits: str, stream_url: str) -> None: ...

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

    async def check(self) -> None:
        """Raises CarrierRefused when the credentials are wrong or the account can't be used."""
        ...

    async def owns(self, number: str) -> NumberRecord | None:
        """The account's own record of `number`, None when it may not call from it."""
        ...

    async def connection(self, number: str, *, inbound_url: str, callback_url: str) -> NumberConnection:
        """How `number` is set up now and what `connect` would change. Changes nothing.

        Raises CarrierRefused, with what to do, for a number that isn't the account's or is in use elsewhere.
        """
        ...

    async def connect(self, number: str, *, inbound_url: str, callback_url: str) -> Connected:
        """Have calls to `number` announced at `inbound_url`, and their progress told under `callback_url`.

        Both URLs are of the account, not of the number: at some carriers its numbers share them. A carrier
        that gives every call a callback URL of its own has no use for the second. Raises as `connection`.
        Harmless when repeated.
        """
        ...

    async def disconnect(self, number: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
        """Put back what `connect` found, unless somebody has changed it since.

        What the account's numbers share is left alone while there are others of them here; for the last one
        this is called with the `undo` of those that went before, too.
        """
        ...

    async def aclose(self) -> None: ...
