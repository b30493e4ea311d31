"""Signing as a carrier does, with credentials made for that alone: so the way of callbacks can be tried without the
carrier, who alone may have the key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCallback:
    """What a carrier would send: a POST with these headers."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSigner:
    """`credentials` are good for one trial: `CarrierKind.verify` takes them. `callback` signs a callback to a URL, and
    `handshake` gives the headers that sign the handshake of a media websocket; None of a carrier that signs none."""

    credentials: Mapping[str, str]
    callback: Callable[[str, datetime], SignedCallback]
    handshake: Callable[[str, datetime], Mapping[str, str]] | None = None
