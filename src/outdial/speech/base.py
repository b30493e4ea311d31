"""Speech engines behind two small protocols: text out of audio, audio out of text.

Audio is PCM16 little-endian, 8000 Hz, mono everywhere (see media.frames).
"""

from collections.abc import AsyncIterator
from typing import Protocol


class SpeechUnavailable(RuntimeError):
    """The engine isn't installed or has no model on this platform; the message says what to do."""


class Recognition(Protocol):
    """One utterance being recognised. Not for use by two tasks at once."""

    waited_ms: int  # what `text` waited for its turn, the last time: other calls' words came first

    def feed(self, pcm: bytes) -> None:
        """More of the utterance, any length. Never blocks."""
        ...

    async def text(self) -> str:
        """What was said in everything fed so far ("" when nothing was understood).

        May be called again after more audio was fed: a caller that guesses that an utterance has ended
        can be wrong.
        """
        ...

    async def partial(self) -> str | None:
        """What was said so far, while more is to come: a guess. None when there is no time for one now; it never keeps
        a `text` waiting, of this call or another one."""
        ...


class SpeechToText(Protocol):
    name: str

    def recognition(self) -> Recognition: ...


class TextToSpeech(Protocol):
    name: str  # engine, version and voice: part of the key of cached prompts

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """Audio pieces of any length as they are ready, the first one as early as possible."""
        ...
