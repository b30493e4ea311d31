"""What a server answers to a try of the way to it: what arrived of the request, and whether a carrier's signature over
it still holds. To whoever has no token of a try it says nothing, not even that it might."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.carriers.registry import CARRIERS
from outdial.conversation.media_line import MediaSocket
from outdial.self_test.place import AUDIO, CALLBACK, Place, path_of
from outdial.self_test.store import Known, take
from outdial.settings import Settings
from outdial.token_buckets import TokenBuckets
from outdial.version import __version__

PER_S = 5.0    # tries of everybody together, in a process; each asks the database
AT_ONCE = 100
AUDIO_S = 10.0             # a socket stays open for so long at the most
HEADERS_TOLD = ("host", "x-forwarded-for", "x-forwarded-proto", "via")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A request as it came. `url` is the public one that a carrier would have signed; `headers` by lower-case
    name."""

    path: str
    query: str
    url: str
    scheme: str
    client: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is answered, as JSON. `signed`: by carrier, whether its signature holds, where it was tried."""

    nonce: str
    worker: str
    version: str
    path: str
    query: str
    scheme: str
    client: str
    headers: Mapping[str, str]
    body_sha256: str
    signed: Mapping[str, bool]

    def as_json(self) -> str:
        return json.dumps(asdict(self))


class Echo:
    """Takes the place of a media line: answers one message with what arrived, and with itself."""

    def __init__(self, socket: MediaSocket, seen: Seen) -> None:
        self._socket = socket
        self._seen = seen
        self._closing = asyncio.get_running_loop().call_later(AUDIO_S, socket.close)

    def received(self, message: str | bytes) -> None:
        self._socket.send(self._seen.as_json())
        self._socket.send(message)
        self._socket.close()

    def disconnected(self, *, orderly: bool) -> None:
        self._closing.cancel()


class SelfTests:
    """Of one process."""

    def __init__(self, engine: AsyncEngine, settings: Settings, worker_id: str) -> None:
        self.settings = settings
        self._engine = engine
        self._worker_id = worker_id
        self._buckets = TokenBuckets(per_s=PER_S, at_once=AT_ONCE)

    async def known(self, place: Place) -> Known | None:
        """None, without asking the database, when too many were looked for."""
        return None if self._buckets.take(None) else await take(self._engine, place.token)

    def seen(self, place: Place, known: Known, arrived: Arrived) -> Seen:
        return Seen(
            nonce=known.nonce,
            worker=self._worker_id,
            version=__version__,
            path=arrived.path,
            query=arrived.query,
            scheme=arrived.scheme,
            client=arrived.client,
            headers={name: arrived.headers[name] for name in HEADERS_TOLD if name in arrived.headers},
            body_sha256=sha256(arrived.body).hexdigest(),
            signed=_signed(place, known, arrived),
        )

    async def open(self, place: Place, path: str, headers: Mapping[str, str]) -> Callable[[MediaSocket], Echo] | None:
        """A media websocket that is a try; None refuses it. Its signature is over the address that carriers are told,
        as with a call's."""
        known = await self.known(place)
        if known is None:
            return None
        bare, _, query = path.partition("?")
        url = self.settings.stream_base_url + path_of(place.token, AUDIO)
        arrived = Arrived(path=bare, query=query, url=url, scheme="", client="", headers=headers)
        seen = self.seen(place, known, arrived)
        return lambda socket: Echo(socket, seen)


def _signed(place: Place, known: Known, arrived: Arrived) -> Mapping[str, bool]:
    if place.what == AUDIO:
        tried = [name for name, kind in CARRIERS.items() if kind.signs_streams]
    else:
        tried = [name for name in CARRIERS if place.what == f"{CALLBACK}{name}"]
    now = clock.now()  # as a callback is checked
    return {
        name: CARRIERS[name].verify(
            known.credentials[name], url=arrived.url, headers=arrived.headers, body=arrived.body, now=now
        )
        for name in tried
        if name in known.credentials
    }
