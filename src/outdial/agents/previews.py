"""A prompt to listen to before anybody is called, as it sounds on a phone."""

import asyncio
import io
import logging
import time
import wave
from collections.abc import Callable
from weakref import WeakValueDictionary

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.refusals import LimitReached, Unavailable
from outdial.speech.base import SpeechUnavailable, TextToSpeech
from outdial.speech.wire.failures import VendorFailed
from outdial.token_buckets import TokenBuckets

logger = logging.getLogger(__name__)

PER_MINUTE = 30  # of a workspace, and as many at once after a pause
TIMEOUT_S = 30.0


class Previews:
    """Speaks with the engine of the calls, one prompt at a time: a callee who waits for a sentence comes first, and
    that engine has few threads. By other voices it is one at a time in each workspace: a vendor that is slow in one
    keeps nobody else waiting."""

    def __init__(
        self, tts: TextToSpeech, *, per_minute: int = PER_MINUTE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tts = tts
        self._one_at_a_time = asyncio.Lock()
        self._by_workspace: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # while somebody speaks
        self._buckets = TokenBuckets(per_s=per_minute / 60, at_once=per_minute, clock=clock)  # by workspace

    async def wav(self, workspace_id: str, text: str, *, by: TextToSpeech | None = None) -> bytes:
        """PCM16, 8000 Hz, mono, after the way to the phone and back: mu-law is what is heard. `by`: another voice than
        that of the calls, such as a vendor's, which costs what it costs.

        Raises LimitReached, and Unavailable when the engine fails or takes too long.
        """
        self._count(workspace_id)
        turn = self._one_at_a_time if by is None else self._by_workspace.setdefault(workspace_id, asyncio.Lock())
        try:
            async with asyncio.timeout(TIMEOUT_S), turn:
                pcm = b"".join([piece async for piece in (by or self._tts).speak(text)])
        except VendorFailed as failure:
            why = failure.fault.value.replace("_", " ")
            message = f"The vendor's voice can't speak now: {why}. Settings, Speech, has a check of its key."
            raise Unavailable("voice_unavailable", message, 5) from failure
        except SpeechUnavailable as error:
            raise Unavailable("voice_unavailable", f"This can't be said here: {error}", 3600) from error
        except Exception as error:
            logger.warning("Prompt preview failed", extra={"error": type(error).__name__})
            raise Unavailable("voice_unavailable", "The voice can't speak now; try again.", 5) from error
        return _wav(ulaw_to_pcm(pcm_to_ulaw(pcm)))

    def _count(self, workspace_id: str) -> None:
        if wait_s := self._buckets.take(workspace_id):
            raise LimitReached(
                "too_many_previews", f"That was a lot of prompts at once. Try again in {wait_s} s.", wait_s
            )


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE_HZ)
        out.writeframes(pcm)
    return file.getvalue()
