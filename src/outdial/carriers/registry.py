"""The carriers Outdial knows: one dict. A new one is a folder beside this file and an entry here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from outdial.carriers.base import (
    Callback,
    CallbackReply,
    Capabilities,
    Carrier,
    CarrierName,
    StreamCodec,
)
from outdial.carriers.twilio import callbacks as twilio_callbacks
from outdial.carriers.twilio import rest as twilio_rest
from outdial.carriers.twilio.stream import TwilioStream

Credentials = Mapping[str, str]  # as stored: one string a CredentialField


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One thing to ask the user for when an account is connected."""

    name: str
    label: str
    secret: bool = True
    required: bool = True


class Verify(Protocol):
    def __call__(
        self, credentials: Credentials, *, url: str, headers: Mapping[str, str], body: bytes
    ) -> bool: ...


class Parse(Protocol):
    def __call__(
        self, kind: str, body: bytes, *, headers: Mapping[str, str], received_at: datetime
    ) -> Callback: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierKind:
    """A carrier, before there is an account: how to open one, and how to read what it sends.

    `verify` takes the public URL we configured plus path and query (wss for the handshake of a media
    websocket, whose body is empty) and never raises. `parse` raises BadCallback. `reply` is what a callback
    is answered with, None where the carrier doesn't read it.
    """

    name: CarrierName
    label: str
    credential_fields: tuple[CredentialField, ...]
    capabilities: Capabilities
    account_ref: Callable[[Credentials], str]  # what the carrier calls the account; not secret
    open: Callable[[Credentials, str | None], Carrier]  # credentials, base URL (None: the carrier's own)
    stream_codec: Callable[[], StreamCodec]
    signs_streams: bool  # is the handshake of the media websocket signed, too?
    verify: Verify
    parse: Parse
    reply: Callable[[str, bytes], CallbackReply | None]

    @property
    def default_calls_per_second(self) -> float:
        return self.capabilities.calls_per_second


def _twilio_credentials(credentials: Credentials) -> twilio_rest.TwilioCredentials:
    return twilio_rest.TwilioCredentials(**credentials)


def _twilio_open(credentials: Credentials, base_url: str | None) -> Carrier:
    return twilio_rest.TwilioCarrier(_twilio_credentials(credentials), base_url=base_url)


def _twilio_verify(
    credentials: Credentials, *, url: str, headers: Mapping[str, str], body: bytes
) -> bool:
    tokens = _twilio_credentials(credentials).signing_tokens
    return twilio_callbacks.verify(url=url, headers=headers, body=body, tokens=tokens)


CARRIERS: Mapping[CarrierName, CarrierKind] = {
    CarrierName.TWILIO: CarrierKind(
        name=CarrierName.TWILIO,
        label="Twilio",
        credential_fields=(
            CredentialField(name="account_sid", label="Account SID (AC…)", secret=False),
            CredentialField(name="auth_token", label="Auth token"),
            CredentialField(name="next_auth_token", label="Secondary auth token", required=False),
            CredentialField(name="api_key", label="API key SID (SK…)", secret=False, required=False),
            CredentialField(name="api_secret", label="API key secret", required=False),
        ),
        capabilities=twilio_rest.CAPABILITIES,
        account_ref=lambda credentials: credentials["account_sid"],
        open=_twilio_open,
        stream_codec=TwilioStream,
        signs_streams=True,
        verify=_twilio_verify,
        parse=twilio_callbacks.parse,
        reply=twilio_callbacks.reply,
    ),
}


def carrier_named(text: str) -> CarrierName | None:
    """The carrier a URL or a user names; None when we don't know it."""
    return CarrierName(text) if text in {name.value for name in CARRIERS} else None
