"""The audio of everything callees and `<Say>` say: synthesised once, kept."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from outdial.media.frames import silence
from outdial.speech.base import SpeechUnavailable, TextToSpeech

logger = logging.getLogger(__name__)

KEPT_IN_MEMORY = 256
SPOKEN_MS_PER_CHARACTER = 65


class Voice:
    """One engine's voice. Without an engine on this platform it is silent while it would speak."""

    def __init__(self, engine: TextToSpeech | None) -> None:
        self._engine = engine
        self._audio: dict[str, bytes] = {}
        self._lock = asyncio.Lock()  # engines work in threads; a hundred equal requests are one

    async def audio(self, text: str) -> bytes:
        """`text` spoken: PCM16, 8000 Hz."""
        async with self._lock:
            pcm = self._audio.get(text)
            if pcm is None:
                pcm = self._audio[text] = await self._synthesise(text)
                while len(self._audio) > KEPT_IN_MEMORY:
                    del self._audio[next(iter(self._audio))]
        return pcm

    async def audio_of(self, texts: Iterable[str]) -> dict[str, bytes]:
        return {text: await self.audio(text) for text in texts}

    async def _synthesise(self, text: str) -> bytes:
        if self._engine is not None:
            try:
                return b"".join([piece async for piece in self._engine.speak(text)])
            except SpeechUnavailable:
                logger.warning("Speech synthesis unavailable; simulated callees stay silent")
                self._engine = None
        return silence(SPOKEN_MS_PER_CHARACTER * len(text))


def offline_voice(name: str, directory: Path) -> Voice:
    """The built-in engine's voice `name` ("agent" or "callee"), its audio cached in `directory`."""
    from outdial.speech.offline import OfflineTextToSpeech
    from outdial.speech.prompts import PromptCache

    try:
        return Voice(PromptCache(directory, OfflineTextToSpeech(voice=name)))
    except SpeechUnavailable:
        logger.warning("Speech synthesis unavailable; simulated callees stay silent")
        return Voice(None)
