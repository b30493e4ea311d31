"""What the callee says, as utterances: voice windows in, recognised text out.

Recognition starts at the first short pause, while we still wait to see whether the callee goes on; by the time
the silence is long enough to be the end, the text is usually there.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from outdial.conversation.stopping import retrieve
from outdial.conversation.turns import SpeechGate, SpeechPaused, SpeechResumed, SpeechStarted
from outdial.media.g711 import rms
from outdial.media.voice_activity import VoiceActivity, VoiceStream
from outdial.speech.base import Recognition, SpeechToText

PRE_ROLL_MS = 320            # audio kept from before the detector was sure: the first consonant is in it
LOUD = 300                   # RMS (of 32768) of a frame with a voice in it; line noise has a tenth of that
LOUD_FRAMES = 10             # 200 ms of them: no click
MAX_FRAMES = 150             # kept in all; the detector, too, gives up what is 2 s old
MAX_UTTERANCE_MS = 30_000    # somebody reading a novel, or a radio
DEAF_MS = 1000               # without a window: the carrier has stopped sending audio


class Utterance:
    """A stretch of the callee's speech. `end_ms` moves on while it lasts."""

    def __init__(self, start_ms: int, recognition: Recognition) -> None:
        self.start_ms = start_ms
        self.end_ms = start_ms
        self._recognition = recognition
        self._text: asyncio.Task[str] | None = None

    def feed(self, pcm: bytes) -> None:
        self._recognition.feed(pcm)

    def recognise(self) -> None:
        """Start on what there is."""
        self.discard()
        self._text = asyncio.create_task(self._recognition.text())

    def discard(self) -> None:
        """The callee goes on: what was recognised so far isn't the end of it."""
        if self._text is not None:
            self._text.add_done_callback(retrieve)
            self._text.cancel()
            self._text = None

    async def text(self) -> str:
        """What was said in all of it."""
        if self._text is None:
            self.recognise()
        assert self._text is not None
        return await self._text


class Hearing:
    """Listens to one callee while it is enabled. Calls back on the event loop:

    `on_voice(u)` whenever more voice was heard inside an utterance, `on_utterance(u)` when one has ended.
    """

    def __init__(
        self,
        speech_to_text: SpeechToText,
        voice_activity: VoiceActivity,
        now_ms: Callable[[], int],
        on_voice: Callable[[Utterance], None],
        on_utterance: Callable[[Utterance], None],
    ) -> None:
        self._speech_to_text = speech_to_text
        self._voice_activity = voice_activity
        self._now_ms = now_ms
        self._on_voice = on_voice
        self._on_utterance = on_utterance
        self._gate = SpeechGate()
        self._stream: VoiceStream | None = None
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=MAX_FRAMES)  # that belong to no utterance (yet)
        self._audio_ms = 0   # end of the newest frame
        self._window_ms = 0  # when the newest window was reported
        self.current: Utterance | None = None
        self.on_heard: Callable[[], object] = lambda: None  # at the first voice of the callee
        self._heard = False
        self._loud_frames = 0  # while no detector ran
        self.until_silence_ms = 500  # how much silence ends an utterance

    @property
    def enabled(self) -> bool:
        return self._stream is not None

    def enable(self) -> None:
        """Detect voice from now on. (An announcement nobody may interrupt needs no detector.)"""
        if self._stream is None:
            self._stream = self._voice_activity.open(self._window)
            self._gate = SpeechGate()
            self._frames.clear()

    def disable(self) -> None:
        """Ends the utterance that is being spoken."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._end_early()

    def check(self) -> None:
        """Ends an utterance of which no more audio comes; windows end all others."""
        if self._now_ms() - self._window_ms >= DEAF_MS:
            self._end_early()

    def audio(self, pcm: bytes, at_ms: int) -> None:
        """A frame that was spoken until `at_ms`. It belongs to an utterance when the detector has come as far as it."""
        if self._stream is not None:
            self._frames.append((at_ms, pcm))
            self._audio_ms = at_ms
            self._stream.feed(pcm)
        elif not self._heard:
            self._listen_roughly(pcm)

    def _listen_roughly(self, pcm: bytes) -> None:
        """Whether the callee says anything into what nobody may interrupt: no more than that, so no detector."""
        if rms(pcm) >= LOUD:
            self._loud_frames += 1
            if self._loud_frames >= LOUD_FRAMES:
                self._note_heard()

    def _note_heard(self) -> None:
        if not self._heard:
            self._heard = True
            self.on_heard()

    def _window(self, probability: float) -> None:
        assert self._stream is not None
        self._window_ms = self._now_ms()
        # When its audio was spoken, not when it was worked off: under load, that is much later for some windows.
        at_ms = self._audio_ms - self._stream.waiting_ms
        event = self._gate.window(probability, at_ms)
        match event:
            case SpeechStarted(at_ms=start_ms):
                self.current = Utterance(max(0, start_ms), self._speech_to_text.recognition())
                self._note_heard()
            case SpeechResumed() if self.current is not None:
                self.current.discard()
        utterance = self.current
        if utterance is None:
            while self._frames and self._frames[0][0] <= at_ms - PRE_ROLL_MS:
                self._frames.popleft()
            return
        self._feed(utterance, at_ms)
        utterance.end_ms = self._gate.voice_ms
        silence_ms = self._gate.silence_ms(at_ms)
        if silence_ms >= self.until_silence_ms or at_ms - utterance.start_ms > MAX_UTTERANCE_MS:
            self._end()
        elif isinstance(event, SpeechPaused):
            utterance.recognise()
        elif event is None and silence_ms == 0:
            self._on_voice(utterance)

    def _feed(self, utterance: Utterance, until_ms: int) -> None:
        while self._frames and self._frames[0][0] <= until_ms:
            utterance.feed(self._frames.popleft()[1])

    def _end_early(self) -> None:
        if self.current is not None:
            self._feed(self.current, self._now_ms())
            self._end()

    def _end(self) -> None:
        if (utterance := self.current) is not None:
            self._gate.end()
            self.current = None
            self._on_utterance(utterance)
