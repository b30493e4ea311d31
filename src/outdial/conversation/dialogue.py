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
from outdial.conversation.language_switch import LanguageSwitch
from outdial.conversation.listening import Listening
from outdial.conversation.live_call import NORMAL
from outdial.conversation.media_line import MediaLine
from outdial.conversation.notice import Notice
from outdial.conversation.picking_up import PickingUp
from outdial.conversation.saying import Saying
from outdial.conversation.service_verbs import ServiceVerbs
from outdial.conversation.sound_fetching import SoundFetching
from outdial.conversation.sounds import Looped
from outdial.conversation.stopping import PATIENCE_S
from outdial.conversation.straight_audio import Ears, StraightAudio
from outdial.conversation.transcript import Journal, Transcript
from outdial.conversation.transferring import Transferring
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.utterance import Utterance
from outdial.conversation.verb_results import Heard, Said
from outdial.conversation.warm import Warm
from outdial.conversation.whispers import Whispers
from outdial.media.echo import Echo
from outdial.media.sounds import Sound
from outdial.telephony.outcome import CALL_BACK
from outdial.telephony.verdict import AnsweredBy

SETTLE_S = 2.0           # for words still being recognised when the call ends
TRANSFER_S = 10.0        # … and for a carrier to say what became of a transfer


