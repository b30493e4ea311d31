"""Telnyx's answering machine detection, by how the answering side begins. Pure: one 20 ms frame's `Sound` at a time.

Telnyx counts words; here 400 ms of speech are a word. Sources: the API reference's
`answering_machine_detection` and `answering_machine_detection_config`.
"""

from dataclasses import dataclass
from typing import Protocol

from outdial.media.frames import FRAME_MS
from outdial.simulator.callee_steps import Sound

MODES = ("premium", "detect", "detect_beep", "detect_words", "greeting_end", "disabled")

WORD_MS = 400
FAX_TONE_MS = 1000
BEEP_MS = 200
DETECT_WORDS_MS = 30_000  # greeting.ended comes at the beep, or after this
LISTEN_FOR_BEEP_MS = 60_000
PREMIUM_TOTAL_MS = 30_000
PREMIUM_SILENCE_MS = 5000  # nothing at all; Telnyx doesn't say how long
PREMIUM_GREETING_MS = 30_000  # from the answer to no_beep_detected


@dataclass(frozen=True, slots=True)
class Finding:
    event_type: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """In milliseconds unless said; the names are Telnyx's without `_millis`."""

    total_analysis_time: int = 3500
    after_greeting_silence: int = 800
    between_words_silence: int = 50
    greeting_duration: int = 3500
    initial_silence: int = 3500
    maximum_number_of_words: int = 5
    maximum_word_length: int = 3500
    silence_threshold: int = 256  # a loudness
    greeting_total_analysis_time: int = 5000
    greeting_silence_duration: int = 1500


class Listener(Protocol):
    done: bool

    def hear(self, sound: Sound) -> Finding | None: ...


def listener(mode: str, tuning: Tuning) -> Listener:
    return Premium(tuning) if mode == "premium" else Standard(mode, tuning)


class _Ear:
    """What was heard so far; `beeped` and `faxed` are true in the frame in which that is known."""

    def __init__(self) -> None:
        self.elapsed_ms = 0
        self.speech_ms = 0
        self.silence_ms = 0
        self.beeped = self.faxed = False
        self._tone_ms = 0

    def hear(self, sound: Sound) -> None:
        self.elapsed_ms += FRAME_MS
        self.beeped = sound is not Sound.BEEP and self._tone_ms >= BEEP_MS
        self.faxed = False
        match sound:
            case Sound.FAX:
                self._tone_ms = 0
                self.speech_ms += FRAME_MS
                self.faxed = self.speech_ms >= FAX_TONE_MS
            case Sound.BEEP:
                self._tone_ms += FRAME_MS
                self.silence_ms = 0
            case Sound.SPEECH | Sound.MUSIC | Sound.SIT:
                self._tone_ms = self.silence_ms = 0
                self.speech_ms += FRAME_MS
            case _:
                self._tone_ms = 0
                self.silence_ms += FRAME_MS


class Standard:
    """detect, detect_beep, detect_words, greeting_end."""

    def __init__(self, mode: str, tuning: Tuning) -> None:
        self.done = False
        self._mode = mode
        self._tuning = tuning
        self._ear = _Ear()
        self._machine_at_ms: int | None = None
        self._beeped = False

    def hear(self, sound: Sound) -> Finding | None:
        ear = self._ear
        ear.hear(sound)
        self._beeped = self._beeped or ear.beeped  # the beep that gives a machine away also ends its greeting
        if self._machine_at_ms is None:
            result = self._who()
            if result is None:
                return None
            self.done = result != "machine" or self._mode == "detect"
            self._machine_at_ms = ear.elapsed_ms
            return Finding("call.machine.detection.ended", result)
        ending = self._greeting_end(ear.elapsed_ms - self._machine_at_ms)
        if ending is None:
            return None
        self.done = True
        return Finding("call.machine.greeting.ended", ending)

    def _who(self) -> str | None:
        ear, tuning = self._ear, self._tuning
        if (
            ear.faxed
            or ear.beeped
            or ear.speech_ms // WORD_MS > tuning.maximum_number_of_words
            or ear.speech_ms > tuning.greeting_duration
        ):
            return "machine"
        if ear.speech_ms and ear.silence_ms >= tuning.after_greeting_silence:
            return "human"
        if not ear.speech_ms and ear.silence_ms > tuning.initial_silence:
            return "machine"
        return "not_sure" if ear.elapsed_ms >= tuning.total_analysis_time else None

    def _greeting_end(self, listened_ms: int) -> str | None:
        ear, tuning = self._ear, self._tuning
        if self._beeped:
            return "beep_detected"
        if self._mode == "greeting_end":
            if ear.silence_ms >= tuning.greeting_silence_duration:
                return "ended"
            return "not_sure" if listened_ms >= tuning.greeting_total_analysis_time else None
        if self._mode == "detect_words":
            return "ended" if ear.elapsed_ms >= DETECT_WORDS_MS else None
        self.done = listened_ms >= LISTEN_FOR_BEEP_MS  # detect_beep: nothing comes without a beep
        return None


class Premium:
    """Goes by two of the settings only: total_analysis_time, when it isn't the default, and greeting_duration."""

    def __init__(self, tuning: Tuning) -> None:
        self.done = False
        self._total_ms = (
            PREMIUM_TOTAL_MS
            if tuning.total_analysis_time == Tuning().total_analysis_time
            else tuning.total_analysis_time
        )
        self._greeting_ms = tuning.greeting_duration
        self._ear = _Ear()
        self._machine = False

    def hear(self, sound: Sound) -> Finding | None:
        ear = self._ear
        ear.hear(sound)
        if ear.beeped:  # before the detection too: it makes the detection's own event superfluous
            self.done = True
            return Finding("call.machine.premium.greeting.ended", "beep_detected")
        if self._machine:
            if ear.elapsed_ms < PREMIUM_GREETING_MS:
                return None
            self.done = True
            return Finding("call.machine.premium.greeting.ended", "no_beep_detected")
        result = self._who()
        if result is None:
            return None
        self._machine = result == "machine"
        self.done = not self._machine
        return Finding("call.machine.premium.detection.ended", result)

    def _who(self) -> str | None:
        ear = self._ear
        if ear.faxed:
            return "fax_detected"
        if ear.speech_ms > self._greeting_ms:
            return "machine"
        if ear.speech_ms and ear.silence_ms >= Tuning().after_greeting_silence:
            return "human_residence"
        if not ear.speech_ms and ear.silence_ms >= PREMIUM_SILENCE_MS:
            return "silence"
        return "not_sure" if ear.elapsed_ms >= self._total_ms else None
