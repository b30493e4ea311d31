"""Answering machine detection as carriers do it: by listening to how the answering side begins.

A person says a word and waits; a machine talks on. Pure: fed with one 20 ms frame's `Sound` at a time, so its
delays are those of real detection and the carriers' tuning parameters work.
"""

from dataclasses import dataclass
from enum import StrEnum

from outdial.media.frames import FRAME_MS
from outdial.simulator.callee_steps import Sound

FAX_TONE_MS = 1000
BEEP_MS = 200


class Verdict(StrEnum):
    HUMAN = "human"
    MACHINE_START = "machine_start"
    MACHINE_END_BEEP = "machine_end_beep"
    MACHINE_END_SILENCE = "machine_end_silence"
    FAX = "fax"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The defaults are Twilio's."""

    message_end: bool = False          # for a machine, wait until a message can be left
    timeout_ms: int = 30_000
    speech_threshold_ms: int = 2400    # longer speech is a machine
    speech_end_threshold_ms: int = 1200  # this much silence ends what was said
    silence_timeout_ms: int = 5000     # nothing at all at first


class Detector:
    def __init__(self, tuning: Tuning) -> None:
        self.elapsed_ms = 0
        self._tuning = tuning
        self._speech_ms = 0
        self._silence_ms = 0
        self._tone_ms = 0
        self._machine = False

    def hear(self, sound: Sound) -> Verdict | None:
        """The verdict, once; None as long as it is open."""
        self.elapsed_ms += FRAME_MS
        verdict = self._judge(sound)
        if verdict is None and self.elapsed_ms >= self._tuning.timeout_ms:
            return Verdict.UNKNOWN
        return verdict

    def _judge(self, sound: Sound) -> Verdict | None:
        beep_ended = sound is not Sound.BEEP and self._tone_ms >= BEEP_MS
        match sound:
            case Sound.FAX:
                self._tone_ms += FRAME_MS
                return Verdict.FAX if self._tone_ms >= FAX_TONE_MS else None
            case Sound.BEEP:
                self._tone_ms += FRAME_MS
                return None
            case Sound.SPEECH | Sound.MUSIC | Sound.SIT:
                self._tone_ms = self._silence_ms = 0
                self._speech_ms += FRAME_MS
            case _:
                self._tone_ms = 0
                self._silence_ms += FRAME_MS
        if beep_ended:
            return Verdict.MACHINE_END_BEEP if self._tuning.message_end else Verdict.MACHINE_START
        if not self._machine and self._speech_ms >= self._tuning.speech_threshold_ms:
            self._machine = True
            if not self._tuning.message_end:
                return Verdict.MACHINE_START
        if not self._speech_ms:
            return Verdict.UNKNOWN if self._silence_ms >= self._tuning.silence_timeout_ms else None
        if self._silence_ms >= self._tuning.speech_end_threshold_ms:
            return Verdict.MACHINE_END_SILENCE if self._machine else Verdict.HUMAN
        return None
