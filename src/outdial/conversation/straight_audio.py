"""A conversation in audio alone, beside the dialogue's verbs: what the callee says goes to whoever leads it as sound,
and what that says comes as sound. Nothing is recognised or synthesised here.

Its audio is played by the call's media line, in time; what was heard of it is known by the carrier's marks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from outdial.conversation.floor import Floor
from outdial.conversation.media_line import MediaLine
from outdial.conversation.playback import WORD_S, Playback
from outdial.conversation.transcript import MS_PER_CHAR, ReplyTimes, Transcript, heard_part
from outdial.conversation.turn_times import TurnTimes
from outdial.conversation.turns import TurnEvent, TurnState
from outdial.media.frames import BYTES_PER_MS, FRAME_MS
from outdial.media.stream import StreamStarted

MOST_MS = 180_000  # of one speech: who gets so much in one go sends without end


class Ears(Protocol):
    """Who hears the callee meanwhile. Returns at once."""

    def hears(self, pcm: bytes, at_ms: int) -> None:
        """PCM16 at 8000 Hz, spoken until `at_ms` of the call clock."""
        ...

    def sees_digit(self, digit: str, at_ms: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a speech answers, and when it was asked for, in ms on the call clock."""

    reply: ReplyTimes
    asked_ms: int


class Speech:
    """One thing that our side says: fed while it comes, played once it is its turn. `text`: its words, as far as they
    are known. `heard`, `played_ms` and `interrupted` are known once `is_done`."""

    def __init__(self, answers: Answers | None = None) -> None:
        self.text = ""
        self.is_whole = self.is_done = self.interrupted = False
        self.heard = ""
        self.played_ms = 0
        self.fed_ms = 0
        self.first_audio_ms: int | None = None
        self.answers = answers
        self._before = bytearray()  # what came before its turn
        self._playback: Playback | None = None

    @property
    def has_begun(self) -> bool:
        """Whether any of it was sent to the callee."""
        return self._playback is not None and self._playback.sent > 0

    @property
    def is_starved(self) -> bool:
        """Whether it is its turn, and nothing is there to be said, though more is to come."""
        playback = self._playback
        return playback is not None and not (self.is_whole or self.is_done or playback.frames)

    def feed(self, pcm: bytes) -> bool:
        """False where it is too much: the rest isn't said."""
        if self.is_whole or self.is_done:
            return True
        if self.fed_ms > MOST_MS:
            return False
        self.fed_ms += len(pcm) // BYTES_PER_MS
        if self._playback is None:
            self._before += pcm
        else:
            self._playback.feed(pcm)
        return True

    def finish(self) -> None:
        """All of its audio was fed."""
        if not self.is_whole:
            self.is_whole = True
            if self._playback is not None:
                self._playback.finish()

    def play(self, playback: Playback) -> None:
        self._playback = playback
        if self._before:
            pcm, self._before = bytes(self._before), bytearray()
            playback.feed(pcm)
        if self.is_whole:
            playback.finish()

    def ended(self, playback: Playback, *, interrupted: bool) -> None:
        self.is_done, self.interrupted = True, interrupted
        self.played_ms = playback.done.result()
        fed_ms = playback.fed * FRAME_MS
        is_cut = interrupted or self.played_ms < fed_ms or not self.is_whole
        total_ms = fed_ms if self.is_whole else max(fed_ms, len(self.text) * MS_PER_CHAR)
        self.heard = heard_part(self.text, self.played_ms, total_ms) if is_cut else self.text


