"""Our own detector on a live call: it follows the media line from its first frame, and tells `Answering` what it finds.

Everything by the call clock. What we say ourselves and comes back is nobody's voice. Words that the dialogue has had
recognised are taken from there; others are recognised here, at pauses. It turns itself off when nothing would change
any more: the callee has answered us, or has been spoken to for a while. A machine that is to have a message is followed
to its beep, or to the silence after its greeting; then only for another beep. Who is a machine more likely than not
is told at the end of the conversation alone (`at_end`): during it, people are treated as machines for certain or not at
all. What fails here ends detection, and
nothing else of the call.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outdial import clock
from outdial.background import Background
from outdial.conversation.answering import Answering
from outdial.conversation.detection.detector import Detector
from outdial.conversation.detection.evidence import SAME_START_MS, Evidence
from outdial.conversation.detection.greeting_end import GreetingEnd, greeting_end, live_phrases
from outdial.conversation.detection.heard import Heard, Window, Words, near_audio
from outdial.conversation.detection.judge import NOBODY_MS, Decision, Judgement
from outdial.conversation.detection.recorded_audio import EVERY_WINDOWS, power_of
from outdial.conversation.detection.talk import VOICE, Span
from outdial.conversation.detection.words_wanted import WordsWanted
from outdial.conversation.media_line import MediaLine
from outdial.conversation.opening import CREDIT_MS, LISTENED_MS
from outdial.conversation.understanding.recorded import FULL
from outdial.media.echo import STRETCH_MS, Echo
from outdial.media.frames import BYTES_PER_MS
from outdial.media.stream import StreamStarted
from outdial.media.tone_tracker import Tone, ToneKind, ToneTracker
from outdial.media.voice_activity import WINDOW_MS, VoiceActivity, VoiceStream
from outdial.speech.base import SpeechToText
from outdial.telephony.verdict import MACHINES, AnsweredBy, Verdict, is_guess

logger = logging.getLogger(__name__)

KEPT_MS = 10_000  # of audio, to be recognised
LOST_MS = 500     # between two windows: audio in between was lost; …
GOES_ON_MS = 700  # … who was heard within this before may have gone on
PERSON_OR_NOT = frozenset({AnsweredBy.HUMAN, AnsweredBy.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How a call is listened to. `recogniser` None: only the dialogue's words count. `to_message_end`: a machine gets a
    message. `late_ms`: how long before the stream's start the call was answered."""

    recogniser: SpeechToText | None = None
    to_message_end: bool = False
    late_ms: int = 0


