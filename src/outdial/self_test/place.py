"""Which requests are tries of the way to this server. Pure.

A try is known wherever it arrives: a proxy that changes paths is to be told what it has made of one.
"""

import re
from dataclasses import dataclass

REACHED, HEADERS, EVENTS, AUDIO = "reached", "headers", "events", "audio"
CALLBACK = "callback-"  # and the carrier's name
TOKEN_CHARS = 43        # 32 bytes

_PLACE = re.compile(rf"self-test/(?P<token>[A-Za-z0-9_-]{{{TOKEN_CHARS}}})/(?P<what>[a-z0-9_-]{{1,40}})/?")
_STARTS = {EVENTS: "/v1", AUDIO: "/media"}  # where proxies treat paths in a way of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    token: str
    what: str


def path_of(token: str, what: str) -> str:
    """Below the public URL, or a worker's stream URL."""
    return f"{_STARTS.get(what, '/callbacks')}/self-test/{token}/{what}"


def place_in(path: str) -> Place | None:
    """None for every other request."""
    before, mark, _ = path.partition("self-test/")
    found = _PLACE.fullmatch(path, len(before)) if mark else None
    return None if found is None else Place(token=found["token"], what=found["what"])
