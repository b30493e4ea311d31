"""The conversations this process holds, from the first audio to the carrier's hang-up."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.agents.ready_agents import ReadyAgent
from outdial.background import Background
from outdial.calls.advance import apply_event, begin_audio, note_ending
from outdial.calls.noted import keep
from outdial.calls.ownership import Answered
from outdial.calls.results import Result, note_response, save_result
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.conversation.call_facts import CallFacts, Engines
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.conversation.session import Session
from outdial.conversation.session_end import AUDIO_LOST, SessionEnd
from outdial.dispatch.hanging_up import hang_up
from outdial.live.carrier_control import ControlOfAttempt
from outdial.live.detection import await_verdict, machine_policy, note_too_late
from outdial.live.journal import CallJournal
from outdial.live.recordings import open_recording, recording_path
from outdial.media.pacer import Pacer
from outdial.repeating import Pauses, repeat
from outdial.settings import Settings
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason, Progress
from outdial.telephony.verdict import REPLY

logger = logging.getLogger(__name__)

BROKE = CallError(
    code=FailureCode.INTERNAL_ERROR, message="Outdial had to end this call because of an error of its own."
)
FINISH_S = 10.0
ONCE, SAVE_AGAIN = Pauses(first_s=0.0, longest_s=0.0, tries=1), Pauses(first_s=0.2, longest_s=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversation:
    """One that is held here."""

    answered: Answered
    session: Session
    journal: CallJournal
    recording: Path

    @property
    def attempt_id(self) -> str:
        return self.answered.attempt_id

    @property
    def call_id(self) -> str:
        return self.answered.call.id


class Conversations:
    """Holds conversations by call id, and ends each call whole: why, what came of it, the carrier's hang-up."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, engines: Engines, pacer: Pacer
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._engines = engines
        self._pacer = pacer
        self._held: dict[str, _Conversation] = {}  # by call id
        self._tasks = Background()
        self._tell_begun: Callable[[str], None] = lambda call_id: None

    @property
    def count(self) -> int:
        return len(self._held)

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

    def start(self, carrier: CarrierName, answered: Answered, agent: ReadyAgent, socket: MediaSocket) -> MediaLine:
        """Begin to talk on an accepted media socket; the result takes its messages."""
        call = answered.call
        facts = CallFacts(
            call_id=call.id,
            direction=call.direction,
            user_number=call.to if call.is_outbound else call.from_,
            agent_number=call.from_ if call.is_outbound else call.to,
            max_duration_s=call.max_duration_s,
            variables=answered.variables,
            noted=answered.noted,
            machine=machine_policy(call.detection, agent),
        )
        control = ControlOfAttempt(
            self._engine, self._settings, self._open_carrier, answered.attempt_id, facts.agent_number
        )
        journal = CallJournal(self._engine, call.id, first_seq=answered.turns)
        session = Session(facts, agent.run, self._engines, journal, control)
        recording = recording_path(self._settings.data_dir, call.workspace_id, call.id, answered.turns)
        codec = CARRIERS[carrier].stream_codec()
        session.media_line = MediaLine(codec, socket, self._pacer, session, lambda: open_recording(recording))
        conversation = _Conversation(answered=answered, session=session, journal=journal, recording=recording)
        self._held[call.id] = conversation
        self._tasks.start(self._run(conversation), name=f"conversation of {call.id}")
        return session.media_line

    async def give_up(self, attempt_id: str, ending: Ending) -> None:
        """End a call that can't be talked on (any more). Where the database or the carrier isn't reached, it is tried
        again: by the sweep, or by whoever keeps the leases."""
        try:
            await note_ending(self._engine, attempt_id, ending)
            await hang_up(self._engine, self._open_carrier, attempt_id)
        except Exception:
            logger.exception("Call not ended; trying again later", extra={"attempt_id": attempt_id})

    async def aclose(self, at_most_s: float = FINISH_S) -> None:
        """End every conversation in order: the callees' carriers are told, transcripts and recordings saved."""
        for conversation in list(self._held.values()):
            conversation.session.ask_hang_up(EndedBy.SYSTEM)
        await self._tasks.finish(at_most_s)

    # -- one conversation ------------------------------------------------------------------------------------

    async def _run(self, conversation: _Conversation) -> None:
        session, attempt_id = conversation.session, conversation.attempt_id
        beside = Background()
        beside.start(self._note_loss(conversation), name=f"audio of {attempt_id}")
        beside.start(self._note_response(conversation), name=f"callee of {attempt_id}")
        if session.max_wait_s is not None:
            deadline = await_verdict(self._engine, attempt_id, session, session.max_wait_s)
            beside.start(deadline, name=f"verdict on {attempt_id}")
            beside.start(self._note_reply(conversation), name=f"reply in {attempt_id}")
        try:
            self._tell_begun(conversation.call_id)  # a verdict or a wish to hang up may be older than the stream
            if await session.starts(self._settings.stream_start_timeout_s):
                await begin_audio(self._engine, attempt_id, check_in_s=self._settings.silent_after_s)
            end = await session.run()
            await beside.cancel()
            await self._end(conversation, end)
        except Exception:
            fields = {"call_id": conversation.call_id, "attempt_id": attempt_id}
            logger.exception("Conversation failed", extra=fields)
            await self.give_up(attempt_id, Ending(end_reason=EndReason.FAILED, error=BROKE))
        finally:
            session.media_line.close()
            if self._held.get(conversation.call_id) is conversation:  # else its next attempt is talking already
                del self._held[conversation.call_id]
            await beside.cancel()
            await conversation.journal.close()

    async def _note_loss(self, conversation: _Conversation) -> None:
        """At once: the conversation still winds up when the carrier says "completed", which would be all we know."""
        await conversation.session.lost.wait()
        ending = Ending(end_reason=EndReason.FAILED, error=AUDIO_LOST)
        await note_ending(self._engine, conversation.attempt_id, ending)

    async def _note_reply(self, conversation: _Conversation) -> None:
        """Written down even if the conversation ends at that moment: a verdict may come after its end."""
        await conversation.session.replied.wait()
        noting = note_too_late(self._engine, conversation.attempt_id, REPLY)
        self._tasks.start(noting, name=f"reply in {conversation.attempt_id}")

    async def _note_response(self, conversation: _Conversation) -> None:
        """At once, too: the callee may leave before the result is saved that says so."""
        await conversation.session.responded.wait()
        try:
            await note_response(self._engine, conversation.attempt_id)
        except Exception:
            fields = {"attempt_id": conversation.attempt_id}
            logger.warning("Callee's response not noted; the result will tell", extra=fields, exc_info=True)

    async def _end(self, conversation: _Conversation, end: SessionEnd) -> None:
        session, attempt_id, recording = conversation.session, conversation.attempt_id, conversation.recording
        if not end.transferred:
            ending = Ending(end_reason=end.end_reason, error=end.error, ended_by=end.ended_by)
            await note_ending(self._engine, attempt_id, ending)
        session.media_line.close()
        kept = keep(session.noted)
        if kept.losses:
            fields = {"call_id": conversation.call_id, "count": len(kept.losses)}
            logger.warning("Noted values dropped or cut", extra=fields)
        result = Result(
            noted=kept.values,
            noted_dropped=kept.told(),
            recording=str(recording.relative_to(self._settings.data_dir)) if recording.exists() else None,
            message_delivered=end.message_delivered,
            transferred=end.transferred,
            callee_responded=end.callee_responded,
            ended_by=None if end.error else end.ended_by,  # a failure of ours tells nothing of who left
        )
        # A transferred call goes on without us, and nobody waits: it must not be given up for want of a database.
        await repeat(
            lambda: save_result(self._engine, attempt_id, conversation.call_id, result),
            on=(OperationalError, InterfaceError, PoolTimeoutError),
            pauses=SAVE_AGAIN if end.transferred else ONCE,
            failed=lambda error: logger.warning("Result not saved", extra={"attempt_id": attempt_id}, exc_info=error),
        )
        if end.still_up and await hang_up(self._engine, self._open_carrier, attempt_id):
            event = Progress(
                state=CallState.ENDED,
                at=datetime.now(UTC),
                end_reason=end.end_reason,
                error=end.error,
                ended_by=end.ended_by,
            )
            await apply_event(self._engine, attempt_id, event)
