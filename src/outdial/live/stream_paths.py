"""Where a carrier opens a call's audio: /media/<carrier>/<attempt id>/<token>. Nothing else is a websocket."""

from collections.abc import Awaitable, Callable, Mapping

from outdial.carriers.registry import carrier_named
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.live.handshake import MediaHandshake
from outdial.settings import MEDIA_PATH, Settings

Open = Callable[[str, Mapping[str, str]], Awaitable[Callable[[MediaSocket], MediaLine] | None]]


def by_path(handshake: MediaHandshake, settings: Settings) -> Open:
    """`MediaHandshake.open` for who has the path of a request, and its headers."""

    async def open_(path: str, headers: Mapping[str, str]) -> Callable[[MediaSocket], MediaLine] | None:
        parts = path.removeprefix(MEDIA_PATH).split("/")
        if not path.startswith(MEDIA_PATH) or len(parts) != 3:
            return None
        carrier, attempt_id, token = parts
        name = carrier_named(carrier)
        if name is None:
            return None
        return await handshake.open(
            carrier=name,
            attempt_id=attempt_id,
            token=token,
            url=settings.stream_base_url + path,
            headers=headers,
        )

    return open_
