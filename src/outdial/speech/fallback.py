"""The speech of one call whose agent has a vendor's: when the vendor fails, asked once more, then replaced.

What was heard is not said again, and what wasn't is: by the vendor on another connection, or else by the process's own
engine, where that speaks the agent's language. Once replaced, a vendor stays so for the call: a voice that changes from
turn to turn is worse than another one, and each further try is silence. Before it the callee's words were recognised,
and a model thought: so that all of it is less than 4 s of silence, both tries share what is left of it.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from outdial.media.frames import BYTES_PER_MS
from outdial.speech.base import OnText, OnWords, SpeechUnavailable, SpokenWord, TextToSpeech
from outdial.speech.kept_texts import KeptTexts
from outdial.speech.prompts import PromptCache
from outdial.speech.spoken_words import MS_PER_CHAR, unsaid
from outdial.speech.voice.channel import one_text
from outdial.speech.wire.failures import Fault, VendorFailed

SILENT_S = 3.4       # at most for the callee, then the process's engine is asked; …
WITHIN_S = (1.1, 1.8)  # … after so much of it at least, for a vendor that is slow, and at most
LEAST_S = 0.3        # a second try with less than that is none
AGAIN_S = 1.0        # for the first audio the second time, where there is no other engine to ask
OWN_S = 8.0          # for more of the process's engine, which has its own limits: nobody waits for ever
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
    first_s: float  # for its first audio, then it is asked on another connection; mostly it is there in a tenth of it

    def speak(self, text: str) -> AsyncGenerator[bytes]: ...

    def speak_all(
        self, texts: AsyncIterator[str], on_words: OnWords, *, first_s: float = ..., sent: OnText = ...
    ) -> AsyncGenerator[bytes]:
        """As StreamedTextToSpeech; the first audio comes within `first_s`, or it fails. `sent` is told each text that
        has left for the vendor."""
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
        count: OnText = lambda text: None,
        silent_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        """`own`: the process's, where it speaks the language. `count` is told each text that the vendor is sent;
        `silent_s`: how long ago the callee has spoken last, None where nobody knows."""
        self.name = voice.name
        self.vendor = voice.vendor
        self.is_replaced = False
        self.first_audio_ms: list[int] = []  # of each utterance of the vendor's, since its first text
        self._voice = voice
        self._own = own
        self._tell = tell
        self._told = False
        self._prompts = prompts
        self._count = count
        self._silent_s = silent_s
        self._heard_until = -math.inf  # what was said so far, on the loop's clock
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
            await kept.first()
            within_s = self._within_s()
            first_s = min(self._voice.first_s, within_s)
            for again in (False, True):
                if self.is_replaced or self._refusal is not None:
                    break
                attempt = _Attempt(kept, on_words, given_ms)
                source = self._source(attempt, None if again else prompt, first_s)
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
                    first_s = AGAIN_S if self._own is None else within_s - attempt.silent_s
                    if again or not failure.fault.may_pass or first_s < LEAST_S:
                        self._replace(failure)
                        break
                finally:
                    self._note(attempt)
            async with aclosing(self._say_ourselves(kept)) as audio:
                async for pcm in audio:
                    yield pcm
        finally:
            await kept.aclose()

    def _within_s(self) -> float:
        """For the vendor's first audio, tried once or twice. Less where the callee has waited already."""
        least_s, most_s = WITHIN_S
        silent_s = self._silent_s()
        if silent_s is None:
            return most_s
        silent_s = min(silent_s, asyncio.get_running_loop().time() - self._heard_until)
        return min(most_s, max(least_s, SILENT_S - silent_s))

    def _note(self, attempt: "_Attempt") -> None:
        if attempt.first_audio_ms is not None:
            self.first_audio_ms.append(attempt.first_audio_ms)
        if attempt.played_at is not None:
            self._heard_until = attempt.played_at

    def _source(self, attempt: "_Attempt", prompt: str | None, first_s: float) -> AsyncGenerator[bytes]:
        if prompt is not None and self._prompts is not None:
            attempt.took(prompt)
            return self._prompts.speak(prompt, by=_Making(self._voice, attempt.is_asked, first_s, self._count))
        return self._voice.speak_all(attempt.texts(), attempt.words_told, first_s=first_s, sent=self._count)

    async def _say_ourselves(self, kept: KeptTexts) -> AsyncGenerator[bytes]:
        if self._own is None:
            raise SpeechUnavailable("the vendor's voice failed, and no other speaks the language")
        async with aclosing(kept.texts()) as texts:
            async for text in texts:
                audio = self._own.speak(text.strip())
                while (pcm := await _more(audio)) is not None:
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

    def __init__(self, kept: KeptTexts, on_words: OnWords, since_ms: int) -> None:
        self.given_ms = 0
        self._kept = kept
        self._on_words = on_words
        self._since_ms = since_ms
        self._words: list[SpokenWord] = []
        self._now = asyncio.get_running_loop().time
        self._asked_at: float | None = None   # for its first text
        self._waits_since = self._now()       # for a text that was taken
        self.played_at: float | None = None  # when the callee will have heard what is there
        self.first_audio_ms: int | None = None

    @property
    def taken(self) -> str:
        return self._kept.taken

    @property
    def silent_s(self) -> float:
        """How long the callee has heard nothing by now, of what should have come."""
        return max(0.0, self._now() - max(self._waits_since, self.played_at or 0.0))

    def give(self, pcm: bytes) -> None:
        """Raises VendorFailed for more audio than the text can have."""
        now = self._now()
        if self.played_at is None and self._asked_at is not None:
            self.first_audio_ms = round((now - self._asked_at) * 1000)
        self.played_at = max(now, self.played_at or 0.0) + len(pcm) / BYTES_PER_MS / 1000
        self.given_ms += len(pcm) // BYTES_PER_MS
        _keep_bound(self.given_ms, self.taken)

    def is_asked(self) -> None:
        """The vendor is given a text."""
        now = self._now()
        if self._asked_at is None:
            self._asked_at = self._waits_since = now
        elif self.played_at is not None and self._waits_since < self.played_at < now:
            self._waits_since = now

    def took(self, prompt: str) -> None:
        """All of it, in another way."""
        self._kept.take_all(prompt)

    async def texts(self) -> AsyncGenerator[str]:
        async with aclosing(self._kept.texts()) as texts:
            async for text in texts:
                self.is_asked()
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


