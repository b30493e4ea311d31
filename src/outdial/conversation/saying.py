"""What our side says: synthesised, played, cut off when the callee barges in, and what was really heard of it."""

import asyncio
import logging
from typing import Any

from outdial.conversation.floor import Floor
from outdial.conversation.hearing import Utterance
from outdial.conversation.listening import Listening
from outdial.conversation.live_call import Said, SpeechFailed
from outdial.conversation.media_line import MediaLine, Playback
from outdial.conversation.stopping import stop
from outdial.conversation.transcript import MS_PER_CHAR, Transcript, heard_part
from outdial.conversation.turns import TurnEvent, TurnState, is_barge_in
from outdial.media import tones
from outdial.media.frames import FRAME_MS, silence
from outdial.speech.base import TextToSpeech
from outdial.speech.reading.marks import without_marks
from outdial.speech.reading.reader import AMERICAN, Reading

logger = logging.getLogger(__name__)

TONE_MS = 100        # of a key pressed by us, and as long a silence after it
KEY_WAIT_MS = 500    # what `w` and `,` wait


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
        reading: Reading = AMERICAN,
    ) -> None:
        self._call_id = call_id
        self._floor = floor
        self._media_line = media_line
        self._text_to_speech = text_to_speech
        self._listening = listening
        self._transcript = transcript
        self._reading = reading
        self._playback: Playback | None = None  # what `speak` is saying
        self._interruptible = False
        self._greeting = True                   # nothing was said yet

    # -- verbs -----------------------------------------------------------------------------------------------

    async def speak(self, text: str, *, interruptible: bool) -> Said:
        """Have `text` played, to its end or to where it is cut off; it is written down as it is, and said as it is
        read aloud. Raises SpeechFailed."""
        asked_ms = self._media_line.now_ms()
        self._begin(interruptible=interruptible)
        if interruptible:
            self._listening.hearing.enable()
        else:
            self._listening.hearing.disable()
        playback = self._playback = self._media_line.play()
        synthesis = asyncio.create_task(self._synthesise(self._reading.spoken(text), playback))
        try:
            await _first_of(playback.begun, playback.done)
            if playback.start_ms is not None:
                latency = self._listening.latency(asked_ms, playback.start_ms)
                written = without_marks(text)
                self._transcript.agent_begins(written, playback.start_ms, latency, listening=interruptible)
            await _first_of(playback.done)
        finally:
            self._media_line.clear()  # does nothing, unless this verb was cancelled
            whole = synthesis.done() and synthesis.exception() is None
            failure = await stop(synthesis)
            said = self._said(text, playback, whole=whole)
        await self._floor.must_be_up()
        if failure is not None:
            logger.error("Speech synthesis failed", extra={"call_id": self._call_id}, exc_info=failure)
            raise SpeechFailed from failure
        return said

    async def press(self, digits: str) -> None:
        """Tones in the call's own audio, which G.711 carries well on every carrier. Raises ValueError for keys there
        aren't."""
        pcm = b"".join(
            silence(KEY_WAIT_MS) if key in "wW," else tones.dtmf(key, TONE_MS) + silence(TONE_MS) for key in digits
        )
        self._begin(interruptible=False)
        await self._play(pcm)
        self._floor.move(TurnEvent.PLAYED)

    async def pause(self, ms: int) -> None:
        """Silence, from us, that the carrier has played."""
        await self._play(silence(ms))

    # -- what ends a `speak` early ---------------------------------------------------------------------------

    def voice(self, utterance: Utterance) -> None:
        """The callee's voice goes on; over ours, that may be a barge-in."""
        playback = self._playback
        if not self._may_barge_in or playback is None or playback.start_ms is None:
            return
        since_ms = max(utterance.start_ms, playback.start_ms)
        voice_ms, began_after_ms = utterance.end_ms - since_ms, since_ms - playback.start_ms
        if is_barge_in(voice_ms=voice_ms, began_after_ms=began_after_ms, greeting=self._greeting):
            self._barge_in()

    def digit(self) -> None:
        """The callee pressed a key that counts; over our voice, that is a barge-in."""
        if self._may_barge_in:
            self._barge_in()

    def cut_off(self) -> None:
        """Somebody from outside doesn't wait for the end."""
        if self._playback is not None:
            self._media_line.clear()

    @property
    def _may_barge_in(self) -> bool:
        return self._floor.turn is TurnState.SPEAKING and self._interruptible

    def _barge_in(self) -> None:
        self._floor.move(TurnEvent.BARGE_IN)
        self._media_line.clear()

    # -- inside ----------------------------------------------------------------------------------------------

    def _begin(self, *, interruptible: bool) -> None:
        self._floor.move(TurnEvent.SAY)
        self._interruptible = interruptible

    async def _synthesise(self, text: str, playback: Playback) -> None:
        try:
            async for pcm in self._text_to_speech.speak(text):
                playback.feed(pcm)
        finally:
            playback.finish()

    def _said(self, text: str, playback: Playback, *, whole: bool) -> Said:
        """What came of a playback that is done; `whole` when all of `text` had been synthesised."""
        interrupted = self._floor.turn is TurnState.INTERRUPTED
        if not interrupted:
            self._floor.move(TurnEvent.PLAYED)
        self._playback = None
        played_ms, fed_ms = playback.done.result(), playback.fed * FRAME_MS
        cut_short = interrupted or played_ms < fed_ms or not whole
        spoken = self._reading.spoken
        total_ms = fed_ms if whole else max(fed_ms, len(spoken(text)) * MS_PER_CHAR)
        heard = without_marks(heard_part(text, played_ms, total_ms, spoken) if cut_short else text)
        if playback.end_ms is not None:
            self._greeting = False
            self._transcript.agent_ends(heard, playback.end_ms, interrupted=cut_short)
        return Said(text=heard, played_ms=played_ms, interrupted=interrupted, complete=playback.complete)

    async def _play(self, pcm: bytes) -> None:
        playback = self._media_line.play()
        playback.feed(pcm)
        playback.finish()
        try:
            await _first_of(playback.done)
        finally:
            self._media_line.clear()  # does nothing, unless this verb was cancelled
        await self._floor.must_be_up()


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; being cancelled meanwhile cancels none of them."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
