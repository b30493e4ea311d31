"""What a customer asks of a call, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outdial.simulator.telnyx.amd import Tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Where a leg's callbacks go: `urls` and `retries_ms` by event type, "" for the application's URL."""

    url: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    retries_ms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    url: str
    track: str = "inbound_track"
    codec: str = "default"  # of what we send: of the leg when default
    mode: str = "mp3"  # rtp, or the customer's audio is taken for MP3 files
    bidirectional_codec: str = "PCMU"  # of what the customer sends


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    mode: str
    tuning: Tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """A new outbound leg."""

    to: str
    from_: str
    client_state: str = ""
    hooks: Hooks = field(default_factory=Hooks)
    ring_timeout_s: int = 30
    time_limit_s: int = 14_400
    retry_on_timeout: bool = True
    send_digits: str = ""
    detection: Detection | None = None
    stream: Stream | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to do with an incoming leg from its answer on."""

    hooks: Hooks | None = None
    stream: Stream | None = None
