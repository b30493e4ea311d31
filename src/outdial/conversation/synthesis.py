"""One utterance of ours made audio: a text, a stream of texts sentence by sentence, or a sound file; and which words
were when."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from outdial.conversation.playback import Playback
from outdial.conversation.sentences import sentences
from outdial.conversation.sounds import Looped
from outdial.media.frames import silence
from outdial.speech.base import SpokenWord, StreamedTextToSpeech, TextToSpeech
from outdial.speech.reading.reader import Reading
from outdial.speech.spoken_words import spoken_until

SENTENCE_PAUSE_MS = 220  # between two of a stream, where a voice is given them one by one


class Synthesis:
    """`text` is what was given to the voice so far, as it is written. A sound file has a `label` instead."""

    def __init__(
        self,
        text: str | AsyncIterator[str] | Looped,
        playback: Playback,
        voice: TextToSpeech,
        reading: Reading,
        on_audio: Callable[[], object],
    ) -> None:
        self.text = text if isinstance(text, str) else ""
        self.label = text.written if isinstance(text, Looped) else ""
        self._given = text
        self._playback = playback
        self._voice = voice
        self._reading = reading
        self._on_audio = on_audio
        self._words: list[SpokenWord] = []

    async def run(self) -> None:
        """Feeds the playback, to its end. Raises what the voice or the stream raises."""
        given, voice = self._given, self._voice
        try:
            if isinstance(given, Looped):
                self._on_audio()
                await given.feed(self._playback)
            elif isinstance(given, str):
                await self._feed(voice.speak(self._reading.spoken(given)))
            elif isinstance(voice, StreamedTextToSpeech):
                async with aclosing(self._spoken(given)) as texts:
                    await self._feed(voice.speak_all(texts, self._words.extend))
            else:
                await self._one_by_one(given)
        finally:
            self._playback.finish()

    def reach(self, played_ms: int) -> int | None:
        """How many characters of the text, as it is read aloud, were heard then; None where the voice tells no times,
        or none yet of that moment."""
        if not self._words or self._words[-1].end_ms < played_ms:
            return None
        return spoken_until(self._reading.spoken(self.text), self._words, played_ms)

    @property
    def word_ends_ms(self) -> list[int]:
        """Since the audio began, as far as the voice tells them."""
        return [word.end_ms for word in self._words]

    async def _spoken(self, given: AsyncIterator[str]) -> AsyncGenerator[str]:
        async with aclosing(sentences(given)) as each:
            async for sentence in each:
                self.text = f"{self.text} {sentence}".strip()
                yield self._reading.spoken(sentence) + " "

    async def _one_by_one(self, given: AsyncIterator[str]) -> None:
        async with aclosing(sentences(given)) as each:
            async for sentence in each:
                if self.text:
                    self._playback.feed(silence(SENTENCE_PAUSE_MS))
                self.text = f"{self.text} {sentence}".strip()
                await self._feed(self._voice.speak(self._reading.spoken(sentence)))

    async def _feed(self, audio: AsyncIterator[bytes]) -> None:
        async for pcm in audio:
            self._on_audio()
            self._playback.feed(pcm)
