"""Where a carrier opens a call's audio: …/media/<carrier>/<attempt id>/<token>. Nothing else is a websocket.

What stands before it is the worker's own address where a proxy leads to several, and may have been taken off by it.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from outdial.carriers.registry import carrier_named
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.live.handshake import MediaHandshake
from outdial.self_test.answering import Echo, SelfTests
from outdial.self_test.place import place_in
from outdial.settings import MEDIA_PATH, Settings, media_url

Open = Callable[[str, Mapping[str, str]], Awaitable[Callable[[MediaSocket], MediaLine | Echo] | None]]


def by_path(handshake: MediaHandshake, settings: Settings, self_tests: SelfTests | None = None) -> Open:
    """`MediaHandshake.open` for who has the path of a request, and its headers. A try of the way to it is no call."""

    expected = ("", urlsplit(settings.stream_base_url).path)

    async def open_(path: str, headers: Mapping[str, str]) -> Callable[[MediaSocket], MediaLine | Echo] | None:
        if self_tests is not None and (place := place_in(path.partition("?")[0])) is not None:
            return await self_tests.open(place, path, headers)
        before, found, told = path.partition(MEDIA_PATH)
        parts = told.split("/")
        if not found or before not in expected or len(parts) != 3:
            return None
        carrier, attempt_id, token = parts
        name = carrier_named(carrier)
        if name is None:
            return None
        return await handshake.open(
            carrier=name,
            attempt_id=attempt_id,
            token=token,
            url=media_url(settings.stream_base_url, carrier, attempt_id, token),
            headers=headers,
        )

    return open_