class StraightAudio:
    """While the audio goes straight: it is the agent's one verb meanwhile, and it has the floor. `callee_speaks` is set
    by whoever detects that."""

    def __init__(
        self,
        floor: Floor,
        media_line: MediaLine,
        transcript: Transcript,
        ears: Ears,
        told: Callable[[int, str], object],
        responded: Callable[[], object],
    ) -> None:
        """`told`: of the callee's words, and since when they were spoken; `responded`: that the callee speaks."""
        self.callee_speaks = self.is_open = False
        self.now_ms = media_line.now_ms
        self._floor = floor
        self._media_line = media_line
        self._transcript = transcript
        self._ears = ears
        self._told = told
        self._responded = responded
        self._speech: Speech | None = None
        self._playback: Playback | None = None
        self._times: TurnTimes | None = None
        self._is_told = False  # that it is being said

    # -- our side ----------------------------------------------------------------------------------------------

    @property
    def speech(self) -> Speech | None:
        """What is being played; None when nothing is."""
        return self._speech

    def speak(self, speech: Speech) -> None:
        """Nothing else may be played."""
        if self._speech is not None:
            raise ValueError("something is being said")
        self._floor.move(TurnEvent.REPLIED)
        self._floor.move(TurnEvent.SAY)
        self._speech, playback = speech, self._media_line.play()
        self._playback, self._is_told = playback, False
        if (answers := speech.answers) is not None:
            self._times = TurnTimes(answers.reply, None, self.now_ms, self._media_line.ms_at)
            self._times.audio()
        playback.begun.add_done_callback(lambda _: self._began(speech, playback))
        playback.done.add_done_callback(lambda _: self._ended(playback))
        speech.play(playback)

    def words_are_known(self) -> None:
        """Of what is being said."""
        if self._speech is not None and self._is_told:
            self._transcript.agent_says(self._speech.text)

    def cut(self) -> Speech | None:
        """The callee takes the floor: what was said until now is all that is said of it."""
        return self._cut(interrupted=True)

    def _cut(self, *, interrupted: bool) -> Speech | None:
        speech, playback = self._speech, self._playback
        if speech is None or playback is None:
            return None
        self._media_line.clear()
        self._ended(playback, interrupted=interrupted)
        return speech

    def _began(self, speech: Speech, playback: Playback) -> None:
        start_ms = playback.start_ms
        if start_ms is None or speech.is_done or self._is_told:
            return
        self._is_told = True
        answers = speech.answers
        latency = None if answers is None else answers.reply.latency(answers.asked_ms, start_ms)
        self._transcript.agent_begins(speech.text, start_ms, latency, listening=True)

    def _ended(self, playback: Playback, *, interrupted: bool = False) -> None:
        speech = self._speech
        if speech is None or playback is not self._playback:
            return  # told already
        self._speech = self._playback = None
        if not playback.done.done():
            playback.done.set_result(0)
        interrupted = interrupted or self._floor.turn is TurnState.INTERRUPTED
        self._began(speech, playback)  # where its first frame left just now
        speech.ended(playback, interrupted=interrupted)
        times = None if self._times is None else self._times.told(playback, whole=not interrupted)
        self._times = None
        if playback.end_ms is not None:
            cut_short = interrupted or speech.heard != speech.text
            self._transcript.agent_ends(speech.heard, playback.end_ms, interrupted=cut_short, times=times)
        if self._floor.turn is TurnState.SPEAKING:
            self._floor.move(TurnEvent.BARGE_IN if interrupted else TurnEvent.PLAYED)
        self._floor.move(TurnEvent.LISTEN)
        self._floor.wake()

    # -- the callee --------------------------------------------------------------------------------------------

    def callee_began(self) -> None:
        self.callee_speaks = True
        self._responded()

    def callee_said(self, text: str, start_ms: int, end_ms: int) -> None:
        """Words of the callee's, known now."""
        self._transcript.callee(text, start_ms, max(start_ms, end_ms))
        self._told(start_ms, text)

    def callee_pressed(self, keys: str, first_ms: int, last_ms: int) -> None:
        """Keys that are an entry."""
        self._transcript.callee_pressed(keys, first_ms, last_ms)

    # -- waiting -----------------------------------------------------------------------------------------------

    @property
    def is_wanted(self) -> bool:
        """Whether somebody from outside is to have the floor now."""
        return self._floor.is_wanted(callee_speaks=self.callee_speaks or self._speech is not None)

    async def wait(self, timeout_ms: int) -> None:
        """Until something happens (`wake`) or `timeout_ms` passed. Raises CallEnded."""
        await self._floor.wait(max(1, timeout_ms))

    def wake(self) -> None:
        self._floor.wake()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["StraightAudio"]:
        self._floor.move(TurnEvent.LISTEN)
        self._media_line.follow(self)
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False
            self._media_line.unfollow(self)
            if (playback := self._playback) is not None and playback.is_last_word:
                await asyncio.wait({playback.done}, timeout=WORD_S)
            self._cut(interrupted=False)
            if self._floor.turn is TurnState.LISTENING:
                self._floor.move(TurnEvent.NO_REPLY)

    # -- MediaListener -----------------------------------------------------------------------------------------

    def on_started(self, started: StreamStarted) -> None: ...

    def on_audio(self, pcm: bytes, at_ms: int) -> None:
        self._ears.hears(pcm, at_ms)

    def on_digit(self, digit: str, at_ms: int) -> None:
        self._ears.sees_digit(digit, at_ms)
        self._floor.wake()

    def on_closed(self, *, orderly: bool) -> None: ...


