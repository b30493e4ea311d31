"""Phones at the end of a line, and the one whose owner is a script: what it hears decides what it says next.

Pure: no I/O and no clock. A line calls `frame()` and then `hear()` every 20 ms, so time is counted in frames.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np

from outdial.media import tones
from outdial.media.dtmf import KeyDetector
from outdial.media.frames import BYTES_PER_MS, FRAME_MS, SILENT_FRAME, frames
from outdial.media.hold_music import hold_music
from outdial.simulator.callee_steps import (
    AskForDigit,
    HangUp,
    Press,
    Say,
    Sound,
    Step,
    Tone,
    Wait,
    WaitForSpeech,
    WaitForTurn,
)

LOUD_RMS = 330           # about -40 dBFS: over the noise of a quiet line, under any voice
BEHIND_DB = 20
SPEECH_BEGINS_FRAMES = 3 # 60 ms of sound: shorter is a click


def is_loud(frame: bytes) -> bool:
    if frame is SILENT_FRAME:
        return False
    samples = np.frombuffer(frame, dtype="<i2").astype(np.float32)
    return bool(np.dot(samples, samples) > LOUD_RMS * LOUD_RMS * len(samples))


def never() -> bool:
    return False


def faint(pcm: bytes) -> bytes:
    """As from across the room."""
    samples = np.frombuffer(pcm, dtype="<i2") * 10 ** (-BEHIND_DB / 20)
    return bytes(samples.astype("<i2").tobytes())


def mixed(one: bytes, other: bytes) -> bytes:
    both = np.frombuffer(one, dtype="<i2").astype(np.int32) + np.frombuffer(other, dtype="<i2")
    return bytes(np.clip(both, -32768, 32767).astype("<i2").tobytes())


def tone_of(sound: Sound, ms: int) -> bytes:
    match sound:
        case Sound.BEEP:
            return tones.beep(ms)
        case Sound.SIT:
            return tones.sit()
        case Sound.MUSIC:
            music = hold_music()
            return (music * (ms * BYTES_PER_MS // len(music) + 1))[: ms * BYTES_PER_MS]
        case _:
            return tones.fax_ced(ms)


class Ear:
    """Tells by loudness alone whether the other side speaks and for how long it has been silent."""

    def __init__(self) -> None:
        self.speaking = False
        self.silent_ms = 0     # since the last loud frame
        self.has_spoken = False  # since `forget`
        self._loud_in_a_row = 0

    def hear(self, frame: bytes) -> None:
        if is_loud(frame):
            self._loud_in_a_row += 1
            self.silent_ms = 0
            if self._loud_in_a_row >= SPEECH_BEGINS_FRAMES:
                self.speaking = self.has_spoken = True
        else:
            self._loud_in_a_row = 0
            self.silent_ms += FRAME_MS
            if self.silent_ms >= 200:
                self.speaking = False

    def forget(self) -> None:
        """What was heard until now is answered; speech that goes on counts as new."""
        self.has_spoken = self.speaking


class Phone(Protocol):
    """After each `frame()`, `sound` says what it was, `pressed` holds a digit that was just pressed, and `hung_up` is
    true when its owner has hung up."""

    sound: Sound
    pressed: str | None
    hung_up: bool
    heard_digits: str

    def frame(self) -> bytes:
        """The next 20 ms of what this end of the line says (320 bytes)."""
        ...

    def hear(self, frame: bytes) -> None: ...


class ScriptedPhone:
    """Hangs up at the end of its script."""

    def __init__(self, script: tuple[Step, ...], voice: Mapping[str, bytes], *, behind: str | None = None) -> None:
        """`voice` holds the audio of every utterance of the script, and of `behind` (PCM16, 8000 Hz)."""
        self.sound = Sound.SILENCE
        self.pressed: str | None = None
        self.hung_up = False
        self.heard_digits = ""
        self._ear = Ear()
        self._keys = KeyDetector()
        self._voice = voice
        self._frames = self._play(script)
        self._behind = itertools.cycle(frames(faint(voice[behind]))) if behind else None

    def frame(self) -> bytes:
        self.sound = Sound.SILENCE
        self.pressed = None
        frame = next(self._frames, None)
        if frame is None:
            self.hung_up = True
            return SILENT_FRAME
        return frame if self._behind is None else mixed(frame, next(self._behind))

    def hear(self, frame: bytes) -> None:
        self._ear.hear(frame)
        self.heard_digits += self._keys.hear(frame) or ""

    def _play(self, script: tuple[Step, ...]) -> Iterator[bytes]:
        for step in script:
            match step:
                case Say(text=text):
                    yield from self._say(text)
                case Wait(ms=ms):
                    yield from self._until(never, ms)
                case WaitForTurn():
                    yield from self._wait_for_turn(step)
                case WaitForSpeech(patience_ms=patience_ms):
                    yield from self._until(lambda: self._ear.speaking, patience_ms)
                case Tone(sound=sound, ms=ms):
                    yield from self._sound(tone_of(sound, ms), sound)
                case Press(digits=digits):
                    yield from self._press(digits)
                case AskForDigit():
                    yield from self._ask_for_digit(step)
                case HangUp():
                    self.hung_up = True
            if self.hung_up:
                return

    def _say(self, text: str, cut_short: Callable[[], bool] = never) -> Iterator[bytes]:
        yield from self._sound(self._voice[text], Sound.SPEECH, cut_short)
        self._ear.forget()  # at the end: what was said into our sentence is not an answer to it

    def _sound(
        self, pcm: bytes, sound: Sound, cut_short: Callable[[], bool] = never
    ) -> Iterator[bytes]:
        for frame in frames(pcm):
            if cut_short():
                return
            self.sound = sound
            yield frame

    def _until(self, happened: Callable[[], bool], patience_ms: int) -> Iterator[bytes]:
        for _ in range(patience_ms // FRAME_MS):
            if happened():
                return
            yield SILENT_FRAME

    def _wait_for_turn(self, step: WaitForTurn) -> Iterator[bytes]:
        nudges = step.nudges
        waited_ms = 0
        while not (self._ear.has_spoken and self._ear.silent_ms >= step.pause_ms):
            waited_ms = 0 if self._ear.has_spoken else waited_ms + FRAME_MS
            if waited_ms >= step.patience_ms:
                if not nudges:
                    self.hung_up = True
                    return
                nudges, waited_ms = nudges - 1, 0
                yield from self._say(step.nudge)
            yield SILENT_FRAME

    def _press(self, digits: str) -> Iterator[bytes]:
        for digit in digits:
            yield from self._sound(tones.dtmf(digit), Sound.DIGIT)
            self.pressed = digit
            yield SILENT_FRAME
            yield from self._until(never, 100)
        self._ear.forget()

    def _ask_for_digit(self, step: AskForDigit) -> Iterator[bytes]:
        before = len(self.heard_digits)

        def answered() -> bool:
            return len(self.heard_digits) > before

        for _ in range(step.times):
            yield from self._say(step.prompt, cut_short=answered)
            yield from self._until(answered, step.wait_ms)
            if answered():
                return
        self.hung_up = True
