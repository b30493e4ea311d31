"""One live call, from its first audio to its last: who ends it, why, and what is left to be done then.

The agent is a coroutine over a Dialogue. Whatever ends the call (the callee, a limit, the user, a machine's verdict)
ends the verb under way, with CallEnded or cancellation, and then the agent.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any, cast

from outdial.background import Background
from outdial.conversation.answering import Answering
from outdial.conversation.call_facts import CallFacts, CarrierControl, Engines
from outdial.conversation.commands import Command, refusal
from outdial.conversation.dialogue import Dialogue
from outdial.conversation.gates import AtGate
from outdial.conversation.live_call import AgentCoroutine, LiveCall, converse
from outdial.conversation.media_line import MediaLine
from outdial.conversation.message import Message
from outdial.conversation.notes import Notes
from outdial.conversation.notice import Notice
from outdial.conversation.session_end import AGENT_FAILED, AUDIO_LOST, NO_MEDIA, SessionEnd, failure_of
from outdial.conversation.stopping import stop
from outdial.conversation.transcript import Journal, Transcript
from outdial.conversation.verb_results import CallEnded, SpeechFailed
from outdial.media.stream import StreamStarted
from outdial.telephony.failures import INTERRUPTED, CallError
from outdial.telephony.state import EndedBy, EndReason, who_ended
from outdial.telephony.verdict import AnsweredBy

logger = logging.getLogger(__name__)

VERDICT_WAIT_S = 30.0    # of detection, which a carrier is asked to end within about that time
AFTER_CALL_S = 10.0      # for the agent's own work once the call is over
LAST_WORDS_S = 20.0      # at most, until they are written down; a dialogue waits for much less
GOODBYE_S = 6.0          # the longest sentence said to a callee whose call we cut


class Session:
    """A live call on a media line (it is its MediaListener). Create it, give it the media line, then `run` it once."""

    def __init__(
        self, facts: CallFacts, agent: AgentCoroutine, engines: Engines, journal: Journal, control: CarrierControl
    ) -> None:
        self.media_line: MediaLine  # set by whoever opens the media stream, before run()
        self.noted = Notes(facts.noted)
        self.notice = Notice(language=facts.reading.language, before_greeting=facts.notice)
        self._facts = facts
        self._gate = AtGate(agent, facts.machine.gates, facts.turn_taking.words)
        self._engines = engines.of_call()
        self._journal, self._control = journal, control
        self._transcript = Transcript(journal, self._callee_replied)
        self._now = asyncio.get_running_loop().time
        self.answering = Answering(
            facts.machine, facts.turn_taking.words, self._has_replied, self._judged, self._transcript.heard_whole,
            self._gate.told,
        )  # fmt: skip
        self._dialogue: Dialogue | None = None
        self._settling = Background()          # dialogues that are over: nobody waits in silence for their words
        self._news = asyncio.Event()           # one of the following has changed
        self.lost = asyncio.Event()            # the audio broke off in the middle: the call ends as AUDIO_LOST
        self.replied = asyncio.Event()         # the callee has answered us: what finds a machine now comes too late
        self.responded = asyncio.Event()       # the callee spoke or pressed a key
        self._left: EndedBy | None = None      # who ended the conversation: whoever was first
        self._closed_at: float | None = None
        self._started = self._orderly = False  # orderly: the stream was closed with the carrier's word
        self._hang_up_asked = False
        self._goodbye: str | None = None       # the server stops: said ("": nothing is), then the call ends
        self._end_by = 0.0                     # the call's longest duration
        self._failure: CallError | None = None
        self._message = Message(facts.machine.message, self.answering)

    # -- the whole call --------------------------------------------------------------------------------------

    async def run(self, start_timeout_s: float = 0.0) -> SessionEnd:
        """From the stream's start to the end of the conversation. Never raises for what people or carriers do.

        The media line is left as it is: whoever runs the session first notes why the call ends, then closes it.
        """
        async with aclosing(self._engines.recognition):
            try:
                reason = await self._run(start_timeout_s)
            finally:
                await self._settling.finish(LAST_WORDS_S)
            return self._ended(reason)

    async def _run(self, start_timeout_s: float) -> EndReason:
        if not await self.starts(start_timeout_s):
            if not self._hang_up_asked:
                self._failure = INTERRUPTED if self._is_cut else NO_MEDIA
            return EndReason.COMPLETED
        self._end_by = self._now() + self._facts.max_duration_s
        if not self.answering.is_machine:
            if await self._hold(self._gate.run, until=lambda: self.answering.is_machine or self._is_cut, begins=True):
                await self._wait_for_verdict()
            elif self._is_cut and not self.answering.is_machine:
                return await self._cut_off()
        if not self.answering.is_machine:
            await self._settling.finish(LAST_WORDS_S)
        if self.answering.is_machine:
            return await self._machine_answered()
        return EndReason.MACHINE if self._gate.nobody_came else EndReason.COMPLETED

    async def starts(self, timeout_s: float) -> bool:
        """Whether the carrier's audio begins within this time; not when the call is to be hung up before."""
        start_by = self._now() + timeout_s
        while not (self._started or self._is_closed or self._hang_up_asked or self._is_cut) and self._now() < start_by:
            await self._wait_for_news(start_by)
        return self._started and not self._hang_up_asked

    async def _hold(
        self, conversation: AgentCoroutine, until: Callable[[], bool], *, begins: bool = False, ends: bool = True
    ) -> bool:
        """Let a conversation happen, at most until the call's end, its time limit, or `until` something else. `begins`:
        nobody has spoken yet; `ends`: whoever comes to its end has ended the call.

        True when it came to its own end (by error too, then `_failure` says which); False when it was stopped.
        """
        dialogue = self._dialogue = self._open_dialogue(begins=begins and self._facts.is_beginning)
        task = asyncio.create_task(converse(conversation, dialogue), name=f"agent of {self._facts.call_id}")
        task.add_done_callback(lambda _: self._news.set())
        try:
            while not (task.done() or self._hang_up_asked or until() or self._time_is_up()):
                await self._wait_for_news(self._stop_by())
            finished = task.done()
            if begins and self._leaves_message and not self._is_ending:
                await dialogue.finish_word()
            if self._is_cut:
                await dialogue.settle_transfer()  # whoever is connected to somebody else just now is not cut off
            if finished and ends and not self._may_be_machine:  # else the line stays up for a verdict, and a message
                self._ends(EndedBy.AGENT)
        finally:
            dialogue.end()
            failure = await stop(task)
            self.media_line.clear()
            await dialogue.leave()
            self._settling.start(dialogue.settle(), name=f"last words of {self._facts.call_id}")
        if finished and (task.cancelled() or failure is not None):
            self._failure = failure_of(failure)
            if self._failure is AGENT_FAILED:
                logger.error("Agent failed", extra={"call_id": self._facts.call_id}, exc_info=failure)
        return finished

    async def _wait_for_verdict(self) -> None:
        """An agent may take a machine's greeting for an answer and say goodbye to it, before detection has heard its
        end. Where a message is to be left to a machine, that is waited for; who a human is, is known long before, and
        whoever has spoken and is silent now, or isn't known to our detector, doesn't wait for long."""
        if self._may_be_machine and (self.responded.is_set() or self.answering.verdict is not None):
            await self._hold(cast(AgentCoroutine, Dialogue.hear_out), lambda: not self._may_be_machine, ends=False)
            return
        by = min(self._end_by, self._now() + VERDICT_WAIT_S)
        while self._may_be_machine and self._now() < by:
            await self._wait_for_news(by)

    def _open_dialogue(self, *, begins: bool) -> Dialogue:
        dialogue = Dialogue(
            self._facts, self._engines, self.media_line, self._control, self._journal, self._transcript, self.noted,
            self.responded.set,
        )  # fmt: skip
        dialogue.judged(self.answering.category, is_due=self.answering.may_speak)
        if not self.answering.is_machine:  # whose message has nothing to do with it
            dialogue.notice = self.notice
        dialogue.follows(self._dialogue)
        if begins:
            dialogue.picking_up.opening = self._facts.turn_taking.opening
            dialogue.on_words = self.answering.heard
        if self._is_closed:
            dialogue.end()
        return dialogue

    async def _machine_answered(self) -> EndReason:
        """Leave the message, if there is one and the machine takes it; else hang up."""
        if not self._leaves_message:
            self._ends(EndedBy.AGENT)
        elif not await self._leave_message() and self._is_cut:
            self._ends(EndedBy.SYSTEM)
        return EndReason.COMPLETED if self._message.is_delivered else EndReason.MACHINE

    async def _leave_message(self) -> bool:
        """As `_hold`. Once more after another beep: only then has the machine begun to record."""
        message = self._message
        if await self._hold(message.leave, until=lambda: self._is_cut or message.begins_again):
            return True
        again = message.begins_again and not self._is_ending
        return again and await self._hold(message.leave, until=lambda: self._is_cut)

    async def _cut_off(self) -> EndReason:
        """The callee hears that the conversation breaks off, unless there is hurry."""

        async def say_goodbye(call: LiveCall) -> None:
            with suppress(SpeechFailed, TimeoutError):
                await asyncio.wait_for(call.say(self._goodbye or "", interruptible=False), GOODBYE_S)

        if self._goodbye:
            self._end_by = max(self._end_by, self._now() + 2 * GOODBYE_S)
            await self._hold(say_goodbye, until=lambda: not self._goodbye)
        self._failure = INTERRUPTED
        return EndReason.FAILED

    def _ended(self, reason: EndReason) -> SessionEnd:
        heard = self.responded.is_set() or (None if self._dialogue is None else False)
        if self._transferred:
            return SessionEnd(end_reason=EndReason.COMPLETED, still_up=False, transferred=True, callee_responded=heard)
        error = self._failure
        if error is None and self._is_closed and not self._orderly and not self._hang_up_asked:
            error = AUDIO_LOST
        return SessionEnd(
            end_reason=EndReason.FAILED if error else reason,
            error=error,
            ended_by=who_ended(EndReason.FAILED, error) if error else self._left or EndedBy.AGENT,
            callee_responded=heard,
            still_up=not self._orderly,
            message_delivered=self._message.is_delivered,
        )

    def _ends(self, by: EndedBy) -> None:
        """Somebody ends the conversation; who was first has ended it."""
        if self._left is None:
            self._left = by

    # -- told from outside -----------------------------------------------------------------------------------

    def ask_hang_up(self, by: EndedBy = EndedBy.OPERATOR) -> None:
        """The user, or the server's shutdown (SYSTEM), wants the call to end."""
        self._ends(by)
        self._hang_up_asked = True
        self._news.set()

    def interrupt(self, goodbye: str) -> None:
        """The server stops, and the agent with it: the callee hears the sentence ("": nothing), the last of several."""
        self._goodbye = goodbye
        self._news.set()

    def cut_short(self) -> SessionEnd:
        """What there is to say of a conversation whose end isn't waited for any more."""
        if self._dialogue is not None:
            self._dialogue.cut_short()
        self._failure = INTERRUPTED
        return self._ended(EndReason.FAILED)

    def _judged(self) -> None:
        if self._dialogue is not None:
            self._dialogue.judged(self.answering.category, is_due=self.answering.may_speak)
        self._news.set()

    @property
    def max_wait_s(self) -> float | None:
        """How long answering machine detection may take; None without it."""
        return self._facts.machine.max_wait_s

    async def carry_out(self, command: Command) -> dict[str, Any]:
        """Do what somebody outside wants, as soon as the conversation allows; what came of it.

        Raises CommandRefused.
        """
        with suppress(CallEnded):
            if self._dialogue is not None and not self._is_closed:
                return await self._dialogue.carry_out(command)
        raise refusal(transferred=self._transferred, closed=self._is_closed)

    # -- Listener --------------------------------------------------------------------------------------------

    def on_started(self, started: StreamStarted) -> None:
        self._started = True
        self._news.set()

    def on_audio(self, pcm: bytes, at_ms: int) -> None:
        self._engines.recognition.audio(pcm, at_ms)
        if self._dialogue is not None:
            self._dialogue.audio(pcm, at_ms)

    def on_digit(self, digit: str, at_ms: int) -> None:
        if self._dialogue is not None:
            self._dialogue.digit(digit, at_ms)

    def on_closed(self, *, orderly: bool) -> None:
        self._closed_at = self._now()
        self._orderly = orderly
        by_us = self._dialogue is not None and self._dialogue.hung_up  # its last work goes on for a moment
        self._ends(EndedBy.AGENT if by_us else EndedBy.CALLEE if orderly else EndedBy.CARRIER)
        leaving = self._dialogue is not None and self._dialogue.is_leaving
        if not orderly and not self._hang_up_asked and not leaving:
            self.lost.set()
        if self._dialogue is not None:
            self._dialogue.end()
        self._news.set()

    # -- inside ----------------------------------------------------------------------------------------------

    @property
    def _is_closed(self) -> bool:
        return self._closed_at is not None

    @property
    def _is_cut(self) -> bool:
        """Whether we end the call though nobody wanted that; not where it is over already."""
        return self._goodbye is not None and not self._is_closed and not self._transferred and not self._hang_up_asked

    @property
    def _is_ending(self) -> bool:
        return self._is_closed or self._hang_up_asked or self._is_cut

    @property
    def _transferred(self) -> bool:
        """Whether the callee talks to somebody else now: the carrier may end the audio as it likes."""
        return self._dialogue is not None and self._dialogue.transferred

    @property
    def _leaves_message(self) -> bool:
        """Whether a machine has answered that is to have one."""
        is_machine = self.answering.is_machine and self.answering.category is AnsweredBy.MACHINE
        return is_machine and self._facts.machine.action == "leave_message"

    @property
    def _may_be_machine(self) -> bool:
        """Whether a message may still have to be left."""
        over = self._is_ending or self._transferred or self._failure is not None
        is_open = self.max_wait_s is not None and self.answering.may_find_machine and not self.replied.is_set()
        return is_open and self._facts.machine.action == "leave_message" and not over

    def _has_replied(self) -> bool:
        if self._started:
            self._transcript.check(self.media_line.now_ms())
        return self.replied.is_set()

    def _callee_replied(self) -> None:
        if not self.answering.is_judged or self.answering.may_be_revised:
            self.replied.set()
            self._news.set()

    def _stop_by(self) -> float:
        return self._end_by if self._closed_at is None else min(self._end_by, self._closed_at + AFTER_CALL_S)

    def _time_is_up(self) -> bool:
        if self._now() < self._stop_by():
            return False
        if not self._is_closed:
            self._ends(EndedBy.LIMIT)
            self._journal.event("limit", {"max_duration_s": self._facts.max_duration_s})
        else:
            logger.warning("Agent still running after its call", extra={"call_id": self._facts.call_id})
        return True

    async def _wait_for_news(self, by: float) -> None:
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(by):
                await self._news.wait()
