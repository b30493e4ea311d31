"""What doctor has seen of the way from the public URL to the server, step by step; `way_faults` says what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PUBLIC, PROXY = "Public address", "Proxy"  # what findings are about


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The first steps. `resolved`: the addresses behind the name; `refused`: of those that weren't reached, why; `tls`:
    why its certificate isn't trusted. Each None or empty where all is well or nothing was tried."""

    unresolved: str | None = None
    resolved: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    tls: str | None = None
    days_left: int | None = None  # of the certificate

    @property
    def is_reached(self) -> bool:
        return len(self.refused) < len(self.resolved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request came back with. `seen`: what the server says has arrived (`self_test.answering.Seen`), None where
    the answer isn't that of a server of this database; `lost`: why there was none."""

    status: int = 0
    seen: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was asked for: `path` as the server should see it."""

    path: str
    query: str = ""
    body_sha256: str = ""
