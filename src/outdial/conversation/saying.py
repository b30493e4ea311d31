"""What our side says: synthesised, played, cut off when the callee barges in, and what was really heard of it."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncIterator

from outdial.conversation.floor import Floor
from outdial.conversation.listening import Listening
from outdial.conversation.media_line import MediaLine
from outdial.conversation.own_words import has_been_asked, is_own
from outdial.conversation.playback import WORD_S, Playback
from outdial.conversation.sounds import Looped
from outdial.conversation.spoken_ahead import SpokenAhead
from outdial.conversation.stopping import first_of, stop
from outdial.conversation.synthesis import Synthesis
from outdial.conversation.transcript import MS_PER_CHAR, Transcript, heard_part
from outdial.conversation.turn_times import TurnTimes
from outdial.conversation.turn_words import TurnWords
from outdial.conversation.turns import TurnEvent, TurnState, is_barge_in, is_speech
from outdial.conversation.utterance import Utterance
from outdial.conversation.verb_results import Said, SpeechFailed
from outdial.media import tones
from outdial.media.frames import FRAME_MS, silence
from outdial.speech.base import TextToSpeech
from outdial.speech.reading.marks import without_marks
from outdial.speech.reading.reader import Reading

logger = logging.getLogger(__name__)

ENOUGH_WORDS = 4     # to tell what is being said; "hello, this is" may be "hello, this is she"
MURMUR_MS = 800      # two short words
REMEMBERED = 8       # of our utterances, and when they were said


class Saying:
    """Our side of one call. Whoever uses its verbs has the floor. They raise CallEnded once the call is over."""

    def __init__(
        self,
        call_id: str,
        floor: Floor,
        media_line: MediaLine,
        text_to_speech: TextToSpeech,
        listening: Listening,
        transcript: Transcript,
        reading: Reading,
        turn_words: TurnWords,
    ) -> None:
        self._call_id = call_id
        self.turn_words = turn_words
        self._floor = floor
        self._media_line = media_line
        self.text_to_speech = text_to_speech
        self._listening = listening
        self._transcript = transcript
        self.reading = reading
        self.ahead = SpokenAhead(
            lambda text, playback: Synthesis(text, playback, self.text_to_speech, self.reading, lambda: None)
        )
        self._playback: Playback | None = None  # what `speak` is saying, in …
        self._synthesis: Synthesis | None = None  # … its words, from when on and …
        # … until when; and what was said before, as long as somebody may have begun to speak over it
        self._spoken: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self._asks: bool | None = False         # … as a question; None: when they end like one
        self._interruptible = False
        self._heeded: Utterance | None = None   # what the callee says while we are silent for it
        self._taken_back = False                # the callee goes on with its last reply
        self._is_cut_off = False                # by somebody from outside
        self._keeps_words = False               # what the callee says meanwhile is for the agent
        self._greeting = True                   # nothing was said yet
        self._times: TurnTimes | None = None    # of what is being said, where that answers the callee

    # -- verbs -----------------------------------------------------------------------------------------------

    async def speak(
        self, text: str | AsyncIterator[str] | Looped, *, interruptible: bool, asks: bool | None = None
    ) -> Said:
        """Have `text`, or a sound file, played, to its end or to where it is cut off; it is written down as it is, and
        said as it is read aloud. Raises SpeechFailed.

        `asks`: whether it is a question; None: when it ends like one. See live_call.LiveCall.say.
        """
        asked_ms = self._media_line.now_ms()
        self._begin(interruptible=interruptible)
        if interruptible or self._keeps_words:
            self._listening.hearing.enable()
        else:
            self._listening.hearing.disable()
        ahead = self.ahead.take(text)
        playback = self._playback = self._media_line.play(ahead.playback if ahead else None)
        self._asks = asks
        self._times = self._times_of(text)
        self._synthesis = ahead.synthesis if ahead else self._synthesis_of(text, playback)
        self._let_finish()
        self._media_line.pump()
        synthesis = ahead.task if ahead else asyncio.create_task(self._synthesis.run())
        try:
            await first_of(playback.begun, playback.done)
            if playback.start_ms is not None:
                self._spoken.append((playback.start_ms, math.inf))
                latency = self._listening.latency(asked_ms, playback.start_ms)
                written = self._synthesis.label or without_marks(self._text)
                self._transcript.agent_begins(written, playback.start_ms, latency, listening=interruptible)
            await first_of(playback.done)
        finally:
            self._media_line.clear()  # does nothing, unless this verb was cancelled
            whole = synthesis.done() and synthesis.exception() is None
            try:  # written down at once: who has spoken to its end may be cancelled while its synthesis stops
                said = self._said(self._text, playback, whole=whole)
            finally:
                failure = await stop(synthesis)
        await self._floor.must_be_up()
        if failure is not None:
            logger.error("Speech synthesis failed", extra={"call_id": self._call_id}, exc_info=failure)
            raise SpeechFailed from failure
        return said

    async def fill(self, text: str = "") -> None:
        """Have a few words played, by default that it takes a moment, while the agent takes its time. What the callee
        says meanwhile is for the agent."""
        self._keeps_words = True
        try:
            reply = self._listening.reply
            await self.speak(text or self.turn_words.one_moment, interruptible=False)
            self._listening.reply = reply
        finally:
            self._keeps_words = False

    async def press(self, digits: str) -> None:
        """Tones in the call's own audio, which G.711 carries well on every carrier. Raises ValueError for keys there
        aren't."""
        pcm = tones.keys(digits)
        self._begin(interruptible=False)
        await self._play(pcm)
        self._floor.move(TurnEvent.PLAYED)

    async def pause(self, ms: int) -> None:
        """Silence, from us, that the carrier has played."""
        await self._play(silence(ms))

    # -- what ends a `speak` early ---------------------------------------------------------------------------

    def voice(self, utterance: Utterance) -> None:
        """The callee's voice goes on; over ours, that may be a barge-in. We are silent until its words tell."""
        if utterance is self._listening.passed:
            self._listening.passed = None  # it goes on, with more than that
        playback = self._playback
        if not self._may_barge_in or playback is None or playback.start_ms is None:
            return
        since_ms = max(utterance.start_ms, playback.start_ms)
        voice_ms, began_after_ms = utterance.end_ms - since_ms, since_ms - playback.start_ms
        if utterance is self._heeded:
            if is_speech(voice_ms=voice_ms):
                self._barge_in(utterance)
            return
        is_faint = self._listening.hearing.near.is_faint(utterance.level_dbfs)
        if not is_faint and is_barge_in(voice_ms=voice_ms, began_after_ms=began_after_ms, greeting=self._greeting):
            self._heed(utterance)

    def words(self, utterance: Utterance, text: str) -> None:
        """What the callee has said in an utterance so far; over our voice, that decides whether we go on."""
        if not self._may_barge_in:
            return
        if utterance is self._heeded:
            if self._tells_to_go_on(utterance, text):
                self._go_on(utterance)
            else:
                self._barge_in(utterance)
        elif utterance is not self._listening.passed and self.turn_words.is_hold_on(text):
            self._barge_in(utterance)

    def partial_words(self, utterance: Utterance, text: str) -> None:
        """What the callee seems to have said so far, and goes on: it may have the floor now, but "okay" alone may be
        the beginning of more."""
        if not self._may_barge_in or utterance is not self._heeded or self._tells_to_go_on(utterance, text):
            return
        if len(text.split()) >= ENOUGH_WORDS or self.turn_words.wants_floor(text):
            self._barge_in(utterance)

    def counts(self, utterance: Utterance) -> bool:
        """Whether what was said over our voice, too short to stop it, is a reply: what it answers had been asked."""
        if self._keeps_words or (self._may_barge_in and utterance is self._heeded):  # until its words tell us to go on
            return True
        return self._may_barge_in and self._has_been_asked()

    def is_own(self, utterance: Utterance, text: str) -> bool:
        """Whether an utterance that began over our voice says what we have said."""
        is_over_last = bool(self._spoken) and _is_within(utterance.start_ms, self._spoken[-1])
        return is_over_last and is_own(text, self._text, self._text)

    def over_us(self, utterance: Utterance) -> bool:
        """Whether it began while words of ours were being said: the last ones, or others shortly before."""
        return any(_is_within(utterance.start_ms, span) for span in self._spoken)

    def digit(self) -> None:
        """The callee pressed a key that counts; over our voice, that is a barge-in."""
        if self._may_barge_in:
            self._barge_in(None)

    def cut_off(self) -> None:
        """Somebody from outside doesn't wait for the end."""
        if self._playback is not None:
            self._is_cut_off = True
            self._media_line.clear()

    async def finish_word(self) -> None:
        """Say no more than that."""
        ends_ms = [] if self._playback is None or self._synthesis is None else self._synthesis.word_ends_ms
        if (said := self._media_line.finish_word(ends_ms)) is not None:
            await asyncio.wait({said}, timeout=WORD_S)

    @property
    def _text(self) -> str:
        """What is being said, or was last."""
        return "" if self._synthesis is None else self._synthesis.text

    def _heard_until(self, played_ms: int) -> int | None:
        return None if self._synthesis is None else self._synthesis.reach(played_ms)

    @property
    def _may_barge_in(self) -> bool:
        return self._floor.turn is TurnState.SPEAKING and self._interruptible

    def _let_finish(self) -> None:
        """Begin silently where the callee goes on with its reply already."""
        if self._interruptible and (late := self._listening.late_words()) is not None:
            self._heed(late)
            if late is not self._listening.hearing.current and late.words is not None:
                self.words(late, late.words)

    def _heed(self, utterance: Utterance) -> None:
        self._heeded = utterance
        self._listening.hearing.be_quick()
        self._media_line.hold()

    def _go_on(self, utterance: Utterance) -> None:
        self._heeded = None
        self._listening.go_on(utterance)
        self._media_line.resume()

    def _barge_in(self, utterance: Utterance | None) -> None:
        self._taken_back = utterance is not None and self._belongs_to_reply(utterance)
        if self._taken_back:
            self._listening.take_back()
        self._floor.move(TurnEvent.BARGE_IN)
        self._media_line.clear()

    def _tells_to_go_on(self, utterance: Utterance, text: str) -> bool:
        if not text or is_own(text, self._text, self._heard_by_now()):
            return True
        belongs_to_reply = self._belongs_to_reply(utterance)
        if not self.turn_words.is_backchannel(text):
            return not belongs_to_reply and self._is_murmur(utterance, text)
        return self._listening.is_whole() if belongs_to_reply else not self._has_been_asked()

    def _is_murmur(self, utterance: Utterance, text: str) -> bool:
        """Whether it is a word or two over a statement that tell nobody to stop. Mostly they were "sure" or "uh huh",
        and not understood; whoever wants the floor says more."""
        is_short = utterance.end_ms - utterance.start_ms < MURMUR_MS and len(text.split()) <= 2
        return is_short and not self._is_question() and not self.turn_words.wants_floor(text)

    def _belongs_to_reply(self, utterance: Utterance) -> bool:
        reply, playback = self._listening.reply, self._playback
        if reply is None or playback is None:
            return False
        return reply.goes_on_at(utterance.start_ms, said_since_ms=playback.start_ms)

    def _has_been_asked(self) -> bool:
        """Whether what is being said is a question that was heard."""
        return self._is_question() and has_been_asked(self._text, self._heard_by_now())

    def _is_question(self) -> bool:
        return self._text.rstrip().endswith("?") if self._asks is None else self._asks

    def _heard_by_now(self) -> str:
        """Of what is being said."""
        playback = self._playback
        assert playback is not None
        fed_ms = playback.fed * FRAME_MS
        spoken = self.reading.spoken
        total_ms = fed_ms if playback.finished else max(fed_ms, len(spoken(self._text)) * MS_PER_CHAR)
        heard_ms = self._media_line.heard_ms()
        return heard_part(self._text, heard_ms, total_ms, spoken, self._heard_until(heard_ms))

    # -- inside ----------------------------------------------------------------------------------------------

    def _begin(self, *, interruptible: bool) -> None:
        self._floor.move(TurnEvent.SAY)
        self._interruptible = interruptible
        self._heeded, self._taken_back, self._is_cut_off = None, False, False

    def _times_of(self, text: str | AsyncIterator[str] | Looped) -> TurnTimes | None:
        reply = self._listening.answered
        if reply is None or text == self.turn_words.one_moment:
            return None
        return TurnTimes(reply, text, self._media_line.now_ms, self._media_line.ms_at)

    def _synthesis_of(self, text: str | AsyncIterator[str] | Looped, playback: Playback) -> Synthesis:
        on_audio = (lambda: None) if self._times is None else self._times.audio
        return Synthesis(text, playback, self.text_to_speech, self.reading, on_audio)

    def _said(self, text: str, playback: Playback, *, whole: bool) -> Said:
        """What came of a playback that is done; `whole` when all of `text` had been synthesised."""
        interrupted = self._floor.turn is TurnState.INTERRUPTED
        if not interrupted:
            self._floor.move(TurnEvent.PLAYED)
        self._playback = self._heeded = None
        if not self._taken_back and text != self.turn_words.one_moment:  # which answers nothing yet
            self._listening.settle_reply()
        played_ms, fed_ms = playback.done.result(), playback.fed * FRAME_MS
        cut_short = interrupted or played_ms < fed_ms or not whole
        spoken = self.reading.spoken
        total_ms = fed_ms if whole else max(fed_ms, len(spoken(text)) * MS_PER_CHAR)
        reach = self._heard_until(played_ms)
        heard = without_marks(heard_part(text, played_ms, total_ms, spoken, reach) if cut_short else text)
        if playback.end_ms is not None:
            if self._spoken and self._spoken[-1][1] == math.inf:
                self._spoken.pop()
            self._spoken.append((playback.start_ms or 0, playback.end_ms))
            self._greeting = False
            times = None if self._times is None else self._times.told(playback, whole=not cut_short)
            label = "" if self._synthesis is None else self._synthesis.label
            self._transcript.agent_ends(label or heard, playback.end_ms, interrupted=cut_short, times=times)
            if text != self.turn_words.one_moment:
                self._listening.answered = None
        return Said(
            text=heard,
            played_ms=played_ms,
            interrupted=interrupted,
            complete=playback.complete,
            taken_back=self._taken_back,
            cut_off=self._is_cut_off and cut_short,
        )

    async def _play(self, pcm: bytes) -> None:
        playback = self._media_line.play()
        playback.feed(pcm)
        playback.finish()
        try:
            await first_of(playback.done)
        finally:
            self._media_line.clear()  # does nothing, unless this verb was cancelled
        await self._floor.must_be_up()


def _is_within(at_ms: int, span: tuple[int, float]) -> bool:
    start_ms, end_ms = span
    return start_ms <= at_ms <= end_ms
