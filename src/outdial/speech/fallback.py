"""The speech of one call whose agent has a vendor's: when the vendor fails, asked once more, then replaced.

What was heard is not said again, and what wasn't is: by the vendor on another connection, or else by the process's own
engine, where that speaks the agent's language. Once replaced, a vendor stays so for the call: a voice that changes from
turn to turn is worse than another one, and each further try is silence. The waits add up to less than 4 s.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from outdial.media.frames import BYTES_PER_MS
from outdial.speech.base import OnWords, SpeechUnavailable, SpokenWord, TextToSpeech
from outdial.speech.kept_texts import KeptTexts
from outdial.speech.prompts import PromptCache
from outdial.speech.spoken_words import MS_PER_CHAR, unsaid
from outdial.speech.wire.failures import Fault, VendorFailed

AGAIN_S = 1.0        # for the first audio the second time
MOST_MS, MOST_MS_PER_CHAR = 20_000, 400  # of audio: a vendor that goes on and on is broken off
PACE = (40.0, 130.0)  # ms a character: a voice outside them was not measured right


class Part(StrEnum):
    VOICE = "voice"
    RECOGNITION = "recognition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A vendor that is asked no more in a call. `by_own`: by the process's engine; else nobody does its work."""

    part: Part
    vendor: str
    fault: Fault
    word: str
    by_own: bool


Tell = Callable[[Replaced], object]


@runtime_checkable
class VendorVoice(Protocol):
    """A voice of a vendor's, shared by calls. Raises VendorFailed."""

    name: str
    vendor: str

    def speak(self, text: str) -> AsyncGenerator[bytes]: ...

    def speak_all(
        self, texts: AsyncIterator[str], on_words: OnWords, *, first_s: float = ...
    ) -> AsyncGenerator[bytes]:
        """As StreamedTextToSpeech; the first audio comes within `first_s`, or it fails."""
        ...

    def enter(self) -> None:
        """A call begins that may speak with it."""
        ...

    def leave(self) -> None: ...

    async def aclose(self) -> None:
        """Nothing is left of it."""
        ...


class CallVoice:
    """What one call speaks with: a StreamedTextToSpeech. Prompts go through the cache, where there is one."""

    def __init__(
        self,
        voice: VendorVoice,
        own: TextToSpeech | None,
        tell: Tell,
        prompts: PromptCache | None = None,
        count: Callable[[str], object] = lambda text: None,
    ) -> None:
        """`own`: the process's, where it speaks the language. `count` is told each text that the vendor is given."""
        self.name = voice.name
        self.vendor = voice.vendor
        self.is_replaced = False
        self._voice = voice
        self._own = own
        self._tell = tell
        self._told = False
        self._prompts = prompts
        self._count = count
        self._refusal: VendorFailed | None = None
        self._ms_per_char = float(MS_PER_CHAR)
        voice.enter()

    def leave(self) -> None:
        """The call is over."""
        self._voice.leave()

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """As TextToSpeech. Raises SpeechUnavailable where nobody can say it."""
        async with aclosing(self._say(KeptTexts(text), lambda words: None, text)) as audio:
            async for pcm in audio:
                yield pcm

    async def speak_all(self, texts: AsyncIterator[str], on_words: OnWords) -> AsyncGenerator[bytes]:
        async with aclosing(self._say(KeptTexts(texts), on_words, None)) as audio:
            async for pcm in audio:
                yield pcm

    async def _say(self, kept: KeptTexts, on_words: OnWords, prompt: str | None) -> AsyncGenerator[bytes]:
        given_ms = 0
        try:
            for again in (False, True):
                if self.is_replaced or self._refusal is not None:
                    break
                attempt = _Attempt(kept, on_words, given_ms, self._count)
                source = self._source(attempt, None if again else prompt, again=again)
                try:
                    async with aclosing(source) as audio:
                        async for pcm in audio:
                            attempt.give(pcm)
                            yield pcm
                    self._learn(attempt)
                    return
                except VendorFailed as failure:
                    given_ms += attempt.given_ms
                    rest = attempt.rest(failure, self._ms_per_char)
                    kept.put_back(rest)
                    if failure.fault is Fault.SLOW and not _has_word(rest) and kept.is_all_taken:
                        return  # all was said; only the vendor's word for it is missing
                    if again or not failure.fault.may_pass:
                        self._replace(failure)
                        break
            async with aclosing(self._say_ourselves(kept)) as audio:
                async for pcm in audio:
                    yield pcm
        finally:
            await kept.aclose()

    def _source(self, attempt: "_Attempt", prompt: str | None, *, again: bool) -> AsyncGenerator[bytes]:
        if prompt is not None and self._prompts is not None:
            attempt.took(prompt)
            return self._prompts.speak(prompt, by=_Counting(self._voice, self._count))
        if again:
            return self._voice.speak_all(attempt.texts(), attempt.words_told, first_s=AGAIN_S)
        return self._voice.speak_all(attempt.texts(), attempt.words_told)

    async def _say_ourselves(self, kept: KeptTexts) -> AsyncGenerator[bytes]:
        if self._own is None:
            raise SpeechUnavailable("the vendor's voice failed, and no other speaks the language")
        async with aclosing(kept.texts()) as texts:
            async for text in texts:
                async for pcm in self._own.speak(text.strip()):
                    yield pcm

    def _replace(self, failure: VendorFailed) -> None:
        if not failure.fault.may_pass:
            self._refusal = failure
        self.is_replaced = self._own is not None
        if not self._told:
            self._told = True
            by_own = self._own is not None
            vendor, fault, word = self._voice.vendor, failure.fault, failure.word
            self._tell(Replaced(part=Part.VOICE, vendor=vendor, fault=fault, word=word, by_own=by_own))

    def _learn(self, attempt: "_Attempt") -> None:
        """How fast it speaks, from what it has said whole."""
        said = len(attempt.taken.strip())
        if said >= 20:
            pace = attempt.given_ms / said
            self._ms_per_char = min(max(pace, PACE[0]), PACE[1])


