"""What vendors of speech do in one call: its voice, what they are given, and when one is replaced."""

import logging
from collections.abc import Callable
from typing import Any

from outdial import metrics
from outdial.speech.base import SpeechToText, StreamingSpeechToText, TextToSpeech
from outdial.speech.engines import OFFLINE_LANGUAGE
from outdial.speech.fallback import CallVoice, Part, Replaced, VendorVoice
from outdial.speech.pico.voice import offline_voice
from outdial.speech.prompts import PromptCache, PromptsBy
from outdial.speech.recognition_fallback import SpeechToTextWithFallback, VendorRecogniser
from outdial.speech.wire.failures import VendorFailed

logger = logging.getLogger(__name__)

Recogniser = SpeechToText | StreamingSpeechToText
Event = Callable[[str, dict[str, Any]], object]

MOST_TIMES = 200  # of a call are told


class SpeechUse:
    """`event` is the call's journal's. `end` it with the conversation; again is harmless."""

    def __init__(self, event: Event, offline: Callable[[str], TextToSpeech | None] = offline_voice) -> None:
        """`offline`: a voice of the server's for another language than its engines', where it has one."""
        self._event = event
        self._offline = offline
        self._voices: list[_Spoken] = []
        self._recognisers: list[SpeechToTextWithFallback] = []
        self._ended = False

    def voice(self, own: TextToSpeech | None, shared: TextToSpeech, language: str) -> TextToSpeech:
        """What the call speaks with: the agent's voice, or the process's."""
        return self.voice_of(own, shared, language) or shared

    def voice_of(self, own: TextToSpeech | None, shared: TextToSpeech, language: str) -> TextToSpeech | None:
        """None where nobody speaks that language."""
        prompts = shared if isinstance(shared, PromptCache) else None
        fallback = self._own_voice(shared, prompts, language)
        if not isinstance(own, VendorVoice):
            return own or fallback
        spoken = _Spoken()
        spoken.voice = CallVoice(own, fallback, self._replaced, prompts, spoken.count, self._silent_s)
        self._voices.append(spoken)
        return spoken.voice

    def _own_voice(self, shared: TextToSpeech, prompts: PromptCache | None, language: str) -> TextToSpeech | None:
        if language.partition("-")[0].lower() == OFFLINE_LANGUAGE:
            return shared
        voice = self._offline(language)
        return voice if voice is None or prompts is None else PromptsBy(prompts, voice)

    def recognition(self, own: Recogniser | None, shared: Recogniser, language: str) -> Recogniser:
        """What the call hears with: the agent's recogniser, or the process's."""
        return self.recogniser_of(own, shared, language) or shared

    def recogniser_of(self, own: Recogniser | None, shared: Recogniser, language: str) -> Recogniser | None:
        """None where nobody understands that language."""
        understands = language.partition("-")[0].lower() == OFFLINE_LANGUAGE
        if not isinstance(own, VendorRecogniser):
            return own or (shared if understands else None)
        fallback = shared if understands and not isinstance(shared, StreamingSpeechToText) else None

        def tell(failure: VendorFailed, by_own: bool) -> None:
            fault, word = failure.fault, failure.word
            self._replaced(Replaced(part=Part.RECOGNITION, vendor=own.vendor, fault=fault, word=word, by_own=by_own))

        self._recognisers.append(SpeechToTextWithFallback(own, fallback, tell))
        return self._recognisers[-1]

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        for recogniser in self._recognisers:
            heard = recogniser.used()
            if heard is not None and heard.open_ms:
                told = {"part": "recognition", "vendor": recogniser.vendor}
                figures = {"audio_ms": heard.audio_ms, "open_ms": heard.open_ms}
                self._event("speech_used", told | figures | {"took_ms": recogniser.delays_ms[:MOST_TIMES]})
        for spoken in self._voices:
            spoken.voice.leave()
            if spoken.characters:
                use: dict[str, Any] = {"part": "voice", "vendor": spoken.voice.vendor, "characters": spoken.characters}
                self._event("speech_used", use | {"took_ms": spoken.voice.first_audio_ms[:MOST_TIMES]})

    def _silent_s(self) -> float | None:
        return self._recognisers[-1].silent_s if self._recognisers else None

    def _replaced(self, replaced: Replaced) -> None:
        labels = {"part": replaced.part, "vendor": replaced.vendor, "fault": replaced.fault}
        logger.warning("Speech vendor replaced", extra=labels)
        metrics.SPEECH_REPLACED.labels(**labels).inc()
        told = {"part": replaced.part, "vendor": replaced.vendor, "reason": replaced.fault, "code": replaced.word}
        self._event("speech_replaced", {key: str(value) for key, value in told.items()} | {"by": _by(replaced)})


class _Spoken:
    """A vendor's voice, and what it was given."""

    voice: CallVoice

    def __init__(self) -> None:
        self.characters = 0

    def count(self, text: str) -> None:
        self.characters += len(text)


def _by(replaced: Replaced) -> str | None:
    return "offline" if replaced.by_own else None
