"""A phone in memory, on the far end of a media line: plays what we send at its pace, and does what its plan says."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from bench.talk.line import LineAudio
from bench.talk.plans import AfterTurn, HangsUp, OnSpeech, Plan, Presses, Says, Waits
from bench.talk.voices import Samples
from outdial.conversation.media_line import MediaLine
from outdial.media.frames import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES
from outdial.media.g711 import pcm_to_ulaw, rms, ulaw_to_pcm
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    MarksAtClear,
    StreamEnded,
    StreamEvent,
    StreamStarted,
)

VOICE_RMS = 330  # of 32768: a frame of the agent's with voice in it
SPEAKS_FRAMES = 3
SILENT_MS = 200  # less is a pause between two words
GIVE_UP_MS = 15_000  # waiting for an agent that doesn't speak, or isn't silent
KEY_MS = 240
SILENCE = np.zeros(FRAME_SAMPLES, np.float32)


class PhoneCodec:
    """The phone's stream protocol: bytes are audio, text is everything else."""

    lead_ms = 200
    says_stop = True
    marks_at_clear = MarksAtClear.RETURNED

    def receive(self, message: str | bytes) -> StreamEvent | None:
        if isinstance(message, bytes):
            return AudioReceived(message, 0)
        match message.split(" "):
            case ["start"]:
                return StreamStarted(stream_id="stream-1", carrier_call_id="theirs", parameters={})
            case ["digit", digit]:
                return DigitPressed(digit)
            case ["mark", name]:
                return MarkReached(name)
            case ["stop"]:
                return StreamEnded()
        raise BadFrame("not of this protocol")

    def audio(self, pcm: bytes) -> bytes:
        return pcm

    def mark(self, name: str) -> str:
        return f"mark {name}"

    def clear(self) -> str:
        return "clear"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the callee said, from its first voiced frame to its last. Ms since the call began."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class Sound:
    """What was heard at the callee's end: our voice, in frames of 20 ms since the call began, and what they said."""

    agent: list[bool] = field(default_factory=list)
    utterances: list[Utterance] = field(default_factory=list)


class Phone:
    """The media socket of one call, and who holds the phone. `speech` gives what a voice says of a text."""

    def __init__(self, plan: Plan, line: LineAudio, speech: Callable[[str], Samples]) -> None:
        self.media_line: MediaLine  # set before `start`
        self.sound = Sound()
        self._line = line
        self._speech = speech
        self._loop = asyncio.get_running_loop()
        self._buffer: deque[bytes | str] = deque()  # frames and marks, in the order in which they came
        self._acts = self._follow(plan)
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._ended = False
        self._voiced_run = self._silent_ms = 0
        self._speaking = self._spoke = False

    # -- MediaSocket

    def send(self, message: str | bytes) -> None:
        if message == "clear":
            marks = [entry for entry in self._buffer if isinstance(entry, str)]
            self._buffer.clear()
            for mark in marks:
                self._loop.call_soon(self._tell, mark)
        else:
            self._buffer.append(message)

    def close(self, code: int = 1000) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    # -- the phone

    def start(self) -> None:
        self._due_s = self._loop.time()
        self._tell("start")
        self._next()

    @property
    def now_ms(self) -> int:
        """When the frame began that is being spoken."""
        return (len(self.sound.agent) - 1) * FRAME_MS

    def _next(self) -> None:
        if not self._ended:
            self._due_s += FRAME_MS / 1000
            self._timer = self._loop.call_at(self._due_s, self._frame)

    def _frame(self) -> None:
        """20 ms have passed: a frame was heard, and one was spoken."""
        heard = self._hear()
        said = next(self._acts)
        if not self._ended:
            self._tell(self._line.frame(said, heard))
        self._next()

    def _tell(self, message: str | bytes) -> None:
        if not self._ended:
            self.media_line.received(message)

    def _hear(self) -> Samples:
        while self._buffer and isinstance(self._buffer[0], str):
            self._tell(str(self._buffer.popleft()))
        heard, voiced = SILENCE, False
        if self._buffer:
            frame = self._buffer.popleft()
            assert isinstance(frame, bytes)
            assert len(frame) == FRAME_BYTES
            pcm = ulaw_to_pcm(pcm_to_ulaw(frame))
            heard, voiced = np.frombuffer(pcm, "<i2").astype(np.float32), rms(pcm) > VOICE_RMS
        self.sound.agent.append(voiced)
        if voiced:
            self._voiced_run, self._silent_ms = self._voiced_run + 1, 0
            if self._voiced_run >= SPEAKS_FRAMES:
                self._spoke = self._speaking = True
        else:
            self._voiced_run, self._silent_ms = 0, self._silent_ms + FRAME_MS
            if self._silent_ms >= SILENT_MS:
                self._speaking = False
        return heard

    # -- who holds it: one frame after the other

    def _follow(self, plan: Plan) -> Iterator[Samples]:
        for step in plan.steps:
            match step:
                case Waits(ms=ms):
                    yield from self._silence(ms)
                case AfterTurn():
                    yield from self._until(partial(self._turn_is_over, step))
                case OnSpeech():
                    self._forget()
                    yield from self._until(lambda: self._speaking)
                case Says():
                    yield from self._say(step)
                    self._forget()
                case Presses(keys=keys):
                    for key in keys:
                        self._tell(f"digit {key}")
                        yield from self._silence(KEY_MS)
                    self._forget()
                case HangsUp():
                    self._tell("stop")
        while True:
            yield SILENCE

    def _silence(self, ms: int) -> Iterator[Samples]:
        for _ in range(ms // FRAME_MS):
            yield SILENCE

    def _until(self, happened: Callable[[], bool]) -> Iterator[Samples]:
        for _ in range(GIVE_UP_MS // FRAME_MS):
            if happened():
                return
            yield SILENCE

    def _turn_is_over(self, turn: AfterTurn) -> bool:
        heard_ms = sum(self.sound.agent) * FRAME_MS
        return self._spoke and self._silent_ms >= turn.silence_ms and heard_ms >= turn.heard_ms

    def _say(self, says: Says) -> Iterator[Samples]:
        began_ms = last_ms = self.now_ms
        for part in says.parts:
            if isinstance(part, int):
                yield from self._silence(part)
                continue
            samples = self._speech(part)
            samples = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
            yield from samples.reshape(-1, FRAME_SAMPLES)
            last_ms = self.now_ms
        words = " ".join(part for part in says.parts if isinstance(part, str))
        self.sound.utterances.append(Utterance(words, began_ms, last_ms))

    def _forget(self) -> None:
        """What the agent said so far is no turn to be waited for; one that goes on is."""
        self._spoke = self._speaking
