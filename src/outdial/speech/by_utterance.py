"""Engines that recognise utterances, as a call hears with them."""

from collections.abc import Callable

from outdial.speech.base import CallRecognition, Recognition, SpeechToText, StreamingSpeechToText, TurnTold


class ByUtterance:
    """A CallRecognition that leaves it to whoever listens where utterances begin and end."""

    def __init__(self, engine: SpeechToText) -> None:
        self.name = engine.name
        self.changed: Callable[[], object] = lambda: None
        self._engine = engine

    def audio(self, pcm: bytes, at_ms: int) -> None:
        pass  # an utterance is fed with its own

    def recognition(self, since_ms: int) -> Recognition:
        return self._engine.recognition()

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        return None

    async def aclose(self) -> None:
        pass


def call_recognition(engine: SpeechToText | StreamingSpeechToText) -> CallRecognition:
    """Of a call that begins."""
    return engine.call() if isinstance(engine, StreamingSpeechToText) else ByUtterance(engine)
