"""Speech engines behind two small protocols: text out of audio, audio out of text.

Audio is PCM16 little-endian, 8000 Hz, mono everywhere (see media.frames).
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


def base_of(language: str) -> str:
    """A BCP 47 tag without its country: "en" of "en-US"."""
    return language.partition("-")[0].lower()


class SpeechUnavailable(RuntimeError):
    """The engine isn't installed or has no model on this platform; the message says what to do."""


class NotRecognised(RuntimeError):
    """What was said in an utterance won't be known; of the next one it may be."""


class Recognition(Protocol):
    """One utterance being recognised. Not for use by two tasks at once."""

    waited_ms: int  # what `text` waited for its turn, the last time: other calls' words came first

    def feed(self, pcm: bytes) -> None:
        """More of the utterance, any length. Never blocks."""
        ...

    async def text(self) -> str:
        """What was said in everything fed so far ("" when nothing was understood). Raises NotRecognised.

        May be called again after more audio was fed: a caller that guesses that an utterance has ended
        can be wrong.
        """
        ...

    async def partial(self) -> str | None:
        """What was said so far, while more is to come: a guess. None when there is no time for one now; it never keeps
        a `text` waiting, of this call or another one."""
        ...


class SpeechToText(Protocol):
    """Recognises utterances, one by one: whoever listens finds where they begin and end."""

    name: str

    def recognition(self) -> Recognition: ...


class TurnTold(StrEnum):
    """What a recogniser that follows turns says of the callee's."""

    OPEN = "open"      # more is to come
    LIKELY = "likely"  # it may have ended
    ENDED = "ended"


class CallRecognition(Protocol):
    """All recognition of one call, from before it is answered to its end: how a conversation hears, whatever the
    engine (by_utterance.py, stream/recognition.py)."""

    name: str
    changed: Callable[[], object]  # called when there are new words, or something new is told of the turn

    def audio(self, pcm: bytes, at_ms: int) -> None:
        """A frame of the callee's, spoken until `at_ms` on the call's clock: all there are, in order, whether anybody
        listens or not. Never blocks."""
        ...

    def recognition(self, since_ms: int) -> Recognition:
        """Of an utterance that began then; the one before has ended."""
        ...

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        """Of the turn of a callee who has been silent since; None of an engine that doesn't follow turns."""
        ...

    async def aclose(self) -> None:
        """The call is over. What is still asked for fails."""
        ...


@runtime_checkable
class StreamingSpeechToText(Protocol):
    """Recognises calls: it hears all of the callee's audio, and finds words in it as they come."""

    name: str

    def call(self) -> CallRecognition:
        """Of a call that begins, or is about to: connecting begins at once. On the event loop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Closest:
    """Of the answers to a question (`answer` is its place) the one that the sound is closest to, or that another
    recogniser's words plainly sound like.

    Log-likelihoods in the recogniser's units: `fit`, of each 10 ms, relative to what any sounds would have (0 is the
    best); `lead` over the next answer (infinite without another one). `alike`: how much that answer sounds like the
    words of another recogniser, 0 to 1, and `other_alike` the best of the other answers.
    """

    answer: int
    fit: float
    lead: float
    alike: float
    other_alike: float


class ClosedRecognition(Protocol):
    """One utterance, of which only a few phrases are expected. Not for use by two tasks at once."""

    def feed(self, pcm: bytes) -> None:
        """More of the utterance, any length. Never blocks."""
        ...

    async def closest(self, answers: Sequence[Sequence[str]], heard: str) -> Closest | None:
        """Of each answer the phrases that give it; `heard` are the words of another recogniser. None when nobody spoke,
        or for too long. Being cancelled ends the work soon."""
        ...


class ClosedSpeechToText(Protocol):
    name: str
    language: str  # of the phrases, such as "en"

    def recognition(self) -> ClosedRecognition: ...


class TextToSpeech(Protocol):
    name: str  # engine, version and voice: part of the key of cached prompts

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """Audio pieces of any length as they are ready, the first one as early as possible."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWord:
    """A word as its engine tells it; ms since the audio of its utterance began."""

    text: str
    start_ms: int
    end_ms: int


OnWords = Callable[[Sequence[SpokenWord]], object]
OnText = Callable[[str], object]


@runtime_checkable
class StreamedTextToSpeech(TextToSpeech, Protocol):
    """One that begins to speak before its text is whole."""

    def speak_all(self, texts: AsyncIterator[str], on_words: OnWords) -> AsyncIterator[bytes]:
        """One utterance, of sentences or parts of them as they come, each with the space behind it; audio as `speak`'s.
        `on_words` is told what is known of the words' times, in order, before or after their audio; some engines know
        nothing. Whoever closes the iterator in the middle has it cancelled."""
        ...
