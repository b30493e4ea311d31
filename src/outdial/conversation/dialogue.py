"""The verbs of a live call (see live_call.LiveCall): what an agent does on it. Somebody from outside: from_outside.py.

Who may speak is decided by floor.py, what is said is in saying.py, what is heard in listening.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from outdial.background import Background
from outdial.conversation.call_facts import CallEngines, CallFacts, CarrierControl, last_event
from outdial.conversation.commands import Command
from outdial.conversation.courtesy import Courtesy
from outdial.conversation.endpointing import PAUSE_MS, Patience
from outdial.conversation.floor import Floor
from outdial.conversation.from_outside import FromOutside
from outdial.conversation.listening import Listening
from outdial.conversation.live_call import NORMAL, Heard, Said, SpeechFailed
from outdial.conversation.media_line import MediaLine
from outdial.conversation.notice import Notice
from outdial.conversation.opening import HEARD_OUT_MS, HearOut, Opening
from outdial.conversation.picking_up import PickingUp
from outdial.conversation.saying import Saying
from outdial.conversation.sounds import Looped
from outdial.conversation.stopping import PATIENCE_S, stop
from outdial.conversation.transcript import Journal, Transcript
from outdial.conversation.transferring import Transferring
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.utterance import Utterance
from outdial.conversation.warm import Warm
from outdial.conversation.whispers import Whispers
from outdial.media.echo import Echo
from outdial.media.sounds import Sound, SoundFailed
from outdial.telephony.outcome import CALL_BACK
from outdial.telephony.verdict import AnsweredBy

SETTLE_S = 2.0           # for words still being recognised when the call ends
FILL_MS = 2500           # of silence, while a sound file is fetched; a reply may have been waited for before that
TRANSFER_S = 10.0        # … and for a carrier to say what became of a transfer


class Dialogue:
    """What one agent does on a media line, until `end`: one verb at a time."""

    def __init__(
        self,
        facts: CallFacts,
        engines: CallEngines,
        media_line: MediaLine,
        control: CarrierControl,
        journal: Journal,
        transcript: Transcript,
        noted: MutableMapping[str, Any],
        responded: Callable[[], object] = lambda: None,
    ) -> None:
        self.call_id = facts.call_id
        self.user_id = facts.user_number
        self._variables = MappingProxyType(dict(facts.variables))
        self._noted = noted
        self.failed_transfer = facts.failed_transfer
        self.last_event = last_event(facts)
        self.answered_by: AnsweredBy | None = None  # kept up to date by the session
        self.notice = Notice(language=facts.reading.language)  # until it is given the session's
        self.whispers = Whispers()
        self.hung_up = self._recognition_was_late = False  # hung up by the agent, while the callee was there
        self._responded = responded  # to be told that the callee speaks, or presses a key
        self._media_line = media_line
        self._control = control
        self._sounds = engines.sounds
        self._journal = journal
        self._transcript = transcript
        self._background = Background()
        self._floor = Floor()
        self._listening = Listening(
            self.call_id, self._floor, engines, media_line.now_ms, transcript, self._background, self._voice
        )
        self._hearing = self._listening.hearing
        self._hearing.on_heard = responded
        turn_taking = facts.turn_taking
        self._hearing.endpointing = turn_taking.endpointing
        self._hearing.is_ours = Echo(media_line.outgoing).is_ours
        self._saying = Saying(
            self.call_id,
            self._floor,
            media_line,
            engines.text_to_speech,
            self._listening,
            transcript,
            facts.reading,
            turn_taking.words,
        )
        language = facts.reading.language
        self._leaving = Transferring(self.call_id, control, self._floor, media_line, self._saying, language)
        self._listening.on_words, self._listening.counts = self._words, self._saying.counts
        self._listening.on_partial = self._saying.partial_words
        self._listening.over_us, self._listening.is_own = self._saying.over_us, self._saying.is_own
        self._courtesy = Courtesy(turn_taking, self._floor, self._saying, self._listening, self._background)
        if turn_taking.filler_s is not None:
            self._listening.late_ms = round(turn_taking.filler_s * 1000)
        self._listening.on_late = self._words_are_late
        detected, words = facts.machine.max_wait_s is not None, turn_taking.words
        self.picking_up = PickingUp(self._floor, self._listening, words, lambda: self.answered_by, detected=detected)
        self._outside = FromOutside(self, self._floor, self._saying, self._listening, media_line, self._background)
        self.on_words: Callable[[int, str], object] = lambda start_ms, text: None  # of the callee, until a pause

    @property
    def transferred(self) -> bool:
        """Whether the callee talks to somebody else now."""
        return self._leaving.transferred

    @property
    def is_leaving(self) -> bool:
        """Whether it does, or may in a moment."""
        return self._leaving.is_leaving

    async def settle_transfer(self) -> None:
        """Wait for the carrier's word on a transfer that it is asked for just now, but not for long."""
        await self._leaving.settle()

    def cut_short(self) -> None:
        """Its end isn't waited for: a transfer that is being made counts."""
        self._leaving.transferred = self._leaving.is_leaving

    # -- told by the session ---------------------------------------------------------------------------------

    def audio(self, pcm: bytes, at_ms: int) -> None:
        self._hearing.audio(pcm, at_ms)

    def digit(self, digit: str, at_ms: int) -> None:
        self._responded()
        self._journal.event("digit", {"at_ms": at_ms})  # which one may be part of a card number
        if self._listening.digit(digit, at_ms):
            self._saying.digit()

    def judged(self, answered_by: AnsweredBy | None, *, is_due: bool) -> None:
        """More is known of who answered; `is_due`: it is our turn to speak."""
        self.answered_by = answered_by
        if is_due and not self.picking_up.is_due:
            self.picking_up.is_due = True
            self._floor.wake()

    def end(self) -> None:
        """The call is over for this agent: the verb under way and every later one raise CallEnded."""
        if not self._floor.has_ended:
            self._floor.end()
            self._courtesy.agent_acts()
            self._hearing.disable()

    async def settle(self) -> None:
        """Wait a little for the callee's last words, then let go of everything."""
        self.end()
        if (transfer := self._outside.transfer) is not None:
            await asyncio.wait({transfer}, timeout=TRANSFER_S)  # whether the call goes on depends on it
        await self._background.finish(SETTLE_S, patience_s=PATIENCE_S)
        self._hearing.forget()

    def _voice(self, utterance: Utterance) -> None:
        self._saying.voice(utterance)

    def _words(self, utterance: Utterance, text: str) -> None:
        self._saying.words(utterance, text)
        if text and not utterance.is_echo and not self._saying.is_own(utterance, text):
            self.on_words(utterance.start_ms, text)

    def _words_are_late(self) -> None:
        if not self._recognition_was_late:
            self._recognition_was_late = True
            self._journal.event("recognition_late", {"at_ms": self._media_line.now_ms()})
        self._courtesy.words_are_late()

    # -- what is known ---------------------------------------------------------------------------------------

    @property
    def variables(self) -> Mapping[str, Any]:
        return self._variables

    @property
    def noted(self) -> MutableMapping[str, Any]:
        return self._noted

    def tell(self, type_: str, data: Mapping[str, Any]) -> None:
        self._journal.event(type_, dict(data))

    # -- the verbs -------------------------------------------------------------------------------------------

    async def greeting(self) -> Heard:
        async with self._verb():
            text = await self.picking_up.open()
        return Heard(text=text, silent=not text)

    async def hear_out(self, quiet_ms: int = HEARD_OUT_MS) -> None:
        """Until a machine's greeting is over: it has been silent for that long."""
        async with self._verb():
            await self.picking_up.wait(HearOut(quiet_ms), faint=True)

    async def overhear(self, no_reply_s: float) -> Heard:
        """As `listen`, but nothing is said to who asks us to wait."""
        async with self._verb():
            return await self._listening.listen(
                patience=NORMAL, no_reply_ms=round(no_reply_s * 1000), max_digits=0, asked=NOTHING
            )

    def meet_service(self) -> None:
        """What is said from now on is said to it, and its words are no replies of the callee's."""
        self._transcript.begin_anew(with_callee=False)

    def begin_anew(self, opening: Opening | None) -> None:
        """Whoever is there now is talked to from the start, when it is our turn to (None: at once)."""
        self._listening.forget_words()
        self._transcript.begin_anew(with_callee=True)
        self.picking_up.opening, self.picking_up.is_due = opening, False

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        async with self._our_turn():
            return await self._saying.speak(text, interruptible=interruptible, asks=asks)

    async def play(self, sound: str | Sound, *, loop: int = 1, interruptible: bool = True) -> Said:
        async with self._our_turn():
            ready = await self._fetched(sound) if isinstance(sound, str) else sound
            return await self._saying.speak(Looped(ready, loop), interruptible=interruptible, asks=False)

    async def fetch_sound(self, source: str) -> Sound:
        try:
            return await self._sounds.fetch(source)
        except SoundFailed as failed:
            self._journal.event("sound_failed", {"error": failed.word})
            raise

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = 6.0, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL,
    ) -> Heard:  # fmt: skip
        patience = replace(patience, pause_ms=round(until_silence_s * 1000))

        async def listen(no_reply_s: float = no_reply_s) -> Heard:
            return await self._listening.listen(
                patience=patience, no_reply_ms=round(no_reply_s * 1000), max_digits=max_digits, asked=asked
            )

        self.picking_up.opening = None  # who listens first hears the hello
        async with self._verb():
            heard = await self._courtesy.wait_if_asked(await listen(), asked, listen)
            if not heard.silent:
                self._courtesy.agent_thinks()
            return heard

    async def send_digits(self, digits: str) -> None:
        async with self._verb():
            self._listening.settle_reply()
            await self.press(digits)

    async def transfer(self, to: str, *, failed: str | None = None, warm: Warm | None = None) -> None:
        await self._floor.must_be_up()
        if await self._leaving.is_cold(warm):
            await self._leaving.connect(to, failed)
        elif warm is not None:
            async with self._verb():
                await self._leaving.ask_first(to, warm)
        await self.hang_up()

    async def call_back(self, at: datetime, *, promised: bool) -> None:
        await self._control.call_back(at, self.noted, promised=promised)
        if promised:
            self.noted[CALL_BACK] = at.isoformat()
            self._journal.event("call_back", {"at": at.isoformat()})

    async def hang_up(self) -> None:
        self.hung_up |= not self._floor.has_ended
        self.end()
        await self._floor.must_be_up()

    async def pause(self, ms: int) -> None:
        """Silence, from us, that the carrier has played."""
        async with self._verb():
            await self._saying.pause(ms)

    @asynccontextmanager
    async def _verb(self) -> AsyncIterator[None]:
        self._courtesy.agent_acts()
        async with self._floor.verb():
            yield

    @asynccontextmanager
    async def _our_turn(self) -> AsyncIterator[None]:
        """A verb that the callee hears."""
        async with self._verb():
            await self.picking_up.open()
            self.picking_up.forget_words()
            await self._tell_of_listeners()
            yield

    # -- from outside ----------------------------------------------------------------------------------------

    async def carry_out(self, command: Command) -> dict[str, Any]:
        """As FromOutside.carry_out."""
        return await self._outside.carry_out(command)

    def connecting_sentence(self) -> str:
        """What a callee hears who is about to be connected to a person."""
        return language_of(self.notice.language).texts["taking_over"]

    async def press(self, digits: str) -> None:
        """Keys of ours, by whoever has the floor."""
        await self._saying.press(digits)
        self._journal.event("digits_sent", {"count": len(digits)})

    async def connect_to(self, to: str, failed_step: str | None = None) -> None:
        """The carrier is asked for it. Raises CallEnded and TransferFailed."""
        await self._leaving.connect(to, failed_step)

    # -- inside ----------------------------------------------------------------------------------------------

    async def _fetched(self, source: str) -> Sound:
        fetching = asyncio.create_task(self.fetch_sound(source), name="sound file of a call")
        try:
            while True:
                await self._floor.wait_for(fetching, timeout_ms=FILL_MS)
                if fetching.done():
                    return fetching.result()
                await self._saying.fill()
        finally:
            await stop(fetching)

    async def _tell_of_listeners(self) -> None:
        """Before our first words, where the workspace wants that."""
        if (text := self.notice.take()) is None:
            return
        try:
            await self._saying.speak(text, interruptible=False)
        except SpeechFailed:
            self.notice.was_said(False)
        else:
            self.notice.was_said(True)
