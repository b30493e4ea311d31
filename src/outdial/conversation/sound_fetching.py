"""Sound files that a call plays: fetched while our turn is waited for; longer, and the callee is told of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from outdial.conversation.floor import Floor
from outdial.conversation.stopping import stop
from outdial.conversation.transcript import Journal
from outdial.media.sounds import Sound, SoundFailed, Sounds

FILL_MS = 2500  # of silence, while one is fetched; a reply may have been waited for before that


class SoundFetching:
    """Of one call. `fill` says to the callee that it takes a moment."""

    def __init__(self, sounds: Sounds, floor: Floor, journal: Journal, fill: Callable[[], Awaitable[Any]]) -> None:
        self._sounds = sounds
        self._floor = floor
        self._journal = journal
        self._fill = fill

    async def fetch(self, source: str) -> Sound:
        """Raises SoundFailed."""
        try:
            return await self._sounds.fetch(source)
        except SoundFailed as failed:
            self._journal.event("sound_failed", {"error": failed.word})
            raise

    @asynccontextmanager
    async def under_way(self, sound: str | Sound) -> AsyncIterator[Callable[[], Awaitable[Sound]]]:
        """Gives what waits for it, with the floor. That raises CallEnded and SoundFailed."""
        fetching = asyncio.create_task(self._there(sound), name="sound file of a call")

        async def ready() -> Sound:
            while True:
                await self._floor.wait_for(fetching, timeout_ms=FILL_MS)
                if fetching.done():
                    return fetching.result()
                await self._fill()

        try:
            yield ready
        finally:
            await stop(fetching)

    async def _there(self, sound: str | Sound) -> Sound:
        return await self.fetch(sound) if isinstance(sound, str) else sound
