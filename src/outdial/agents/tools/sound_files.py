"""Sound files at URLs of users, fetched for calls and kept for a while. For use on one event loop.

Many calls play the same file at the same moment: it is fetched once, and at its own pace, whoever waits for it.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

import httpx
from cachetools import TTLCache

from outdial.agents.tools.reaching import word_of
from outdial.background import Background
from outdial.media.sounds import Sound, SoundFailed, name_of
from outdial.net.cookies import nothing_kept
from outdial.net.guarded import GuardedTransport
from outdial.speech.sound_decoding import decoded, may_hold_sound
from outdial.version import __version__

logger = logging.getLogger(__name__)

FETCH_S = 10.0           # for all of it, also for its turn
MAX_BYTES = 10_000_000
KEPT_BYTES = 32_000_000  # half an hour of sound
KEPT_S = 600.0           # then it is asked for again: a file may have changed
AT_ONCE = 16             # fetched; …
DECODED_AT_ONCE = 1      # … a thread that works is one less for everything else
MAX_URL = 2000
MAX_REDIRECTS = 3


class SoundFiles:
    """`transport`: opened with the first file, and closed by whoever gives it."""

    def __init__(
        self, transport: Callable[[], GuardedTransport], *, kept_bytes: int = KEPT_BYTES,
        now: Callable[[], float] = monotonic,
    ) -> None:  # fmt: skip
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._kept: TTLCache[str, Sound] = TTLCache(kept_bytes, KEPT_S, timer=now, getsizeof=lambda one: len(one.pcm))
        self._under_way: dict[str, asyncio.Task[Sound]] = {}
        self._background = Background()
        self._fetching = asyncio.Semaphore(AT_ONCE)
        self._decoding = asyncio.Semaphore(DECODED_AT_ONCE)

    async def fetch(self, source: str) -> Sound:
        """Raises SoundFailed."""
        if (kept := self._kept.get(source)) is not None:
            return kept
        task = self._under_way.get(source)
        if task is None:
            task = self._background.start(self._made(source), name="sound file", awaited=True)
            self._under_way[source] = task
            task.add_done_callback(lambda done: self._ended(source, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        await self._background.cancel()

    # -- inside ------------------------------------------------------------------------------------------------

    def _ended(self, source: str, task: asyncio.Task[Sound]) -> None:
        del self._under_way[source]
        if task.cancelled() or task.exception() is not None:
            return
        sound = task.result()
        if len(sound.pcm) <= self._kept.maxsize:
            self._kept[source] = sound

    async def _made(self, source: str) -> Sound:
        try:
            async with asyncio.timeout(FETCH_S):
                async with self._fetching:
                    data, content_type = await self._fetched(source)
                async with self._decoding:
                    pcm = await asyncio.to_thread(decoded, data, content_type)
        except TimeoutError:
            raise SoundFailed("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SoundFailed(word_of(error)) from None
        except SoundFailed:
            raise
        except Exception as error:  # of what somebody else wrote, in a format with many corners
            logger.warning("Sound file not read", extra={"error": type(error).__name__})
            raise SoundFailed("no_sound") from None
        return Sound(name_of(source), pcm)

    async def _fetched(self, source: str) -> tuple[bytes, str]:
        """The file and what its server says it is. Raises SoundFailed and httpx's errors."""
        if len(source) > MAX_URL:
            raise SoundFailed("refused_address")
        if self._client is None:
            headers = {"User-Agent": f"Outdial/{__version__}", "Accept": "audio/*", "Accept-Encoding": "identity"}
            self._client = httpx.AsyncClient(
                transport=self._transport(), headers=headers, cookies=nothing_kept(), follow_redirects=True,
                max_redirects=MAX_REDIRECTS, timeout=FETCH_S, trust_env=False,
            )  # fmt: skip
        async with self._client.stream("GET", source) as answer:
            if answer.status_code != httpx.codes.OK:
                raise SoundFailed(f"http_{answer.status_code}")
            content_type = answer.headers.get("content-type", "")
            if not may_hold_sound(content_type):
                raise SoundFailed("no_sound")
            data = bytearray()
            async for part in answer.aiter_raw():
                data += part
                if len(data) > MAX_BYTES:
                    raise SoundFailed("too_large")
            return bytes(data), content_type
