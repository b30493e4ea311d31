"""The conversations this process holds, from the first audio to the carrier's hang-up."""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock, logs
from outdial.accounts.clients import OpenCarrier
from outdial.agents.ready_agents import ReadyAgent
from outdial.background import Background
from outdial.calls.advance import apply_event, note_ending
from outdial.calls.noted import keep
from outdial.calls.ownership import Answered
from outdial.calls.records import AttemptRecord
from outdial.calls.results import Result
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.conversation.call_facts import Engines
from outdial.conversation.detection.live_detection import LiveDetection
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.conversation.session import Session
from outdial.conversation.session_end import SessionEnd
from outdial.db.trouble import tell_trouble
from outdial.dispatch.hanging_up import ask_to_end, hang_up
from outdial.live.brought import Brought
from outdial.live.carrier_control import ControlOfAttempt
from outdial.live.detection import await_verdict, detection_of, note_too_late, note_verdicts, write_verdict
from outdial.live.given import engines_of, facts_of, recording_of, writing_of
from outdial.live.progress import write_beginning, write_loss, write_response, write_wish
from outdial.live.recordings import open_recording
from outdial.live.speech_prices import priced
from outdial.live.speech_use import SpeechUse
from outdial.live.spool import Spool
from outdial.media.pacer import Pacer
from outdial.repeating import Pauses, repeat
from outdial.settings import Settings
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import EndedBy, Ending, EndReason
from outdial.telephony.verdict import REPLY
from outdial.tracing.process import about, log_fields
from outdial.workspaces.listening import NO_NOTICE, ListeningNotice

logger = logging.getLogger(__name__)

BROKE = CallError(
    code=FailureCode.INTERNAL_ERROR, message="Outdial had to end this call because of an error of its own."
)
FINISH_S = 15.0         # a goodbye, and what is left to be done then
NOTED_WITHIN_S = 0.5    # that a call begins, and why it ends: a callee doesn't wait for our database
LET_GO_S = 0.1          # of what is done beside a conversation and waits for a database
APPLY = Pauses(first_s=0.2, longest_s=1.0, tries=3)


@dataclass(slots=True, kw_only=True)
class _Conversation:
    """One that is held here. `audio_began_at`: None before that."""

    answered: Answered
    session: Session
    brought: Brought
    control: ControlOfAttempt
    spoken: SpeechUse
    recording: Path
    detection: LiveDetection | None
    audio_began_at: datetime | None = None

    @property
    def attempt_id(self) -> str:
        return self.answered.attempt_id

    @property
    def call_id(self) -> str:
        return self.answered.call.id


