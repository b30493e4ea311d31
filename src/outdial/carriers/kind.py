"""What is known of a carrier before there is an account: what to ask the user for, and how to read what it sends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from outdial.carriers.callbacks import Callback, CallbackReply, IncomingCall
from outdial.carriers.calls import Carrier
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.name import CarrierName
from outdial.media.stream import StreamCodec
from outdial.telephony.failures import FailureCode

Credentials = Mapping[str, str]  # as stored: one string a CredentialField


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One thing to ask the user for when an account is connected. `where`: to find it at the carrier. `choices`: what
    it may be, where it isn't free; the first is what holds without it."""

    name: str
    label: str
    where: str = ""
    secret: bool = True
    required: bool = True
    multiline: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where a carrier handles the calls of an account. `url` is its API there, without a version in the path."""

    name: str
    place: str
    url: str


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


class Verify(Protocol):
    def __call__(
        self, credentials: Credentials, *, url: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> bool: ...


class Parse(Protocol):
    def __call__(
        self, kind: str, body: bytes, *, headers: Mapping[str, str], received_at: datetime
    ) -> Callback: ...


class Incoming(Protocol):
    def __call__(self, body: bytes, *, received_at: datetime) -> IncomingCall | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierKind:
    """A carrier: how to open an account of it, and how to read what it sends. All but `open` is pure.

    `verify` takes the public URL we configured plus path and query (wss for the handshake of a media
    websocket, whose body is empty) and never raises. `now` is for those that sign a time: what is older or
    newer than five minutes is refused; within them a replay has the `dedupe_key` of what was stored before.

    `parse` raises BadCallback. `reply` is what a callback is answered with, None where the carrier doesn't
    read it. `incoming` is the call that a request to the inbound URL announces, None when it tells something
    else; it raises BadCallback.

    `regions`: the first is where the calls of an account are handled that says nothing else.
    `numbers_per_region`: what answers a number is set in every region apart.
    """

    name: CarrierName
    label: str
    credential_fields: tuple[CredentialField, ...]
    capabilities: Capabilities
    regions: tuple[Region, ...]
    numbers_per_region: bool = False
    api_version: str = ""  # in every path; users may copy it along with a base URL
    account_ref: Callable[[Credentials], str]  # what the carrier calls the account; not secret
    open: Callable[[Credentials, str | None], Carrier]  # credentials, base URL (None: of the first region)
    stream_codec: Callable[[], StreamCodec]
    verify: Verify
    parse: Parse
    reply: Callable[[str, bytes], CallbackReply | None]
    incoming: Incoming

    def region(self, name: str | None) -> Region | None:
        """The region of this name, of no name the first; None when there is none."""
        return next((region for region in self.regions if name in (None, region.name)), None)

    def api_url(self, region_name: str | None, base_url: str | None) -> str:
        """Where an account's requests go. Raises CarrierRefused for a region that is none of ours (any more)."""
        if base_url is not None:
            return base_url
        region = self.region(region_name)
        if region is None:
            message = f"{self.label}'s region {region_name} is not known to Outdial."
            raise CarrierRefused(FailureCode.ACCOUNT_NOT_SET_UP, message)
        return region.url

    @property
    def signs_streams(self) -> bool:
        """Is the handshake of the media websocket signed, too?"""
        return self.capabilities.signed_streams

    @property
    def default_calls_per_second(self) -> float:
        return self.capabilities.calls_per_second
