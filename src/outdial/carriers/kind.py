"""What is known of a carrier before there is an account: what to ask the user for, and how to read what it sends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from outdial.carriers.callbacks import BackToAgent, Callback, CallbackReply, IncomingCall
from outdial.carriers.calls import CallControl
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.name import CarrierName
from outdial.carriers.numbers import NumberControl
from outdial.carriers.signing import TrialSigner
from outdial.media.stream import StreamCodec
from outdial.telephony.failures import FailureCode

Credentials = Mapping[str, str]  # as stored: one string a CredentialField


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One thing to ask the user for when an account is connected. `where`: to find it at the carrier. `choices`: what
    it may be, where it isn't free; the first is what holds without it. `example`: of one that is required."""

    name: str
    label: str
    where: str = ""
    secret: bool = True
    required: bool = True
    multiline: bool = False
    choices: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where a carrier handles the calls of an account. `url` is its API there, without a version in the path."""

    name: str
    place: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What carriers can't all do alike; a row each in docs/carriers.md. By the last five we go; the others are what
    users and the conformance suite may expect of a call."""

    ringing_event: bool          # is told when the phone begins to ring
    declined: bool               # tells a callee who declines from one who is busy
    detection_of_fax: bool       # tells a fax from a voicemail
    detection_unsure: bool       # says so when it can't tell who answered; otherwise that passes for a human
    price_in_callback: bool      # otherwise its books tell, minutes later
    idempotent_create: bool      # the same dial sent twice within a minute rings once
    agent_returns: bool          # gives a call's audio back to its agent when nobody takes the transfer
    warm_transfer: bool          # connects two calls of ours with each other (`CallControl.join`)
    signed_streams: bool         # signs the handshake of the media websocket
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


class Reply(Protocol):
    def __call__(self, kind: str, body: bytes, *, back: BackToAgent | None = None) -> CallbackReply | None: ...


class Incoming(Protocol):
    def __call__(self, body: bytes, *, received_at: datetime) -> IncomingCall | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierKind:
    """A carrier: how to reach an account of it, and how to read what it sends.

    `call_control` and `number_control` open a client that its caller closes; all else is pure.

    `verify` takes the public URL we configured plus path and query (wss for the handshake of a media
    websocket, whose body is empty) and never raises. `now` is for those that sign a time: what is older or
    newer than five minutes is refused; within them a replay has the `dedupe_key` of what was stored before.

    `parse` raises BadCallback. `reply` is what a callback is answered with, None where the carrier doesn't
    read it; `back` is where a call goes on that a failed transfer has left alone, None when it is to end after a
    sentence. `incoming` is the call that a request to the inbound URL announces, None when it tells something
    else; it raises BadCallback.

    `regions`: the first is where the calls of an account are handled that says nothing else.
    `numbers_per_region`: what answers a number is set in every region apart.

    `evidence`: what it means when this carrier gives a word of its own for who answered, as in "Twilio heard …".
    """

    name: CarrierName
    label: str
    credential_fields: tuple[CredentialField, ...]
    capabilities: Capabilities
    regions: tuple[Region, ...]
    numbers_per_region: bool = False
    api_version: str = ""  # in every path; users may copy it along with a base URL
    account_ref: Callable[[Credentials], str]  # what the carrier calls the account; not secret
    call_control: Callable[[Credentials, str], CallControl]      # of an account: credentials, where its requests go
    number_control: Callable[[Credentials, str], NumberControl]
    stream_codec: Callable[[], StreamCodec]
    verify: Verify
    parse: Parse
    reply: Reply
    incoming: Incoming
    evidence: Mapping[str, str]
    trial_signer: Callable[[], TrialSigner] | None = None  # None: nobody tries the way of its callbacks

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
    def credential_example(self) -> dict[str, str]:
        """What connecting an account takes at the least."""
        return {field.name: field.example for field in self.credential_fields if field.required}

    @property
    def signs_streams(self) -> bool:
        """Is the handshake of the media websocket signed, too?"""
        return self.capabilities.signed_streams

    @property
    def default_calls_per_second(self) -> float:
        return self.capabilities.calls_per_second
