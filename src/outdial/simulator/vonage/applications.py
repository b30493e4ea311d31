"""An account's applications: where Vonage asks for NCCO, whom it trusts to control calls.

Source: developer.vonage.com/en/api/application.v2
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from outdial.simulator.vonage import tokens
from outdial.simulator.vonage.validation import Invalid, Url
from outdial.simulator.vonage.webhooks import Webhook

Json = dict[str, Any]


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class _VoiceUrl(_Part, omit_defaults=True):
    address: Url
    http_method: Literal["GET", "POST"] | None = None
    connect_timeout: Annotated[int, msgspec.Meta(ge=300, le=1000)] | None = None
    connection_timeout: Annotated[int, msgspec.Meta(ge=300, le=1000)] | None = None  # the older name
    socket_timeout: Annotated[int, msgspec.Meta(ge=1000, le=10_000)] | None = None


class _VoiceUrls(_Part, omit_defaults=True):
    answer_url: _VoiceUrl | None = None
    fallback_answer_url: _VoiceUrl | None = None
    event_url: _VoiceUrl | None = None


class _Voice(_Part, omit_defaults=True):
    webhooks: _VoiceUrls | None = None
    signed_callbacks: bool | None = None
    conversations_ttl: Annotated[int, msgspec.Meta(ge=1, le=9000)] | None = None
    leg_persistence_time: Annotated[int, msgspec.Meta(ge=1, le=31)] | None = None
    region: Literal["na-east", "na-west", "eu-east", "eu-west", "apac-sng", "apac-australia"] | None = None


class _Capabilities(_Part, omit_defaults=True):
    voice: _Voice | None = None
    rtc: Json | None = None
    messages: Json | None = None
    vbc: Json | None = None
    verify: Json | None = None


class _Keys(_Part):
    public_key: str | None = None


class ApplicationRequest(_Part):
    """The body of POST and PUT. What a GET shows may be put back, but for `_links`."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    id: str = ""
    keys: _Keys = msgspec.field(default_factory=_Keys)
    capabilities: _Capabilities = msgspec.field(default_factory=_Capabilities)
    privacy: Json = {}


METHODS = {"answer_url": "GET", "fallback_answer_url": "GET", "event_url": "POST"}
SOCKET_TIMEOUTS_MS = {"answer_url": 5000, "fallback_answer_url": 5000, "event_url": 10_000}
CONNECT_TIMEOUT_MS = 1000


@dataclass(slots=True, kw_only=True, eq=False)
class Application:
    id: str
    name: str
    public_key: str
    capabilities: _Capabilities = field(default_factory=_Capabilities)
    privacy: Mapping[str, Any] | None = None

    @property
    def signed_callbacks(self) -> bool:
        """Only when it asks for them."""
        voice = self.capabilities.voice
        return voice is not None and bool(voice.signed_callbacks)

    def webhook(self, name: str) -> Webhook | None:
        """answer_url, fallback_answer_url or event_url."""
        voice = self.capabilities.voice
        url: _VoiceUrl | None = getattr(voice.webhooks, name) if voice and voice.webhooks else None
        if url is None:
            return None
        connect_ms = url.connect_timeout or url.connection_timeout or CONNECT_TIMEOUT_MS
        return Webhook(
            url=url.address,
            method=url.http_method or METHODS[name],
            connect_timeout_s=connect_ms / 1000,
            read_timeout_s=(url.socket_timeout or SOCKET_TIMEOUTS_MS[name]) / 1000,
        )

    def change(self, request: ApplicationRequest) -> None:
        """Replace everything; the key stays when none is given. Raises Invalid."""
        if request.keys.public_key:
            self.public_key = checked_key(request.keys.public_key)
        self.name = request.name
        self.capabilities = request.capabilities
        self.privacy = request.privacy

    def json(self, *, private_key: str = "") -> Json:
        """`private_key` is shown once, when we made it."""
        return {
            "id": self.id,
            "name": self.name,
            "keys": {"public_key": self.public_key, **({"private_key": private_key} if private_key else {})},
            "privacy": {"improve_ai": False, **(self.privacy or {})},
            "capabilities": msgspec.to_builtins(self.capabilities),
            "_links": {"self": {"href": f"/v2/applications/{self.id}"}},
        }


def checked_key(pem: str) -> str:
    """Raises Invalid."""
    try:
        tokens.public_key(pem)
    except ValueError:
        raise Invalid("keys.public_key", "must be a public RSA key in PEM") from None
    return pem


def signed_by_default(public_key: str, application_id: str) -> Application:
    """The application an account begins with: no webhooks, signed callbacks."""
    return Application(
        id=application_id,
        name="Outdial simulator",
        public_key=public_key,
        capabilities=_Capabilities(voice=_Voice(signed_callbacks=True)),
    )
