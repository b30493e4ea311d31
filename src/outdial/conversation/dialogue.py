"""The verbs of a live call (see live_call.LiveCall): what an agent, or somebody from outside, does on it.

Who may speak is decided by floor.py, what is said is in saying.py, what is heard in listening.py.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from outdial.background import Background
from outdial.conversation.call_facts import CallFacts, CarrierControl, Engines, last_event
from outdial.conversation.commands import Command, CommandRefused, Say, SendDigits, SetVariables, Transfer
from outdial.conversation.courtesy import Courtesy
from outdial.conversation.endpointing import PAUSE_MS, Patience
from outdial.conversation.floor import Floor
from outdial.conversation.listening import Listening
from outdial.conversation.live_call import NORMAL, CallEnded, Heard, Said, SpeechFailed, TransferFailed
from outdial.conversation.media_line import MediaLine
from outdial.conversation.opening import HearOut
from outdial.conversation.picking_up import PickingUp
from outdial.conversation.saying import Saying
from outdial.conversation.stopping import PATIENCE_S
from outdial.conversation.transcript import Journal, Transcript
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.utterance import Utterance
from outdial.media.echo import Echo
from outdial.telephony.failures import FailureCode
from outdial.telephony.outcome import CALL_BACK
from outdial.telephony.verdict import AnsweredBy

logger = logging.getLogger(__name__)

SETTLE_S = 2.0           # for words still being recognised when the call ends
TRANSFER_S = 10.0        # … and for a carrier to say what became of a transfer
LET_FINISH_MS = 100      # words from outside wait for the callee's; whether they have ended is looked at this often

T = TypeVar("T")


class Dialogue:
    """What one agent does on a media line, until `end`: one verb at a time."""

    def __init__(
        self,
        facts: CallFacts,
        engines: Engines,
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
        self.transferred = False
        self._asked = asyncio.Event()  # not set while the carrier is asked to transfer the callee
        self._asked.set()
        self.hung_up = False  # by the agent, while the callee was there
        self._responded = responded  # to be told that the callee speaks, or presses a key
        self._media_line = media_line
        self._control = control
        self._journal = journal
        self._background = Background()
        self._transfer: asyncio.Task[None] | None = None  # asked for from outside
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
        self._listening.on_words, self._listening.counts = self._words, self._saying.counts
        self._listening.on_partial = self._saying.partial_words
        self._listening.over_us, self._listening.is_own = self._saying.over_us, self._saying.is_own
        self._courtesy = Courtesy(turn_taking, self._floor, self._saying, self._listening, self._background)
        self._recognition_was_late = False
        if turn_taking.filler_s is not None:
            self._listening.late_ms = round(turn_taking.filler_s * 1000)
        self._listening.on_late = self._words_are_late
        detected = facts.machine.max_wait_s is not None
        self.picking_up = PickingUp(
            self._floor, self._listening, turn_taking.words, lambda: self.answered_by, detected=detected
        )
        self.on_words: Callable[[int, str], object] = lambda start_ms, text: None  # of the callee, until a pause

    @property
    def is_leaving(self) -> bool:
        """Whether the callee is connected to somebody else, or may be in a moment."""
        return self.transferred or not self._asked.is_set()

    async def settle_transfer(self) -> None:
        """Wait for the carrier's word on a transfer that it is asked for just now, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._asked.wait()

    # -- told by the session ---------------------------------------------------------------------------------

    def audio(self, pcm: bytes, at_ms: int) -> None:
        self._hearing.audio(pcm, at_ms)

    def digit(self, digit: str, at_ms: int) -> None:
        self._responded()
        self._journal.event("digit", {"at_ms": at_ms})  # which one may be part of a card number
        if self._listening.digit(digit, at_ms):
            self._saying.digit()

    def end(self) -> None:
        """The call is over for this agent: the verb under way and every later one raise CallEnded."""
        if not self._floor.has_ended:
            self._floor.end()
            self._courtesy.agent_acts()
            self._hearing.disable()

    async def settle(self) -> None:
        """Wait a little for the callee's last words, then let go of everything."""
        self.end()
        if self._transfer is not None:
            await asyncio.wait({self._transfer}, timeout=TRANSFER_S)  # whether the call goes on depends on it
        await self._background.finish(SETTLE_S, patience_s=PATIENCE_S)

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

    async def hear_out(self) -> None:
        """Until a machine's greeting is over."""
        async with self._verb():
            await self.picking_up.wait(HearOut(), faint=True)

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        async with self._verb():
            await self.picking_up.open()
            self.picking_up.forget_words()
            return await self._saying.speak(text, interruptible=interruptible, asks=asks)

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
            await self._press(digits)

    async def transfer(self, to: str, *, failed: str | None = None) -> None:
        await self._floor.must_be_up()
        await self._connect_to(to, failed)
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

    # -- from outside ----------------------------------------------------------------------------------------

    async def carry_out(self, command: Command) -> dict[str, Any]:
        """Do what somebody outside wants, as soon as the conversation allows; what came of it.

        Raises CallEnded, and CommandRefused when it can't be done.
        """
        try:
            match command:
                case Say():
                    said = await self._say_from_outside(command.text, interrupt=command.interrupt)
                    return {"played_ms": said.played_ms, "complete": said.complete}
                case SendDigits():
                    await self._send_digits_from_outside(command.digits)
                case Transfer():
                    await self._transfer_from_outside(command.to)
                case SetVariables():
                    self._noted.update(command.values)
                    self._journal.event("variables", {"names": sorted(command.values)})
        except SpeechFailed:
            raise CommandRefused(FailureCode.SPEECH_FAILED, FailureCode.SPEECH_FAILED.meaning) from None
        except TransferFailed as failed:
            raise CommandRefused(FailureCode.CARRIER_REFUSED, failed.error.message) from None
        except ValueError as error:
            raise CommandRefused("not_possible", f"{error}.") from None
        return {}

    async def _say_from_outside(self, text: str, *, interrupt: bool = False) -> Said:
        """Speak between the agent's utterances; `interrupt` cuts the one under way short, and the callee's too.

        The callee can't interrupt. Raises CallEnded and SpeechFailed.
        """

        async def speak() -> Said:
            async with self._step_in(interrupt=interrupt):
                self._listening.answered = None  # the agent's next words will be late because of these
                return await self._saying.speak(text, interruptible=False)

        return await self._until_settled(self._start(speak()))

    async def _send_digits_from_outside(self, digits: str) -> None:
        """Press keys between the agent's utterances. Raises CallEnded, and ValueError for keys there aren't."""

        async def press() -> None:
            async with self._step_in(interrupt=False):
                await self._press(digits)

        await self._until_settled(self._start(press()))

    async def _transfer_from_outside(self, to: str) -> None:
        """Connect the callee to another number, whatever the agent is doing; it is told that the call is over.

        Raises CallEnded, and TransferFailed when the carrier won't.
        """
        if self._floor.has_ended:
            raise CallEnded
        self._transfer = self._start(self._connect_to(to))
        await self._until_settled(self._transfer)
        self.end()
        self._media_line.clear()  # what the agent is saying

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Something done from outside, which `settle` ends."""
        return self._background.start(work, name=f"command on {self.call_id}", awaited=True)

    async def _until_settled(self, task: asyncio.Task[T]) -> T:
        """Its result. The end of the call takes it with it, as CallEnded."""
        await asyncio.wait({task})
        if task.cancelled():
            raise CallEnded
        return task.result()

    @asynccontextmanager
    async def _step_in(self, *, interrupt: bool) -> AsyncIterator[None]:
        """Have the floor as somebody else than the agent; whoever is speaking finishes first, unless interrupted."""
        if interrupt:
            self._saying.cut_off()
        async with self._floor.step_in(interrupt=interrupt):
            while not interrupt and self._hearing.current is not None and not self._floor.has_ended:
                await asyncio.sleep(LET_FINISH_MS / 1000)
                self._hearing.check()
            if self._floor.has_ended:
                raise CallEnded
            was_hearing = self._hearing.enabled
            yield
            if was_hearing and not self._floor.has_ended:
                self._hearing.enable()

    # -- inside ----------------------------------------------------------------------------------------------

    async def _press(self, digits: str) -> None:
        await self._saying.press(digits)
        self._journal.event("digits_sent", {"count": len(digits)})

    async def _connect_to(self, to: str, failed_step: str | None = None) -> None:
        self._asked.clear()
        try:
            await self._control.transfer(to, failed=failed_step)
        except TransferFailed as failed:
            await self._floor.must_be_up()  # nobody was left to be transferred
            codes = {"code": failed.error.code, "carrier_code": failed.error.carrier_code}
            logger.warning("Transfer failed", extra={"call_id": self.call_id, **codes})
            raise
        else:
            self.transferred = True
        finally:
            self._asked.set()