class Conversations:
    """Holds conversations by call id, and ends each call whole: why, what came of it, the carrier's hang-up."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        open_carrier: OpenCarrier,
        engines: Engines,
        pacer: Pacer,
        spool: Spool,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._engines = engines
        self._pacer = pacer
        self._spool = spool
        self._held: dict[str, _Conversation] = {}  # by call id
        self._speech_prices = {name: server.prices for name, server in settings.speech_servers.items()}
        self._tasks = Background()
        self._tell_begun: Callable[[str], None] = lambda call_id: None

    @property
    def count(self) -> int:
        return len(self._held)

    @property
    def talking(self) -> int:
        """How many of them have not come to their end yet."""
        return sum(conversation.brought.result is None for conversation in self._held.values())

    @property
    def call_ids(self) -> Collection[str]:
        return self._held.keys()

    @property
    def attempt_ids(self) -> list[str]:
        return [conversation.attempt_id for conversation in self._held.values()]

    def session(self, call_id: str) -> Session | None:
        """The live session of a call, where it is held here."""
        conversation = self._held.get(call_id)
        return None if conversation is None else conversation.session

    def when_begun(self, tell: Callable[[str], None]) -> None:
        """`tell` is told the id of each call whose conversation begins."""
        self._tell_begun = tell

    def start(
        self,
        carrier: CarrierName,
        answered: Answered,
        agent: ReadyAgent,
        socket: MediaSocket,
        notice: ListeningNotice = NO_NOTICE,
    ) -> MediaLine:
        """Begin to talk on an accepted media socket; the result takes its messages."""
        call_id, facts = answered.call.id, facts_of(answered, agent, notice)
        control = ControlOfAttempt(
            self._engine, self._settings, self._open_carrier, answered.attempt_id, facts.agent_number
        )
        brought = Brought(self._engine, self._spool, answered.attempt_id, writing_of(self._engine, answered))
        spoken = SpeechUse(priced(brought.journal.event, self._speech_prices))
        session = Session(facts, agent.run, engines_of(agent, self._engines, spoken), brought.journal, control)
        recording = recording_of(self._settings.data_dir, answered)
        codec = CARRIERS[carrier].stream_codec()
        session.media_line = MediaLine(codec, socket, self._pacer, session, lambda: open_recording(recording))
        conversation = _Conversation(
            answered=answered, session=session, brought=brought, control=control, spoken=spoken, recording=recording,
            detection=detection_of(answered, agent, facts, self._engines, session),
        )  # fmt: skip
        self._held[call_id] = conversation
        self._tasks.start(self._run(conversation), name=f"conversation of {call_id}")
        return session.media_line

    async def give_up(self, attempt_id: str, ending: Ending) -> None:
        """End a call that can't be talked on (any more). Where the database or the carrier isn't reached, it is tried
        again: by the sweep, or by whoever keeps the leases."""
        try:
            await note_ending(self._engine, attempt_id, ending)
            await hang_up(self._engine, self._open_carrier, attempt_id)
        except Exception as error:
            tell_trouble(self._engine, logger, "Call not ended; trying again later", error, attempt_id=attempt_id)

    def let_go(self, attempt_id: str) -> None:
        """Somebody else has taken the attempt over, and has its call ended: a goodbye, while there is time for it."""
        for conversation in list(self._held.values()):
            if conversation.attempt_id == attempt_id and conversation.brought.result is None:
                logger.warning("Conversation ended: its call was taken over", extra={"attempt_id": attempt_id})
                conversation.session.interrupt(self._settings.goodbye)

    async def prepare_goodbye(self) -> None:
        """Have the sentence spoken that is said to callees whose calls are cut: later there may be many at once."""
        if self._settings.goodbye:
            try:
                async for _ in self._engines.text_to_speech.speak(self._settings.goodbye):
                    pass
            except Exception:
                logger.exception("Goodbye not prepared")

    def say_goodbye(self) -> None:
        """Cut every conversation off that is under way: a sentence, and the call ends."""
        for conversation in list(self._held.values()):
            if conversation.brought.result is None:
                conversation.session.interrupt(self._settings.goodbye)

    async def aclose(self, at_most_s: float = FINISH_S, *, hurry: asyncio.Event | None = None) -> None:
        """Cut every conversation off, in order: a goodbye (none when there is `hurry`), the carriers told, transcripts
        and recordings saved. What the database doesn't take in time stays on the disk."""
        silent = asyncio.Event() if hurry is None else hurry
        for conversation in list(self._held.values()):
            conversation.session.interrupt("" if silent.is_set() else self._settings.goodbye)
        hurrying = asyncio.create_task(self._hurry(silent))
        await self._tasks.finish(at_most_s)
        hurrying.cancel()

    async def _hurry(self, hurry: asyncio.Event) -> None:
        await hurry.wait()
        for conversation in list(self._held.values()):
            conversation.session.interrupt("")

    # -- one conversation ------------------------------------------------------------------------------------

    async def _run(self, conversation: _Conversation) -> None:
        session, attempt_id, engine = conversation.session, conversation.attempt_id, self._engine
        traced = conversation.call_id, conversation.answered.call.traceparent
        logs.about(call_id=conversation.call_id, attempt_id=attempt_id, **log_fields(*traced))
        about(*traced)
        beside = Background()
        beside.start(self._open_account(conversation.answered.attempt), name=f"carrier of {attempt_id}")
        beside.start(write_loss(engine, attempt_id, session), name=f"audio of {attempt_id}")
        beside.start(write_response(engine, attempt_id, session), name=f"callee of {attempt_id}")
        beside.start(write_wish(engine, conversation.call_id, session), name=f"wish in {attempt_id}")
        noting = note_verdicts(engine, attempt_id, session.answering, self._tasks)
        beside.start(noting, name=f"verdicts on {attempt_id}")
        if session.max_wait_s is not None:
            awaiting = await_verdict(engine, attempt_id, session.answering, session.max_wait_s)
            beside.start(awaiting, name=f"verdict on {attempt_id}")
            beside.start(self._note_reply(conversation), name=f"reply in {attempt_id}")
        whole = False
        try:
            self._tell_begun(conversation.call_id)  # a verdict or a wish to hang up may be older than the stream
            if await session.starts(self._settings.stream_start_timeout_s):
                at = conversation.audio_began_at = clock.now()
                writing = write_beginning(engine, attempt_id, at, check_in_s=self._settings.silent_after_s)
                await asyncio.wait({beside.start(writing, name=f"beginning of {attempt_id}")}, timeout=NOTED_WITHIN_S)
            end = await self._talk(session, attempt_id)
            conversation.spoken.end()
            await self._end(conversation, end, beside)
            whole = True
        except Exception:
            fields = {"call_id": conversation.call_id, "attempt_id": attempt_id}
            logger.exception("Conversation not ended in order", extra=fields)
            await self.give_up(attempt_id, Ending(end_reason=EndReason.FAILED, error=BROKE))
        finally:
            session.media_line.close()
            conversation.spoken.end()
            self._tasks.start(conversation.control.aclose(), name=f"what {attempt_id} has left behind")
            if not whole:  # the process ends, and waits no longer
                self._keep_now(conversation)
            if self._held.get(conversation.call_id) is conversation:  # else its next attempt is talking already
                del self._held[conversation.call_id]
            if conversation.detection is not None:
                await conversation.detection.aclose()
            await beside.cancel(patience_s=LET_GO_S)

    async def _talk(self, session: Session, attempt_id: str) -> SessionEnd:
        try:
            return await session.run()
        except Exception:
            logger.exception("Conversation failed", extra={"attempt_id": attempt_id})
            return SessionEnd(end_reason=EndReason.FAILED, error=BROKE, ended_by=EndedBy.SYSTEM)

    async def _note_reply(self, conversation: _Conversation) -> None:
        """Written down even if the conversation ends at that moment: a verdict may come after its end."""
        await conversation.session.replied.wait()
        noting = note_too_late(self._engine, conversation.attempt_id, REPLY)
        self._tasks.start(noting, name=f"reply in {conversation.attempt_id}")

    async def _open_account(self, attempt: AttemptRecord) -> None:
        """Its client is to be had at the end, when the database may be away."""
        if attempt.carrier_account_id is None:
            return
        try:
            await self._open_carrier(attempt.carrier_account_id)
        except Exception as error:  # whoever hangs up tries again
            tell_trouble(self._engine, logger, "Carrier account not opened", error, attempt_id=attempt.id)

    async def _end(self, conversation: _Conversation, end: SessionEnd, beside: Background) -> None:
        """*Why* is on record first: the carrier's "completed" may overtake our own word, and would know less. But it is
        put right when ours comes (calls.corrections), so a database that doesn't answer is not waited for."""
        session, attempt_id, brought = conversation.session, conversation.attempt_id, conversation.brought
        result = brought.result = self._result(conversation, end)
        noting = [self._tasks.start(brought.keep(), name=f"keeping the result of {attempt_id}")]
        if result.ending is not None:
            noting.append(self._tasks.start(self._note(attempt_id, result.ending), name=f"ending of {attempt_id}"))
        if conversation.detection is not None and (verdict := conversation.detection.at_end()) is not None:
            writing = write_verdict(self._engine, attempt_id, verdict)
            noting.append(self._tasks.start(writing, name=f"verdict on {attempt_id}"))
        await asyncio.wait(noting, timeout=NOTED_WITHIN_S)
        await beside.cancel(patience_s=LET_GO_S)
        session.media_line.close()
        hanging_up = None
        if end.still_up:
            hanging_up = self._tasks.start(self._hang_up(conversation), name=f"hang-up of {attempt_id}")
        if end.transferred:
            await brought.journal.close()  # before the call can come back, and go on from its turns
        await brought.save(replace(result, recording=self._recorded(conversation)))  # it has its name by now
        if hanging_up is not None and await hanging_up:
            await self._apply_end(attempt_id, end)
        await brought.finish()

    def _result(self, conversation: _Conversation, end: SessionEnd) -> Result:
        disclosure = conversation.brought.journal.disclosure
        kept = keep(conversation.session.noted)
        if kept.losses:
            fields = {"call_id": conversation.call_id, "count": len(kept.losses)}
            logger.warning("Noted values dropped or cut", extra=fields)
        return Result(
            audio_began_at=conversation.audio_began_at,
            ended_at=clock.now(),
            ending=None if end.transferred else end.ending,
            noted=kept.values,
            noted_dropped=kept.told(),
            recording=self._recorded(conversation),
            message_delivered=end.message_delivered,
            transferred=end.transferred,
            callee_responded=end.callee_responded,
            ended_by=None if end.error else end.ended_by,  # a failure of ours tells nothing of who left
            returns=conversation.answered.returns,
            turns=conversation.brought.journal.turns,
            turn_latency_ms=conversation.brought.journal.turn_latency_ms,
            disclosure={"heard_at_ms": disclosure.heard_at_ms} if disclosure.is_due else None,
            latencies_ms=conversation.brought.journal.latencies_ms,
        )

    def _recorded(self, conversation: _Conversation) -> str | None:
        path = conversation.recording
        is_there = path.exists() or path.with_name(path.name + ".part").exists()
        return str(path.relative_to(self._settings.data_dir)) if is_there else None

    async def _note(self, attempt_id: str, ending: Ending) -> None:
        try:
            await note_ending(self._engine, attempt_id, ending)
        except Exception as error:  # it is part of the result, too
            tell_trouble(self._engine, logger, "Ending of call not noted at once", error, attempt_id=attempt_id)

    async def _hang_up(self, conversation: _Conversation) -> bool:
        attempt = conversation.answered.attempt
        if attempt.carrier_call is None or attempt.carrier_account_id is None:
            # Talking before the carrier's reply: it has told by now.
            return await hang_up(self._engine, self._open_carrier, attempt.id)
        return await ask_to_end(self._engine, self._open_carrier, attempt)

    async def _apply_end(self, attempt_id: str, end: SessionEnd) -> None:
        event = end.ending.reached(clock.now())
        try:
            await repeat(lambda: apply_event(self._engine, attempt_id, event), on=Exception, pauses=APPLY)
        except Exception as error:  # the sweep looks at it soon
            tell_trouble(self._engine, logger, "End of call not written", error, attempt_id=attempt_id)

    def _keep_now(self, conversation: _Conversation) -> None:
        """What a conversation has brought so far that is cut off in the middle, or at its end."""
        brought = conversation.brought
        if brought.result is None:
            brought.result = self._result(conversation, conversation.session.cut_short())
        brought.keep_now()