class LiveDetection:
    """A MediaListener. Have it follow the media line before the stream starts; `aclose` it when the call is over."""

    def __init__(
        self, detector: Detector, line: MediaLine, activity: VoiceActivity, answering: Answering, how: Followed
    ) -> None:
        self._detector = detector
        self._line = line
        self._activity = activity
        self._answering = answering
        self._how = how
        self._stream: VoiceStream | None = None
        self._tones = ToneTracker()
        self._wanted = WordsWanted()
        self._echo = Echo(line.outgoing)
        self._recognitions = Background()
        self._words_due = 0        # … of them
        self._pcm = bytearray()    # the newest KEPT_MS, until …
        self._first_ms: int | None = None  # when the first frame began
        self._audio_ms = 0
        self._windows = 0
        self._window_ms: int | None = None  # until when windows were heard
        self._voiced: Window | None = None  # the last one with a voice
        self._shared: tuple[int, int] | None = None  # the dialogue's words: when they began, and when they were known
        self._found: tuple[int, int] | None = None   # a machine: when, and how many phrases of people were known then
        self._ended_ms: int | None = None            # its greeting
        self._told: AnsweredBy | None = None         # … last, and …
        self._told_other = False                     # … whether it was a person once, and once not known
        self._is_closed = False

    # -- MediaListener ---------------------------------------------------------------------------------------

    def on_started(self, started: StreamStarted) -> None:
        self._safely(self._start)

    def on_audio(self, pcm: bytes, at_ms: int) -> None:
        self._safely(self._audio, pcm, at_ms)

    def on_digit(self, digit: str, at_ms: int) -> None:
        pass

    def on_closed(self, *, orderly: bool) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more. May be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._line.unfollow(self)
            self._close_stream()
            self._answering.unfollow()

    async def aclose(self) -> None:
        self.close()
        await self._recognitions.cancel()

    def at_end(self) -> Verdict | None:
        """Of a conversation that is over: a machine that it wasn't certain enough of to treat it as one, and who was
        taken for a service and isn't one. None where there is nothing to add."""
        last, answering = self._detector.judgement, self._answering
        known = answering.known
        if last is None or (known is not None and known.category in (last.category, *MACHINES)):
            return None
        is_machine = last.category in MACHINES and not answering.has_replied
        is_person = last.category is AnsweredBy.HUMAN and known is not None and is_guess(known)
        if not (is_machine or is_person):
            return None
        verdict = self._verdict(last.category, last.at_ms, last.evidence, confidence=last.confidence)
        return replace(verdict, at_end=True)

    # -- what is heard ---------------------------------------------------------------------------------------

    def _safely(self, take: Callable[..., object], *heard: Any) -> None:
        """The call goes on as if there were no detector, should there be a fault in it."""
        if self._is_closed:
            return
        try:
            take(*heard)
        except Exception:
            logger.exception("Detection of who answered failed")
            self.close()

    def _start(self) -> None:
        self._stream = self._activity.open(lambda voice: self._safely(self._window, voice))
        self._answering.follow(lambda start_ms, text: self._safely(self._dialogues_words, start_ms, text))

    def _audio(self, pcm: bytes, at_ms: int) -> None:
        if self._first_ms is None:
            self._first_ms = at_ms - len(pcm) // BYTES_PER_MS
        if self._stream is not None:
            missing_ms = at_ms - len(pcm) // BYTES_PER_MS - self._audio_ms
            if self._pcm and missing_ms > 0:
                self._pcm += bytes(min(missing_ms, KEPT_MS) * BYTES_PER_MS)
            self._pcm += pcm
            self._audio_ms = at_ms
            del self._pcm[: max(0, len(self._pcm) - KEPT_MS * BYTES_PER_MS)]
            self._stream.feed(pcm)
        elif self._ended_ms is None:
            return
        for tone in self._tones.feed(pcm, at_ms):
            self._tone(tone)

    def _window(self, voice: float) -> None:
        assert self._stream is not None
        at_ms = self._audio_ms - self._stream.waiting_ms
        if voice >= VOICE and self._echo.is_ours(lambda: self._samples_until(at_ms), at_ms):
            voice = 0.0
        power = power_of(self._between(at_ms - WINDOW_MS, at_ms))
        self._windows += 1
        self._take_lost(at_ms)
        window = Window(at_ms=at_ms, voice=voice, power=power)
        self._window_ms = at_ms
        if voice >= VOICE:
            self._voiced = window
        self._take(window)
        if self._windows % EVERY_WINDOWS == 0 and self._stream is not None:
            self._look(at_ms)

    def _take_lost(self, until_ms: int) -> None:
        """What was lost of the audio before the window that ends then is no silence: who was speaking goes on."""
        voiced, from_ms = self._voiced, self._window_ms
        if from_ms is None or voiced is None or until_ms - from_ms < LOST_MS or from_ms - voiced.at_ms > GOES_ON_MS:
            return
        for at_ms in range(max(from_ms, until_ms - KEPT_MS) + WINDOW_MS, until_ms - WINDOW_MS, WINDOW_MS):
            self._take(replace(voiced, at_ms=at_ms))

    def _tone(self, tone: Tone) -> None:
        if self._ended_ms is None:
            self._take(tone)
        elif tone.kind is ToneKind.BEEP and tone.end_ms > self._ended_ms:  # or had begun when we took it for silent
            self._answering.beeped()

    def _take(self, heard: Heard) -> None:
        if (judgement := self._detector.take(heard)) is not None:
            self._tell(judgement)

    def _dialogues_words(self, start_ms: int, text: str) -> None:
        if self._stream is not None:
            self._shared = start_ms, self._audio_ms
            self._take(Words(at_ms=self._audio_ms, span=Span(start_ms=start_ms, end_ms=self._audio_ms), text=text))

    # -- what comes of it ------------------------------------------------------------------------------------

    def _look(self, at_ms: int) -> None:
        """Now and then: what is to be recognised, and whether it is enough."""
        spoken = self._detector.spoken(at_ms)
        to_end = self._answering.is_machine and self._how.to_message_end
        if (span := self._wanted.due(spoken, to_end=to_end)) is not None and not self._is_shared(span):
            self._recognise(span, near_audio(bytes(self._pcm), self._from_ms, span, spoken))
        if to_end:
            self._follow_to_end(self._detector.evidence(at_ms))
        elif self._answering.is_machine or self._detector.is_done or self._answering.has_replied:
            self.close()
        elif not spoken.spans and not self._answering.may_speak and at_ms >= self._nobody_ms:
            told = self._detector.evidence(at_ms).in_words(AnsweredBy.UNKNOWN)
            self._answering.detected(self._verdict(AnsweredBy.UNKNOWN, at_ms, told), may_speak=True)

    def _recognise(self, span: Span, pcm: bytes) -> None:
        if self._how.recogniser is not None:
            self._words_due += 1
            words = self._words(self._how.recogniser, span, pcm)
            self._recognitions.start(words, name="recognition of who answered")

    async def _words(self, recogniser: SpeechToText, span: Span, pcm: bytes) -> None:
        recognition = recogniser.recognition()
        recognition.feed(pcm)
        try:
            text = await recognition.text()
        except Exception:
            logger.exception("Words of who answered not recognised")
            text = ""
        self._words_due -= 1
        self._safely(self._own_words, Words(at_ms=self._audio_ms, span=span, text=text))

    def _own_words(self, words: Words) -> None:
        self._take(words)
        if self._ended_ms is not None:  # known only now, but said before our message
            self._look_for_full(self._detector.evidence(self._ended_ms))

    def _is_shared(self, span: Span) -> bool:
        """Whether the dialogue has had this recognised."""
        if self._shared is None:
            return False
        start_ms, known_ms = self._shared
        return abs(start_ms - span.start_ms) <= SAME_START_MS and known_ms >= span.end_ms

    def _tell(self, judgement: Judgement) -> None:
        if judgement.decision is Decision.HOLD:
            return
        hangs_up = judgement.decision is Decision.HANG_UP
        category = judgement.category
        if category in MACHINES and not hangs_up:
            category = AnsweredBy.UNKNOWN  # not sure enough to treat anybody as one
        if not hangs_up and self._told is not None and not self._is_other(category):
            return
        self._told = category
        confidence = judgement.confidence if category is judgement.category else None
        verdict = self._verdict(category, judgement.at_ms, judgement.evidence, confidence=confidence)
        text = self._detector.evidence(judgement.at_ms).said.text
        self._answering.detected(verdict, text, may_speak=not hangs_up)

    def _is_other(self, category: AnsweredBy) -> bool:
        """Whether it is worth another verdict: a person is one, or isn't known to be, once and no oftener."""
        if {category, self._told} != PERSON_OR_NOT:
            return category is not self._told
        was_told, self._told_other = self._told_other, True
        return not was_told

    def _follow_to_end(self, evidence: Evidence) -> None:
        """To the moment from which on the machine records."""
        if self._found is None:
            self._found = evidence.spoken.now_ms, live_phrases(evidence)
        self._look_for_full(evidence)
        words_due = self._words_due > 0
        end = greeting_end(evidence, *self._found, may_beep=self._tones.may_beep, words_due=words_due)
        if end is None:
            return
        beep, has_beeped = evidence.beep, end is GreetingEnd.BEEP
        self._ended_ms = self._audio_ms if beep is None else beep.end_ms
        self._close_stream()
        told = evidence.in_words(AnsweredBy.MACHINE)
        told = told if has_beeped else (*told, str(end))
        self._answering.heard_out = not has_beeped
        verdict = self._verdict(
            AnsweredBy.MACHINE, evidence.spoken.now_ms, told, message_end=True, beeped=has_beeped
        )
        self._answering.detected(verdict)

    def _look_for_full(self, evidence: Evidence) -> None:
        if FULL in evidence.said.cues and not self._answering.mailbox_is_full:
            self._answering.mailbox_is_full = True
            told = evidence.in_words(AnsweredBy.MACHINE)
            is_over = self._ended_ms is not None
            verdict = self._verdict(AnsweredBy.MACHINE, evidence.spoken.now_ms, told, message_end=is_over)
            self._answering.detected(verdict)

    def _verdict(
        self, category: AnsweredBy, at_ms: int, evidence: tuple[str, ...], *, confidence: float | None = None,
        message_end: bool = False, beeped: bool = False,
    ) -> Verdict:  # fmt: skip
        return Verdict(
            answered_by=category,
            at=clock.now(),
            evidence=evidence,
            confidence=confidence,
            detection_ms=at_ms + self._how.late_ms,
            message_end=message_end,
            beeped=beeped,
            revises=category in MACHINES,
            is_ours=True,
            at_ms=at_ms,
            heard_ms=self._detector.heard_ms(evidence, at_ms),
        )

    # -- inside ----------------------------------------------------------------------------------------------

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._pcm.clear()

    @property
    def _nobody_ms(self) -> int:
        """From when on who hasn't spoken is spoken to: a callee has waited since the answer, but is listened to."""
        return max((self._first_ms or 0) + LISTENED_MS, NOBODY_MS - min(self._how.late_ms, CREDIT_MS))

    @property
    def _from_ms(self) -> int:
        return self._audio_ms - len(self._pcm) // BYTES_PER_MS

    def _between(self, from_ms: int, until_ms: int) -> bytes:
        first = max(0, from_ms - self._from_ms) * BYTES_PER_MS
        return bytes(self._pcm[first : max(0, until_ms - self._from_ms) * BYTES_PER_MS])

    def _samples_until(self, at_ms: int) -> NDArray[np.int16]:
        pcm = self._between(at_ms - STRETCH_MS, at_ms)
        return np.frombuffer(pcm.rjust(STRETCH_MS * BYTES_PER_MS, b"\0"), dtype="<i2")
