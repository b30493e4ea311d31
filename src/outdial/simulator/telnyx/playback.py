"""What a leg is made to hear on command: speech and files, one after the other, with their events."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outdial.simulator.files import Unplayable, download
from outdial.simulator.telnyx.party import Party

Fetch = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    kind: str  # speak, playback: as in the events' names
    fetch: Fetch
    loop: int | None  # None: until it is stopped
    facts: dict[str, object]


class Playlist:
    def __init__(self, party: Party) -> None:
        self._party = party
        self._waiting: deque[_Item] = deque()
        self._playing: asyncio.Task[None] | None = None
        self._ended_as = "cancelled"

    def speak(self, text: str, *, loop: int | None = 1) -> None:
        voice = self._party.network.agent_voice
        self._add("speak", lambda: voice.audio(text), loop, {})

    def play_file(self, url: str, *, loop: int | None = 1) -> None:
        http = self._party.network.http
        self._add("playback", lambda: download(http, url), loop, {"media_url": url, "overlay": False})

    def stop(self, *, everything: bool) -> None:
        """Silence what plays, and with `everything` what waits."""
        if everything:
            self._waiting.clear()
        if self._playing is not None:
            self._playing.cancel()

    def close(self) -> None:
        """The call is over."""
        self._ended_as = "call_hangup"
        self.stop(everything=True)

    def _add(self, kind: str, fetch: Fetch, loop: int | None, facts: dict[str, object]) -> None:
        self._waiting.append(_Item(kind=kind, fetch=fetch, loop=loop, facts=facts))
        if self._playing is None:
            self._next()

    def _next(self) -> None:
        if self._waiting:
            item = self._waiting.popleft()
            self._playing = self._party.network.start(self._play(item))
            self._playing.add_done_callback(lambda _: self._done())

    def _done(self) -> None:
        self._playing = None
        self._next()

    async def _play(self, item: _Item) -> None:
        status, started = "completed", False
        try:
            pcm = await item.fetch()
            self._tell(item, "started")
            started = True
            rounds = 0
            while pcm and (item.loop is None or rounds < item.loop):
                await self._party.audio.play(pcm)
                rounds += 1
        except Unplayable as exc:
            self._party.note(f"Playback: {exc}")
            status = "failed"
        except asyncio.CancelledError:
            status = self._ended_as
            raise
        finally:
            if started or status == "failed":
                self._tell(item, "ended", status=status)

    def _tell(self, item: _Item, what: str, **facts: str) -> None:
        self._party.callbacks.post(f"call.{item.kind}.{what}", **item.facts, **facts)
