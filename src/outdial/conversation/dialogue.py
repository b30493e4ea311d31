"""The verbs of a live call (see live_call.LiveCall): the agent and the callee, by turns, on one media line."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from outdial.conversation.call_facts import CallFacts, CarrierControl, Engines
from outdial.conversation.hearing import Hearing, Utterance
from outdial.conversation.keypad import Keypad
from outdial.conversation.live_call import CallEnded, Heard, Said, SpeechFailed, TransferFailed
from outdial.conversation.media_line import MediaLine, Playback
from outdial.conversation.stopping import stop
from outdial.conversation.transcript import MS_PER_CHAR, Journal, ReplyTimes, Transcript, heard_part, pressed
from outdial.conversation.turns import TurnEvent, TurnState, is_barge_in, next_turn
from outdial.media import tones
from outdial.media.frames import FRAME_MS, silence
from outdial.telephony.verdict import AnsweredBy

logger = logging.getLogger(__name__)

SETTLE_S = 2.0           # for words still being recognised when the call ends
TRANSFER_S = 10.0        # … and for a carrier to say what became of a transfer
LET_FINISH_MS = 100      # words from outside wait for the callee's; whether they have ended is looked at this often
LISTEN_ON_MS = 1000      # while listening, whether audio still comes is looked at this often
INSISTING_S = 0.1        # an agent that goes on after CallEnded is slowed down to this

T = TypeVar("T")


class Dialogue:
    """What one agent does on a media line, until `end`: one verb at a time.

    Somebody outside may step in between the agent's utterances, or while it listens: whoever speaks for our side
    has the floor. The agent notices nothing of it but the time it took.
    """

    def __init__(
        self,
        facts: CallFacts,
        engines: Engines,
        media_line: MediaLine,
        control: CarrierControl,
        journal: Journal,
        transcript: Transcript,
        variables: dict[str, Any],
    ) -> None:
        self.call_id = facts.call_id
        self.user_id = facts.user_number
        self.variables = variables
        self.last_event = {
            "type": "launch",
            "payload": {
                "callType": facts.direction.value,
                "userNumber": facts.user_number,
                "agentNumber": facts.agent_number,
            },
        }
        self.answered_by: AnsweredBy | None = None  # kept up to date by the session
        self.transferred = False
        self._engines = engines
        self._media_line = media_line
        self._control = control
        self._journal = journal
        self._transcript = transcript
        self._hearing = Hearing(
            engines.speech_to_text, engines.voice_activity, media_line.now_ms, self._voice, self._utterance
        )
        self._keypad = Keypad()
        self._floor = asyncio.Lock()            # fair: who waits longest gets it next
        self._in_verb = False                   # the agent is in a verb, and …
        self._has_floor = False                 # … has the floor for it
        self._outside: list[bool] = []          # who waits for the floor from outside; True: doesn't let anybody finish
        self._transfer: asyncio.Task[Any] | None = None  # asked for from outside
        self._state = TurnState.THINKING
        self._playback: Playback | None = None  # what `say` is saying
        self._interruptible = False
        self._greeting = True                   # nothing was said yet
        self._wants_digits = 0
        self._spoken: list[tuple[Utterance, asyncio.Task[str | None]]] = []  # what counts as a reply, and its words
        self._answered: ReplyTimes | None = None                            # the reply the agent now answers
        self._waiter: asyncio.Future[None] | None = None                    # what the verb under way waits for
        self._background: set[asyncio.Task[Any]] = set()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told = False                                                  # … the agent, that it ended

    # -- told by the session ---------------------------------------------------------------------------------

    def audio(self, pcm: bytes, at_ms: int) -> None:
        self._hearing.audio(pcm, at_ms)

    def digit(self, digit: str, at_ms: int) -> None:
        self._journal.event("digit", {"at_ms": at_ms})  # which one may be part of a card number
        listening = self._state is TurnState.LISTENING
        if listening and not self._wants_digits:
            return  # nobody asked for it, now or later
        if not self._keypad.press(digit, at_ms):
            return
        if listening:
            self._wake()
        elif self._state is TurnState.SPEAKING and self._interruptible:
            self._barge_in()

    def end(self) -> None:
        """The call is over for this agent: the verb under way and every later one raise CallEnded."""
        if not self._ended.done():
            self._ended.set_result(None)
            self._hearing.disable()
            self._wake()

    async def settle(self) -> None:
        """Wait a little for the callee's last words, then let go of everything."""
        self.end()
        if self._transfer is not None:
            await asyncio.wait({self._transfer}, timeout=TRANSFER_S)  # whether the call goes on depends on it
        if self._background:
            _, late = await asyncio.wait(set(self._background), timeout=SETTLE_S)
            for task in late:
                await stop(task)

    # -- the verbs -------------------------------------------------------------------------------------------

    async def say(self, text: str, *, interruptible: bool = True) -> Said:
        async with self._verb():
            self._spoken.clear()  # said before the question: no answer to it
            return await self._speak(text, interruptible=interruptible)

    async def listen(
        self, *, until_silence_s: float = 0.5, no_reply_s: float = 6.0, max_digits: int = 0
    ) -> Heard:
        async with self._verb():
            self._wants_digits = max_digits
            self._hearing.until_silence_ms = round(until_silence_s * 1000)
            self._take_turn()
            self._answered = None
            outcome = TurnEvent.NO_REPLY
            try:
                heard = await self._reply(round(no_reply_s * 1000))
                if not heard.silent:
                    outcome = TurnEvent.REPLIED
            finally:
                if self._state is TurnState.LISTENING:  # not when the call ended while somebody outside spoke
                    self._move(outcome)
            return heard

    async def send_digits(self, digits: str) -> None:
        """In band: 100 ms tones in the call's own audio, which G.711 carries well on every carrier."""
        async with self._verb():
            await self._send_digits(digits)

    async def transfer(self, to: str) -> None:
        await self._must_be_up()
        await self._connect_to(to)
        await self.hang_up()

    async def hang_up(self) -> None:
        self.end()
        await self._must_be_up()

    async def pause(self, ms: int) -> None:
        """Silence, from us, that the carrier has played."""
        async with self._verb():
            await self._play(silence(ms))

    @asynccontextmanager
    async def _verb(self) -> AsyncIterator[None]:
        """The agent does something on its call, and has the floor for it; not while words from outside are said."""
        if self._in_verb:
            raise ValueError("a verb is impossible while another one is under way")
        await self._must_be_up()
        self._in_verb = True
        try:
            await self._claim_floor()
            yield
        finally:
            self._in_verb = False
            self._yield_floor()

    async def _claim_floor(self) -> None:
        await self._floor.acquire()
        self._has_floor = True
        await self._must_be_up()

    def _yield_floor(self) -> None:
        if self._has_floor:
            self._has_floor = False
            self._floor.release()

    # -- from outside ----------------------------------------------------------------------------------------

    async def say_from_outside(self, text: str, *, interrupt: bool = False) -> Said:
        """Speak between the agent's utterances; `interrupt` cuts the one under way short, and the callee's too.

        The callee can't interrupt. Raises CallEnded and SpeechFailed.
        """

        async def speak() -> Said:
            async with self._step_in(interrupt=interrupt):
                self._answered = None  # the agent's next words will be late because of these
                return await self._speak(text, interruptible=False)

        return await self._until_settled(speak())

    async def send_digits_from_outside(self, digits: str) -> None:
        """Press keys between the agent's utterances. Raises CallEnded, and ValueError for keys there aren't."""

        async def press() -> None:
            async with self._step_in(interrupt=False):
                await self._send_digits(digits)

        await self._until_settled(press())

    async def transfer_from_outside(self, to: str) -> None:
        """Connect the callee to another number, whatever the agent is doing; it is told that the call is over.

        Raises CallEnded, and TransferFailed when the carrier won't.
        """
        if self._ended.done():
            raise CallEnded
        task = self._transfer = asyncio.create_task(self._connect_to(to))
        await self._until_settled(task)
        self.end()
        self._media_line.clear()  # what the agent is saying

    async def _until_settled(self, work: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
        """The result of something done from outside, which the end of the call takes with it (as CallEnded)."""
        task = work if isinstance(work, asyncio.Task) else asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        await asyncio.wait({task})
        if task.cancelled():
            raise CallEnded
        return task.result()

    @asynccontextmanager
    async def _step_in(self, *, interrupt: bool) -> AsyncIterator[None]:
        """Have the floor as somebody else than the agent; whoever is speaking finishes first, unless interrupted."""
        self._outside.append(interrupt)
        self._wake()  # an agent that listens makes way
        if interrupt and self._playback is not None:
            self._media_line.clear()
        try:
            await self._floor.acquire()
        finally:
            self._outside.remove(interrupt)
        try:
            while not interrupt and self._hearing.current is not None and not self._ended.done():
                await asyncio.sleep(LET_FINISH_MS / 1000)
                self._hearing.check()
            if self._ended.done():
                raise CallEnded
            was_hearing = self._hearing.enabled
            yield
            if was_hearing and not self._ended.done():
                self._hearing.enable()
        finally:
            self._floor.release()

    async def _make_way(self) -> None:
        """The listening agent lets somebody outside have the floor, and listens again afterwards."""
        self._move(TurnEvent.MAKE_WAY)
        self._yield_floor()
        await self._claim_floor()
        self._take_turn()

    # -- saying ----------------------------------------------------------------------------------------------

    async def _speak(self, text: str, *, interruptible: bool) -> Said:
        """With the floor: have `text` played, to its end or to where it is cut off."""
        asked_ms = self._media_line.now_ms()
        self._move(TurnEvent.SAY)
        self._interruptible = interruptible
        if interruptible:
            self._hearing.enable()
        else:
            self._hearing.disable()
        playback = self._playback = self._media_line.play()
        synthesis = asyncio.create_task(self._synthesise(text, playback))
        try:
            await _first_of(playback.begun, playback.done)
            if playback.start_ms is not None:
                self._transcript.agent_begins(text, playback.start_ms, self._latency(asked_ms, playback.start_ms))
            await _first_of(playback.done)
        finally:
            self._media_line.clear()  # does nothing, unless this verb was cancelled
            whole = synthesis.done() and synthesis.exception() is None
            failure = await stop(synthesis)
            said = self._said(text, playback, whole=whole)
        await self._must_be_up()
        if failure is not None:
            logger.error("Speech synthesis failed", extra={"call_id": self.call_id}, exc_info=failure)
            raise SpeechFailed from failure
        return said

    async def _send_digits(self, digits: str) -> None:
        pcm = b"".join(silence(500) if key in "wW," else tones.dtmf(key, 100) + silence(100) for key in digits)
        self._move(TurnEvent.SAY)
        self._interruptible = False
        await self._play(pcm)
        self._move(TurnEvent.PLAYED)
        self._journal.event("digits_sent", {"count": len(digits)})

    async def _connect_to(self, to: str) -> None:
        try:
            await self._control.transfer(to)
        except TransferFailed as failed:
            await self._must_be_up()  # nobody was left to be transferred
            codes = {"code": failed.error.code, "carrier_code": failed.error.carrier_code}
            logger.warning("Transfer failed", extra={"call_id": self.call_id, **codes})
            self._journal.event("transfer_failed", failed.error.to_json())
            raise
        self.transferred = True
        self._journal.event("transferred", {})

    async def _synthesise(self, text: str, playback: Playback) -> None:
        try:
            async for pcm in self._engines.text_to_speech.speak(text):
                playback.feed(pcm)
        finally:
            playback.finish()

    def _said(self, text: str, playback: Playback, *, whole: bool) -> Said:
        """What came of a playback that is done; `whole` when all of `text` had been synthesised."""
        interrupted = self._state is TurnState.INTERRUPTED
        if not interrupted:
            self._move(TurnEvent.PLAYED)
        self._playback = None
        played_ms, fed_ms = playback.done.result(), playback.fed * FRAME_MS
        cut_short = interrupted or played_ms < fed_ms or not whole
        total_ms = fed_ms if whole else max(fed_ms, len(text) * MS_PER_CHAR)
        heard = heard_part(text, played_ms, total_ms) if cut_short else text
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
        await self._must_be_up()

    def _voice(self, utterance: Utterance) -> None:
        """The callee's voice goes on; over the agent's, that may be a barge-in."""
        playback = self._playback
        if self._state is not TurnState.SPEAKING or not self._interruptible:
            return
        if playback is None or playback.start_ms is None:
            return
        since_ms = max(utterance.start_ms, playback.start_ms)
        voice_ms, began_after_ms = utterance.end_ms - since_ms, since_ms - playback.start_ms
        if is_barge_in(voice_ms=voice_ms, began_after_ms=began_after_ms, greeting=self._greeting):
            self._barge_in()

    def _barge_in(self) -> None:
        self._move(TurnEvent.BARGE_IN)
        self._media_line.clear()

    def _latency(self, asked_ms: int, start_ms: int) -> dict[str, int] | None:
        """Of the turn whose first frame just left; None for one that answers nothing."""
        answered, self._answered = self._answered, None
        return answered.latency(asked_ms, start_ms) if answered else None

    # -- listening -------------------------------------------------------------------------------------------

    def _take_turn(self) -> None:
        self._move(TurnEvent.LISTEN)
        self._hearing.enable()

    async def _reply(self, no_reply_ms: int) -> Heard:
        silent_since_ms = self._media_line.now_ms()
        while True:
            if self._wants_digits and self._keypad:
                return Heard(digits=await self._entry())
            if self._spoken:
                if text := await self._words():
                    return Heard(text=text)
                silent_since_ms = self._media_line.now_ms()  # a cough; the callee gets the time again
                continue
            speaking = self._hearing.current is not None  # that isn't silence, however long
            if self._outside and (not speaking or any(self._outside)):
                await self._make_way()
                silent_since_ms = self._media_line.now_ms()
                continue
            left_ms = silent_since_ms + no_reply_ms - self._media_line.now_ms()
            if left_ms <= 0 and not speaking:
                return Heard(silent=True)
            await self._wait(LISTEN_ON_MS if speaking else min(left_ms, LISTEN_ON_MS))
            self._hearing.check()

    async def _entry(self) -> str:
        """Digits until they are complete."""
        while (entry := self._keypad.read(self._wants_digits, self._media_line.now_ms())) is None:
            await self._wait(self._keypad.due_ms() - self._media_line.now_ms())
        keys, first_ms, last_ms = entry
        now_ms = self._media_line.now_ms()
        self._answered = ReplyTimes(ended_ms=last_ms, decided_ms=now_ms, recognised_ms=now_ms)
        self._transcript.callee(pressed(keys), first_ms, last_ms)
        return keys

    async def _words(self) -> str:
        """What the callee said since the agent last spoke; "" for noise."""
        decided_ms = self._media_line.now_ms()
        words = []
        while self._spoken:
            utterance, recognition = self._spoken.pop(0)
            await _first_of(recognition, self._ended)
            await self._must_be_up()
            text = recognition.result()
            if text is None:
                raise SpeechFailed
            words.append(text)
        self._answered = ReplyTimes(
            ended_ms=utterance.end_ms, decided_ms=decided_ms, recognised_ms=self._media_line.now_ms()
        )
        return " ".join(filter(None, words))

    def _utterance(self, utterance: Utterance) -> None:
        """The callee has finished an utterance. Over the agent's voice, and too short for a barge-in: a backchannel."""
        recognition = asyncio.create_task(self._write_down(utterance))
        self._background.add(recognition)
        recognition.add_done_callback(self._background.discard)
        if self._state is not TurnState.SPEAKING:
            self._spoken.append((utterance, recognition))
            if self._state is TurnState.LISTENING:
                self._wake()

    async def _write_down(self, utterance: Utterance) -> str | None:
        """The words of an utterance, also written into the transcript; None when recognition failed."""
        try:
            text = await utterance.text()
        except Exception:
            logger.exception("Speech recognition failed", extra={"call_id": self.call_id})
            return None
        if text:
            self._transcript.callee(text, utterance.start_ms, utterance.end_ms)
        return text

    # -- turns and waiting -----------------------------------------------------------------------------------

    def _move(self, event: TurnEvent) -> None:
        self._state = next_turn(self._state, event)

    async def _must_be_up(self) -> None:
        if self._ended.done():
            if self._told:  # an agent that tries again and again must not keep the loop from other calls
                await asyncio.sleep(INSISTING_S)
            self._told = True
            raise CallEnded

    async def _wait(self, timeout_ms: int) -> None:
        """Until something happens or `timeout_ms` passed. Raises CallEnded."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({self._waiter}, timeout=timeout_ms / 1000)
        finally:
            self._waiter = None
        await self._must_be_up()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; being cancelled meanwhile cancels none of them."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