class Dialogue(ServiceVerbs):
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
        self.call_id, self.user_id = facts.call_id, facts.user_number
        self._variables = MappingProxyType(dict(facts.variables))
        self._noted = noted
        self.failed_transfer = facts.failed_transfer
        self.last_event = last_event(facts)
        self.answered_by: AnsweredBy | None = None  # kept up to date by the session
        self.notice = Notice(language=facts.reading.language)  # until it is given the session's
        self.whispers = Whispers()
        self.hung_up = self._recognition_was_late = False  # hung up by the agent, while the callee was there
        self._quiet_since_ms: int | None = None  # at its end
        self._responded = responded  # to be told that the callee speaks, or presses a key
        self._media_line = media_line
        self._journal, self._control, self._transcript = journal, control, transcript
        self._background, self._floor = Background(), Floor()
        self._listening = Listening(
            self.call_id, self._floor, engines, media_line.now_ms, transcript, self._background, self._voice
        )
        self._hearing = self._listening.hearing
        self._hearing.on_heard = responded
        turn_taking, language = facts.turn_taking, facts.reading.language
        self._hearing.endpointing = turn_taking.endpointing
        self._hearing.is_ours = Echo(media_line.outgoing).is_ours
        self._saying = Saying(
            self.call_id, self._floor, media_line, engines.text_to_speech, self._listening, transcript, facts.reading,
            turn_taking.words,
        )  # fmt: skip
        self._sounds = SoundFetching(engines.sounds, self._floor, journal, self._saying.fill)
        self._leaving = Transferring(self.call_id, control, self._floor, media_line, self._saying, language)
        self._listening.on_words, self._listening.counts = self._words, self._saying.counts
        self._listening.on_partial = self._saying.partial_words
        self._listening.over_us, self._listening.is_own = self._saying.over_us, self._saying.is_own
        self._courtesy = Courtesy(turn_taking, self._floor, self._saying, self._listening, self._background)
        self.languages = LanguageSwitch(turn_taking, engines, self._saying, self._listening, self._courtesy)
        if turn_taking.filler_s is not None:
            self._listening.late_ms = round(turn_taking.filler_s * 1000)
        self._listening.on_late = self._words_are_late
        detected, words = facts.machine.max_wait_s is not None, turn_taking.words
        self.picking_up = PickingUp(
            self._floor, self._listening, words, lambda: self.answered_by, detected=detected, late_ms=facts.late_ms
        )
        self._outside = FromOutside(self, self._floor, self._saying, self._listening, media_line, self._background)
        self._straight: StraightAudio | None = None
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
        takes_keys = self._straight is not None and self._straight.is_open
        if not takes_keys and self._listening.digit(digit, at_ms):
            self._saying.digit()

    def judged(self, answered_by: AnsweredBy | None, *, is_due: bool) -> None:
        """More is known of who answered; `is_due`: it is our turn to speak."""
        self.answered_by = answered_by
        self.picking_up.news(is_due=is_due)

    def end(self) -> None:
        """The call is over for this agent: the verb under way and every later one raise CallEnded."""
        if not self._floor.has_ended:
            self._floor.end()
            self._courtesy.agent_acts()
            self._quiet_since_ms = self._hearing.disable()

    def follows(self, before: "Dialogue | None") -> None:
        """Directly: who waits for the end of what is said counts the silence that was there already, of both sides."""
        if before is not None and before._quiet_since_ms is not None:
            self._hearing.quiet_before_ms = max(before._quiet_since_ms, self._media_line.silent_since_ms)

    async def finish_word(self) -> None:
        """The call is over for this agent; what it is saying ends between two words."""
        self.end()
        await self._saying.finish_word()
        await self._floor.is_left(SETTLE_S)

    async def leave(self) -> None:
        """Until somebody else may have the call: nobody speaks here any more, or is about to be connected."""
        self.end()
        if (transfer := self._outside.transfer) is not None:
            await asyncio.wait({transfer}, timeout=TRANSFER_S)  # whether the call goes on depends on it
        await self._floor.is_left(SETTLE_S)

    async def settle(self) -> None:
        """Once it has left: wait a little for the callee's last words, then let go of everything."""
        await self._saying.ahead.let_go()
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

    async def greeting(self, then: str = "") -> Heard:
        self._prepare(then)
        async with self._verb():
            text = await self.picking_up.open()
        return Heard(text=text, silent=not text)

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        self._prepare(text)
        async with self._our_turn():
            return await self._saying.speak(text, interruptible=interruptible, asks=asks)

    async def play(self, sound: str | Sound, *, loop: int = 1, interruptible: bool = True) -> Said:
        async with self._sounds.under_way(sound) as ready, self._our_turn():
            return await self._saying.speak(Looped(await ready(), loop), interruptible=interruptible, asks=False)

    async def fetch_sound(self, source: str) -> Sound:
        return await self._sounds.fetch(source)

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = 6.0, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL,
    ) -> Heard:  # fmt: skip
        patience = replace(patience, pause_ms=round(until_silence_s * 1000))

        async def listen(no_reply_s: float = no_reply_s) -> Heard:
            no_reply_ms = round(no_reply_s * 1000)
            return await self._courtesy.hear(lambda: self._listening.listen(
                patience=patience, no_reply_ms=no_reply_ms, max_digits=max_digits, asked=asked
            ))  # fmt: skip

        self.picking_up.opening = None  # who listens first hears the hello
        async with self._verb():
            heard = await self._courtesy.wait_if_asked(await listen(), asked, listen)
            if not heard.silent:
                self._courtesy.agent_thinks()
            return heard

    @asynccontextmanager
    async def straight(self, ears: Ears) -> AsyncIterator[StraightAudio]:
        async with self._our_turn():
            self._hearing.disable()
            audio = StraightAudio(self._floor, self._media_line, self._transcript, ears, self.on_words, self._responded)
            self._straight = audio
            async with audio.opened():
                yield audio

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
            await self.notice.give(lambda text: self._saying.speak(text, interruptible=False))
            yield

    # -- from outside ----------------------------------------------------------------------------------------

    async def carry_out(self, command: Command) -> dict[str, Any]:
        """As FromOutside.carry_out."""
        return await self._outside.carry_out(command)

    async def press(self, digits: str) -> None:
        """Keys of ours, by whoever has the floor."""
        await self._saying.press(digits)
        self._journal.event("digits_sent", {"count": len(digits)})

    async def connect_to(self, to: str, failed_step: str | None = None) -> None:
        """The carrier is asked for it. Raises CallEnded and TransferFailed."""
        await self._leaving.connect(to, failed_step)

    # -- inside ----------------------------------------------------------------------------------------------

    def _prepare(self, text: str | AsyncIterator[str]) -> None:
        """Have its audio made while our first words wait for the callee's."""
        if self.picking_up.opening is not None and isinstance(text, str):
            self.prepare(self.notice.before_greeting or "")
            self.prepare(text)
