"""What a process speaks and listens with where a speech wheel isn't installed: it serves all the same.

Agents then ask for digits (nothing that is said is understood), and say what is in the cache of prompts: a folder
that was filled on another machine, or before. Anything else ends its call as `speech_failed`.
"""

from collections.abc import AsyncIterator

from outdial.speech.base import SpeechUnavailable


class NoSpeechToText:
    """Understands nothing."""

    def __init__(self) -> None:
        self.name = "none"

    def recognition(self) -> "NoRecognition":
        return NoRecognition()


class NoRecognition:
    waited_ms = 0

    def feed(self, pcm: bytes) -> None:
        pass

    async def text(self) -> str:
        return ""

    async def partial(self) -> str | None:
        return None


class NoTextToSpeech:
    """Says nothing. `name` is that of the engine that is missing: what that one said is found in the cache."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self._problem = problem

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """Raises SpeechUnavailable, which says what to install."""
        raise SpeechUnavailable(self._problem)
        yield b""