class _Making:
    """A vendor's voice that makes a prompt for this call."""

    def __init__(self, voice: VendorVoice, asked: Callable[[], object], first_s: float, sent: OnText) -> None:
        self.name = voice.name
        self._voice = voice
        self._asked = asked
        self._first_s = first_s
        self._sent = sent

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        self._asked()
        given_ms = 0
        source = self._voice.speak_all(one_text(text), lambda words: None, first_s=self._first_s, sent=self._sent)
        async with aclosing(source) as audio:
            async for pcm in audio:
                given_ms += len(pcm) // BYTES_PER_MS
                _keep_bound(given_ms, text)  # a prompt is made to its end, whoever still listens
                yield pcm


async def _more(audio: AsyncIterator[bytes]) -> bytes | None:
    """None at the end. Raises SpeechUnavailable where nothing comes, and what the engine raises."""
    try:
        async with asyncio.timeout(OWN_S):
            return await anext(audio, None)
    except TimeoutError as error:
        raise SpeechUnavailable("the server's own voice doesn't answer") from error


def _keep_bound(given_ms: int, text: str) -> None:
    """Raises VendorFailed for more audio than the text can have."""
    if given_ms > MOST_MS + MOST_MS_PER_CHAR * len(text):
        raise VendorFailed(Fault.UNREADABLE)


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
