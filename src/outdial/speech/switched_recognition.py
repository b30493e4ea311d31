"""The recognition of a call that may go on with another engine, for another language say."""

import asyncio
from collections.abc import Callable

from outdial.background import Background
from outdial.speech.base import CallRecognition, Recognition, TurnTold

LAST_WORDS_S = 6.0  # for the words of what an engine heard before another one took over


class SwitchedRecognition:
    """See base.CallRecognition. An utterance is heard to its end by the engine that has heard its beginning."""

    def __init__(self, first: CallRecognition) -> None:
        self.name = first.name
        self._next = first     # hears what is said from now on, …
        self._hearing = first  # … and this one the utterance that is being said
        self._changed: Callable[[], object] = lambda: None
        self._before: list[CallRecognition] = []  # that heard the utterances before, and aren't closed yet
        self._leaving = Background()

    @property
    def changed(self) -> Callable[[], object]:
        return self._changed

    @changed.setter
    def changed(self, told: Callable[[], object]) -> None:
        self._changed = self._next.changed = self._hearing.changed = told

    def switch(self, to: CallRecognition) -> None:
        """With the next utterance."""
        if self._next is not self._hearing:
            self._let_go(self._next)
        self._next = to
        self.name, to.changed = to.name, self._changed

    def audio(self, pcm: bytes, at_ms: int) -> None:
        self._next.audio(pcm, at_ms)
        if self._hearing is not self._next:
            self._hearing.audio(pcm, at_ms)

    def recognition(self, since_ms: int) -> Recognition:
        if self._hearing is not self._next:
            self._let_go(self._hearing)
            self._hearing = self._next
        return self._hearing.recognition(since_ms)

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        return self._hearing.told(quiet_since_ms)

    async def aclose(self) -> None:
        await self._leaving.cancel()
        if self._hearing is not self._next:
            self._before.append(self._hearing)
        for engine in (self._next, *self._before):
            await engine.aclose()

    def _let_go(self, engine: CallRecognition) -> None:
        engine.changed = lambda: None
        self._before.append(engine)
        self._leaving.start(self._close(engine), name="recogniser before another one")

    async def _close(self, engine: CallRecognition) -> None:
        await asyncio.sleep(LAST_WORDS_S)
        await engine.aclose()
        self._before.remove(engine)
