"""A phone in memory, on the far end of a media line, with real audio: plays what we send at its pace, tells when the
agent speaks, and says and presses what whoever holds it wants."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from outdial.conversation.media_line import MediaLine
from outdial.media.frames import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES
from outdial.media.g711 import pcm_to_ulaw, rms, ulaw_to_pcm
from outdial.testing.callee_voice import Samples, quiet_end_ms, quiet_start_ms
from outdial.testing.line_audio import LineAudio

VOICE_RMS = 330  # of 32768: a frame of the agent's with voice in it
SPEAKS_FRAMES = 3
SILENT_MS = 200  # less is a pause between two words
KEY_MS = 240
SILENCE = np.zeros(FRAME_SAMPLES, np.float32)

Acts = Iterator[Samples]  # what is said into the phone, in frames of 20 ms


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


def reply_ms(agent: Sequence[bool], utterance: Utterance) -> int | None:
    """From its last voiced frame to the next with our voice (see Sound.agent); None when there was none."""
    for place in range(utterance.end_ms // FRAME_MS, len(agent)):
        if agent[place]:
            return place * FRAME_MS - utterance.end_ms
    return None


class AudioPhone:
    """The media socket of one call, and the phone behind it. `speech` gives what its holder's voice says of a text."""

    def __init__(self, line: LineAudio, speech: Callable[[str], Samples]) -> None:
        self.media_line: MediaLine  # set before `start`
        self.sound = Sound()
        self.speaking = False       # the agent does
        self.silent_ms = 0          # … and has been silent for so long
        self._line = line
        self._speech = speech
        self._acts: Acts
        self._loop = asyncio.get_running_loop()
        self._buffer: deque[bytes | str] = deque()  # frames and marks, in the order in which they came
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._ended = False
        self._voiced_run = 0

    # -- MediaSocket

    def send(self, message: str | bytes) -> None:
        if message == "clear":
            marks = [entry for entry in self._buffer if isinstance(entry, str)]
            self._buffer.clear()
            for mark in marks:
                self._loop.call_soon(self.tell, mark)
        else:
            self._buffer.append(message)

    def close(self, code: int = 1000) -> None:
        self._ended = True
        self._buffer.clear()
        if self._timer is not None:
            self._timer.cancel()

    # -- the phone

    def start(self, acts: Acts) -> None:
        """The media stream begins; again, where a call comes back."""
        self._acts = acts
        self._ended = False
        self._due_s = self._loop.time()
        self.tell("start")
        self._await_frame()

    @property
    def now_ms(self) -> int:
        """When the frame began that is being spoken."""
        return (len(self.sound.agent) - 1) * FRAME_MS

    def _await_frame(self) -> None:
        if not self._ended:
            self._due_s += FRAME_MS / 1000
            self._timer = self._loop.call_at(self._due_s, self._frame)

    def _frame(self) -> None:
        """20 ms have passed: a frame was heard, and one was spoken."""
        heard = self._hear()
        said = next(self._acts)
        if not self._ended:
            self.tell(self._line.frame(said, heard))
        self._await_frame()

    def tell(self, message: str | bytes) -> None:
        if not self._ended:
            self.media_line.received(message)

    def _hear(self) -> Samples:
        while self._buffer and isinstance(self._buffer[0], str):
            self.tell(str(self._buffer.popleft()))
        heard, voiced = SILENCE, False
        if self._buffer:
            frame = self._buffer.popleft()
            assert isinstance(frame, bytes)
            assert len(frame) == FRAME_BYTES
            pcm = ulaw_to_pcm(pcm_to_ulaw(frame))
            heard, voiced = np.frombuffer(pcm, "<i2").astype(np.float32), rms(pcm) > VOICE_RMS
        self.sound.agent.append(voiced)
        if voiced:
            self._voiced_run, self.silent_ms = self._voiced_run + 1, 0
            if self._voiced_run >= SPEAKS_FRAMES:
                self.speaking = True
                self.agent_spoke()
        else:
            self._voiced_run, self.silent_ms = 0, self.silent_ms + FRAME_MS
            if self.silent_ms >= SILENT_MS:
                self.speaking = False
        return heard

    def agent_spoke(self) -> None:
        """Told at each frame of the agent's voice."""

    # -- what its holder does, one frame after the other

    def wait(self, ms: int) -> Acts:
        for _ in range(ms // FRAME_MS):
            yield SILENCE

    def say(self, parts: tuple[str | int, ...]) -> Acts:
        """Words, and silences in ms between them: of them the soft sounds around words are a part."""
        began_ms: int | None = None
        last_ms = self.now_ms
        for place, part in enumerate(parts):
            if isinstance(part, int):
                before, after = parts[max(0, place - 1) : place], parts[place + 1 : place + 2]
                soft_ms = sum(quiet_end_ms(self._speech(one)) for one in before if isinstance(one, str))
                soft_ms += sum(quiet_start_ms(self._speech(one)) for one in after if isinstance(one, str))
                yield from self.wait(max(0, part - soft_ms))
                continue
            samples = self._speech(part)
            began_ms = self.now_ms + quiet_start_ms(samples) if began_ms is None else began_ms
            yield from self.sound_of(samples)
            last_ms = self.now_ms - quiet_end_ms(samples)
        words = " ".join(part for part in parts if isinstance(part, str))
        self.sound.utterances.append(Utterance(words, last_ms if began_ms is None else began_ms, last_ms))

    def sound_of(self, samples: Samples) -> Acts:
        yield from np.pad(samples, (0, -len(samples) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)

    def press(self, keys: str) -> Acts:
        for key in keys:
            self.tell(f"digit {key}")
            yield from self.wait(KEY_MS)

    def hang_up(self) -> None:
        self.tell("stop")
