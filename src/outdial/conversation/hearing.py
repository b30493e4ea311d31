"""What the callee says, as utterances: voice windows in, recognised text out.

Recognition starts at the first moment of quiet, while we still wait to see whether the callee goes on. Whether the
silence is long enough to be the end is decided with those words (see endpointing.py). Where somebody waits for them,
they are guessed while they are said, too.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from outdial.conversation.endpointing import LONGEST_TURN_MS, Endpointing, Patience, TurnSoFar, WordEndpointing
from outdial.conversation.near_voice import NearVoice
from outdial.conversation.opening import unheard_ms
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.turns import WINDOW_MS, SpeechGate, SpeechPaused, SpeechResumed, SpeechStarted
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.conversation.utterance import Utterance
from outdial.media.echo import STRETCH_MS
from outdial.media.frames import BYTES_PER_MS, FRAME_MS
from outdial.media.g711 import rms
from outdial.media.voice_activity import VoiceActivity, VoiceStream
from outdial.speech.base import Recognition, TurnTold

PRE_ROLL_MS = 320            # audio kept from before the detector was sure: the first consonant is in it
QUICK_PAUSE_MS = 120         # where we wait for the words and nothing else
GUESS_MS = 90                # of quiet: perhaps the end, so that the words are known when it is sure
LOUD = 300                   # RMS (of 32768) of a frame with a voice in it; line noise has a tenth of that
LOUD_FRAMES = 10             # 200 ms of them: no click
RECENT_FRAMES = max(STRETCH_MS, PRE_ROLL_MS) // FRAME_MS + 8  # a window is worked off a little later than it is heard
NEARER_MS = 160              # of it were heard before that was noticed
MAX_FRAMES = 150             # kept in all; the detector, too, gives up what is 2 s old
MAX_UTTERANCE_MS = LONGEST_TURN_MS  # somebody reading a novel, or a radio
KNOWN_QUIET_MS = 700         # of what another has heard: a busy detector takes a second to notice who speaks
DEAF_MS = 1000               # without a window: the carrier has stopped sending audio


# Whether what was heard until then (ms on the call clock) is our own voice, come back; see media.echo.
IsOurs = Callable[[Callable[[], NDArray[np.int16]], int], bool]


class Recogniser(Protocol):
    """Of a call: see base.CallRecognition."""

    def recognition(self, since_ms: int) -> Recognition: ...

    def told(self, quiet_since_ms: int) -> TurnTold | None: ...


class Hearing:
    """Listens to one callee while it is enabled. Calls back on the event loop:

    `on_voice(u)` whenever more voice was heard inside an utterance, `on_partial(u, text)` when words were guessed while
    it lasts, `on_words(u)` when its words until a pause are known, `on_utterance(u)` when one has ended.

    What is asked, how patiently, and what was said before to the same question (`asked`, `patience`, `said_before`) are
    set by whoever listens.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        voice_activity: VoiceActivity,
        now_ms: Callable[[], int],
        on_voice: Callable[[Utterance], None],
        on_utterance: Callable[[Utterance], None],
    ) -> None:
        self._recogniser = recogniser
        self._voice_activity = voice_activity
        self._now_ms = now_ms
        self._on_voice = on_voice
        self._on_utterance = on_utterance
        self._gate = SpeechGate()
        self._stream: VoiceStream | None = None
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=MAX_FRAMES)  # that belong to no utterance (yet)
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=RECENT_FRAMES)
        self._first_ms: int | None = None  # when the first frame began
        self._audio_ms = 0   # end of the newest frame
        self._window_ms = 0  # when the newest window was reported, and …
        self._at_ms = 0      # … when it was spoken
        self.current: Utterance | None = None
        self.near = NearVoice()
        self.endpointing: Endpointing = WordEndpointing(turn_phrases("en-US"))  # until its call says otherwise
        self.asked: Asked = NOTHING
        self.patience = Patience()
        self.said_before = ""
        self.on_words: Callable[[Utterance], object] = lambda utterance: None
        self.on_partial: Callable[[Utterance, str], object] = lambda utterance, text: None
        self.is_ours: IsOurs = lambda heard, end_ms: False
        self.on_heard: Callable[[], object] = lambda: None  # at the first voice of the callee
        self.loud_ms = 0       # when the callee was last heard at about its loudest
        self.quiet_before_ms: int | None = None  # since when nobody spoke, as known to who has listened until now
        self._since_ms = 0     # when the last utterance ended, or it began to listen
        self._heard = False
        self._loud_frames = 0  # while no detector ran

    @property
    def enabled(self) -> bool:
        return self._stream is not None

    def enable(self) -> None:
        """Detect voice from now on. (An announcement nobody may interrupt needs no detector.)"""
        if self._stream is None:
            self._stream = self._voice_activity.open(self._window)
            now_ms = self._now_ms()
            known_ms, self.quiet_before_ms = self.quiet_before_ms, None
            self._since_ms = now_ms if known_ms is None else min(now_ms, max(known_ms, now_ms - KNOWN_QUIET_MS))
            self._gate = SpeechGate()
            self._frames.clear()

    def disable(self) -> int | None:
        """Ends the utterance that is being spoken. Since when nobody speaks; None where that isn't known."""
        was_enabled = self.enabled
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._end_early()
        return self._since_ms if was_enabled else None

    def forget(self) -> None:
        """Nobody listens any more: the audio that was kept is let go of."""
        self.disable()
        self._frames.clear()
        self._recent.clear()

    def be_quick(self) -> None:
        """We are silent for what is being said: have it recognised while it lasts, and at its first pause, however
        short."""
        self._gate.pause_ms = QUICK_PAUSE_MS

    @property
    def silence_ms(self) -> int:
        """In the current utterance: since its last voice, 0 while it goes on."""
        return self._gate.silence_ms(self._at_ms) if self._gate.is_paused else 0

    def quiet_since_ms(self) -> int:
        """Since when nobody has been heard, as far as it has listened; now while somebody speaks."""
        return self._since_ms if self.enabled and self.current is None else self._now_ms()

    def unheard_ms(self) -> int:
        """How long whoever hasn't spoken is to be listened to yet, at least."""
        return unheard_ms(self._first_ms, self._now_ms())

    def check(self) -> None:
        """Ends an utterance of which no more audio comes; windows end all others."""
        if self._now_ms() - self._window_ms >= DEAF_MS:
            self._end_early()

    def audio(self, pcm: bytes, at_ms: int) -> None:
        """A frame that was spoken until `at_ms`. It belongs to an utterance when the detector has come as far as it."""
        if self._first_ms is None:
            self._first_ms = at_ms - len(pcm) // BYTES_PER_MS
        self._recent.append((at_ms, pcm))
        if self._stream is not None:
            self._frames.append((at_ms, pcm))
            self._audio_ms = at_ms
            self._stream.feed(pcm)
        elif not self._heard:
            self._listen_roughly(pcm, at_ms)

    def _listen_roughly(self, pcm: bytes, at_ms: int) -> None:
        """Whether the callee says anything into what nobody may interrupt: no more than that, so no detector."""
        if rms(pcm) >= LOUD and not self._is_echo(at_ms):
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
        at_ms = self._at_ms = self._audio_ms - self._stream.waiting_ms
        if probability >= SpeechGate.STAY and not self._is_callee(at_ms):
            probability = 0.0
        self._stream.far_power = self.near.far_power
        event = self._gate.window(probability, at_ms)
        match event:
            case SpeechStarted(at_ms=start_ms):
                self.current = self._begin_utterance(max(0, start_ms), self._noise(start_ms))
                self._note_heard()
            case SpeechResumed() if self.current is not None:
                self.current.discard()
        if self.current is not None and self.near.has_come_nearer():
            self._start_again(at_ms)
        utterance = self.current
        if utterance is None:
            while self._frames and self._frames[0][0] <= at_ms - PRE_ROLL_MS:
                self._frames.popleft()
            return
        self._feed(utterance, at_ms)
        utterance.voice(until_ms=self._gate.voice_ms)
        if utterance.guessed is not None and utterance.words is None:
            self._guess(utterance, None)
        utterance.level_dbfs = self.near.loudest
        if isinstance(event, SpeechPaused) or (self._may_have_ended(at_ms) and utterance.may_guess(at_ms)):
            utterance.recognise(at_ms, then=lambda: self._recognised(utterance))
        elif event is None and self._gate.silence_ms(at_ms) == 0:
            utterance.voiced += 1
            self._on_voice(utterance)
            if self._gate.pause_ms == QUICK_PAUSE_MS:
                utterance.guess(at_ms, then=lambda text: self._guessed(utterance, text))
        self._consider(utterance, at_ms)

    def _quiet_ms(self, at_ms: int) -> int:
        """How long the callee has been silent, by level."""
        assert self.current is not None
        return at_ms - self.current.quiet_since_ms

    def _may_have_ended(self, at_ms: int) -> bool:
        return self._gate.silence_ms(at_ms) > 0 and self._quiet_ms(at_ms) >= GUESS_MS

    def _noise(self, start_ms: int) -> float:
        """The level of the line right before an utterance."""
        levels = sorted(rms(pcm) for end_ms, pcm in self._recent if end_ms <= start_ms)
        return levels[len(levels) // 2] if levels else 0.0

    def _is_echo(self, at_ms: int) -> bool:
        end_ms = next((end for end, _ in reversed(self._recent) if end <= at_ms + FRAME_MS // 2), None)
        return end_ms is not None and self.is_ours(lambda: self._heard_until(end_ms), end_ms)

    def _heard_until(self, end_ms: int) -> NDArray[np.int16]:
        pcm = b"".join(pcm for at_ms, pcm in self._recent if at_ms <= end_ms)[-STRETCH_MS * BYTES_PER_MS :]
        return np.frombuffer(pcm.rjust(STRETCH_MS * BYTES_PER_MS, b"\0"), dtype="<i2")

    def _begin_utterance(self, start_ms: int, noise_rms: float) -> Utterance:
        return Utterance(start_ms, self._recogniser.recognition(start_ms), noise_rms)

    def recogniser_told(self) -> None:
        """It has new words, or something to tell of the callee's turn."""
        utterance = self.current
        if utterance is None:
            return
        if self._gate.pause_ms == QUICK_PAUSE_MS and not self._gate.is_paused:
            utterance.pushed(then=lambda text: self._guessed(utterance, text))
        elif utterance.words is not None:
            self._consider(utterance, self._at_ms)

    def _recognised(self, utterance: Utterance) -> None:
        if utterance is self.current:
            self._consider(utterance, self._at_ms)

    def _guessed(self, utterance: Utterance, text: str) -> None:
        if utterance is self.current:
            self.on_partial(utterance, text)

    def _start_again(self, at_ms: int) -> None:
        """What was heard until now was somebody else's: the callee begins to speak."""
        assert self.current is not None
        self.current.let_go()
        noise = self._noise(at_ms - NEARER_MS)
        self.current = self._begin_utterance(at_ms - NEARER_MS, noise)
        for end_ms, pcm in self._recent:
            if at_ms - NEARER_MS < end_ms <= at_ms - WINDOW_MS:
                self.current.feed(pcm, end_ms)
        self._gate.starts_again(self.current.start_ms)

    def _is_callee(self, at_ms: int) -> bool:
        """Whether the voice in the window until `at_ms` is the callee's: not our own, and not far from the phone."""
        if self._is_echo(at_ms):
            if self.current is not None:
                self.current.ours += 1
            return False
        pcm = b"".join(pcm for end_ms, pcm in self._frames if at_ms - WINDOW_MS < end_ms <= at_ms + WINDOW_MS // 2)
        if self.current is None and self._gate.is_quiet:
            self.near.begins()
        is_near = not pcm or self.near.window(rms(pcm))
        if is_near and self.near.is_loud:
            self.loud_ms = at_ms
        return is_near

    def _consider(self, utterance: Utterance, at_ms: int) -> None:
        """Whether the callee's turn is over."""
        words = utterance.words
        if words is not None and not utterance.told and self._gate.is_paused:  # between two words, "sorry" isn't all
            utterance.told = True
            self.on_words(utterance)
        length_ms = at_ms - utterance.start_ms
        if length_ms < LONGEST_TURN_MS and not (self._gate.is_paused or self._may_have_ended(at_ms)):
            return
        silence_ms = self._gate.silence_ms(at_ms)
        if words is not None and self.said_before:
            words = f"{self.said_before} {words}"
        turn = TurnSoFar(
            silence_ms=silence_ms,
            quiet_ms=self._quiet_ms(at_ms),
            length_ms=length_ms,
            words=words,
            asked=self.asked,
            patience=self.patience,
            told=self._recogniser.told(utterance.quiet_since_ms),
        )
        enough_ms = self.endpointing.silence_ms(turn)
        if enough_ms is not None and silence_ms >= enough_ms:
            self._end(enough_ms)
        elif words and enough_ms is not None and enough_ms <= self.patience.pause_ms:
            self._guess(utterance, words)

    def _guess(self, utterance: Utterance, words: str | None) -> None:
        """Tell whoever wants to know what the whole reply is, should the callee say no more."""
        told = self.asked.guessed
        if told is not None and words != utterance.guessed and not self.near.is_faint(utterance.level_dbfs):
            utterance.guessed = words
            told(words)

    def _feed(self, utterance: Utterance, until_ms: int) -> None:
        while self._frames and self._frames[0][0] <= until_ms:
            end_ms, pcm = self._frames.popleft()
            utterance.feed(pcm, end_ms)

    def _end_early(self) -> None:
        if self.current is not None:
            self._feed(self.current, self._now_ms())
            self._end()

    def _end(self, enough_ms: int = 0) -> None:
        if (utterance := self.current) is not None:
            self._gate.end()
            self.current = None
            self._keep_pre_roll(utterance.end_ms)
            utterance.ends(enough_ms)
            self._since_ms = utterance.end_ms
            self._on_utterance(utterance)

    def _keep_pre_roll(self, spoken_until_ms: int) -> None:
        """What was silence to the utterance that has ended may be the soft first consonant of the next."""
        unused_ms = self._frames[0][0] if self._frames else self._now_ms() + 1
        since_ms = max(spoken_until_ms, self._at_ms - PRE_ROLL_MS)
        self._frames.extendleft(reversed([one for one in self._recent if since_ms < one[0] < unused_ms]))
