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
        self._voice: CallVoice | None = None
        self._recognition: SpeechToTextWithFallback | None = None
        self._characters = 0
        self._ended = False

    def voice(self, own: TextToSpeech | None, shared: TextToSpeech, language: str) -> TextToSpeech:
        """What the call speaks with: the agent's voice, or the process's."""
        prompts = shared if isinstance(shared, PromptCache) else None
        fallback = self._own_voice(shared, prompts, language)
        if not isinstance(own, VendorVoice):
            return own or fallback or shared
        self._voice = CallVoice(own, fallback, self._replaced, prompts, self._spoke, self._silent_s)
        return self._voice

    def _own_voice(self, shared: TextToSpeech, prompts: PromptCache | None, language: str) -> TextToSpeech | None:
        if language.partition("-")[0].lower() == OFFLINE_LANGUAGE:
            return shared
        voice = self._offline(language)
        return voice if voice is None or prompts is None else PromptsBy(prompts, voice)

    def recognition(self, own: Recogniser | None, shared: Recogniser, language: str) -> Recogniser:
        """What the call hears with: the agent's recogniser, or the process's."""
        if not isinstance(own, VendorRecogniser):
            return own or shared
        understands = language.partition("-")[0].lower() == OFFLINE_LANGUAGE
        fallback = shared if understands and not isinstance(shared, StreamingSpeechToText) else None

        def tell(failure: VendorFailed, by_own: bool) -> None:
            fault, word = failure.fault, failure.word
            self._replaced(Replaced(part=Part.RECOGNITION, vendor=own.vendor, fault=fault, word=word, by_own=by_own))

        self._recognition = SpeechToTextWithFallback(own, fallback, tell)
        return self._recognition

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        heard = None if self._recognition is None else self._recognition.used()
        if self._recognition is not None and heard is not None and heard.open_ms:
            told = {"part": "recognition", "vendor": self._recognition.vendor}
            figures = {"audio_ms": heard.audio_ms, "open_ms": heard.open_ms}
            self._event("speech_used", told | figures | {"took_ms": self._recognition.delays_ms[:MOST_TIMES]})
        if self._voice is not None:
            self._voice.leave()
            if self._characters:
                spoken: dict[str, Any] = {"part": "voice", "vendor": self._voice.vendor, "characters": self._characters}
                self._event("speech_used", spoken | {"took_ms": self._voice.first_audio_ms[:MOST_TIMES]})

    def _silent_s(self) -> float | None:
        return None if self._recognition is None else self._recognition.silent_s

    def _spoke(self, text: str) -> None:
        self._characters += len(text)

    def _replaced(self, replaced: Replaced) -> None:
        labels = {"part": replaced.part, "vendor": replaced.vendor, "fault": replaced.fault}
        logger.warning("Speech vendor replaced", extra=labels)
        metrics.SPEECH_REPLACED.labels(**labels).inc()
        told = {"part": replaced.part, "vendor": replaced.vendor, "reason": replaced.fault, "code": replaced.word}
        self._event("speech_replaced", {key: str(value) for key, value in told.items()} | {"by": _by(replaced)})


def _by(replaced: Replaced) -> str | None:
    return "offline" if replaced.by_own else None