class _Attempt:
    """One try of a vendor's at what is to be said: what it was given, and what came of it."""

    def __init__(
        self, kept: KeptTexts, on_words: OnWords, since_ms: int, count: Callable[[str], object]
    ) -> None:
        self.given_ms = 0
        self._kept = kept
        self._on_words = on_words
        self._since_ms = since_ms
        self._count = count
        self._words: list[SpokenWord] = []

    @property
    def taken(self) -> str:
        return self._kept.taken

    def give(self, pcm: bytes) -> None:
        """Raises VendorFailed for more audio than the text can have."""
        self.given_ms += len(pcm) // BYTES_PER_MS
        _keep_bound(self.given_ms, self.taken)

    def took(self, prompt: str) -> None:
        """All of it, in another way."""
        self._kept.take_all(prompt)

    async def texts(self) -> AsyncGenerator[str]:
        async with aclosing(self._kept.texts()) as texts:
            async for text in texts:
                self._count(text)
                yield text

    def words_told(self, words: Sequence[SpokenWord]) -> None:
        self._words.extend(words)
        since = self._since_ms
        self._on_words(
            [SpokenWord(text=w.text, start_ms=w.start_ms + since, end_ms=w.end_ms + since) for w in words]
        )

    def rest(self, failure: VendorFailed, ms_per_char: float) -> str:
        """Of what it was given, what was not heard."""
        may_be_whole = failure.fault is Fault.SLOW
        return unsaid(
            self.taken, self._words, self.given_ms, ms_per_char=ms_per_char, may_be_whole=may_be_whole
        )


class _Counting:
    """A vendor's voice that makes a prompt for this call."""

    def __init__(self, voice: VendorVoice, count: Callable[[str], object]) -> None:
        self.name = voice.name
        self._voice = voice
        self._count = count

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        self._count(text)
        given_ms = 0
        async with aclosing(self._voice.speak(text)) as audio:
            async for pcm in audio:
                given_ms += len(pcm) // BYTES_PER_MS
                _keep_bound(given_ms, text)  # a prompt is made to its end, whoever still listens
                yield pcm


def _keep_bound(given_ms: int, text: str) -> None:
    """Raises VendorFailed for more audio than the text can have."""
    if given_ms > MOST_MS + MOST_MS_PER_CHAR * len(text):
        raise VendorFailed(Fault.UNREADABLE)


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
