"""The second legs whose audio this process has: somebody is briefed, asked, and connected or let go.

What they say is heard and not kept: it is no part of the callee's call. Nor is it recorded.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.agents.ready_agents import ReadyAgent
from outdial.background import Background
from outdial.calls.consultations import Answer, Consultation, drop, note_answer, read_consultation
from outdial.calls.records import CallRecord
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.conversation.call_facts import CallFacts, Engines, turn_taking_of
from outdial.conversation.live_call import LiveCall
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.conversation.opening import Greet
from outdial.conversation.session import Session
from outdial.conversation.taking_call import Reply, ask
from outdial.conversation.transcript import Turn
from outdial.conversation.understanding.language import language_of
from outdial.conversation.verb_results import CallBackRefused, TransferFailed
from outdial.conversation.warm import Warm
from outdial.db.trouble import tell_trouble
from outdial.dispatch.second_legs import end_leg
from outdial.live.given import engines_of
from outdial.live.speech_use import SpeechUse
from outdial.media.pacer import Pacer
from outdial.settings import Settings
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallDirection, EndReason
from outdial.telephony.transfer import TransferOutcome

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
AT_ONCE_S = 1.2           # within this who has taken the call is connected mostly; a sentence would be cut off
CONNECTED_WITHIN_S = 8.0  # … and after this, and a sentence, is told that nothing came of it
AT_MOST_S = 240.0
FINISH_S = 5.0

NOT_FOR_THEM = CallError(code=FailureCode.WRONG_CALL_STATE, message="Who is asked to take a call is not transferred.")


class Consultations:
    """Talks with those who are asked to take a callee."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, engines: Engines, pacer: Pacer
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._engines = engines
        self._pacer = pacer
        self._sessions: set[Session] = set()
        self._tasks = Background()

    def start(
        self, carrier: CarrierName, leg: Consultation, call: CallRecord, agent: ReadyAgent, socket: MediaSocket
    ) -> MediaLine:
        """Begin to talk on an accepted media socket; the result takes its messages."""
        language = agent.reading.language
        facts = CallFacts(
            call_id=call.id,
            direction=CallDirection.OUTBOUND,
            user_number=leg.to,
            agent_number=call.from_ if call.is_outbound else call.to,
            max_duration_s=AT_MOST_S,
            reading=agent.reading,
            turn_taking=turn_taking_of(language, greet=Greet.AFTER_HELLO, hold_s=leg.wait_s),
        )

        async def brief(live: LiveCall) -> None:
            reply = await ask(live, leg.brief, language_of(language), wait_s=leg.wait_s)
            await self._answered(live, leg, reply, language)

        unwritten = _Unwritten()
        spoken = SpeechUse(unwritten.event)
        session = Session(facts, brief, engines_of(agent, self._engines, spoken), unwritten, _NoControl())
        session.media_line = MediaLine(
            CARRIERS[carrier].stream_codec(), socket, self._pacer, session, lambda: None
        )
        self._sessions.add(session)
        self._tasks.start(self._run(session, leg, spoken), name=f"second leg of {leg.attempt_id}")
        return session.media_line

    async def aclose(self) -> None:
        """Let everybody go who is still being asked."""
        for session in list(self._sessions):
            session.interrupt("")
        await self._tasks.finish(FINISH_S)

    async def _run(self, session: Session, leg: Consultation, spoken: SpeechUse) -> None:
        is_machine = False
        try:
            end = await session.run(self._settings.stream_start_timeout_s)
            is_machine = end.end_reason is EndReason.MACHINE  # by what it says of itself
        except Exception:
            logger.exception("Second leg failed", extra={"attempt_id": leg.attempt_id})
        finally:
            self._sessions.discard(session)
            session.media_line.close()
            spoken.end()
            await self._end(leg, is_machine=is_machine)

    async def _answered(self, live: LiveCall, leg: Consultation, reply: Reply | None, language: str) -> None:
        texts = language_of(language).texts
        if reply is None:
            await note_answer(self._engine, leg.transfer_id, Answer.NONE)
            return
        if not reply.takes:
            await note_answer(self._engine, leg.transfer_id, Answer.DECLINED)
            await live.say(texts["not_connecting"], interruptible=False)
            return
        await note_answer(self._engine, leg.transfer_id, Answer.ACCEPTED, by=reply.by)
        for wait_s, words in ((AT_ONCE_S, "connecting"), (CONNECTED_WITHIN_S, "not_connecting")):
            if await self._is_connected(leg, wait_s):
                return
            await live.say(texts[words], interruptible=False)

    async def _is_connected(self, leg: Consultation, wait_s: float) -> bool:
        """Whether the carrier has taken it off our audio within this time, or is done with that where it doesn't."""
        give_up_at = asyncio.get_running_loop().time() + wait_s
        while asyncio.get_running_loop().time() < give_up_at:
            now = await read_consultation(self._engine, leg.transfer_id)
            if now.result is TransferOutcome.ANSWERED:
                return True
            if now.dropped_at is not None or now.ended_at is not None:
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    async def _end(self, leg: Consultation, *, is_machine: bool) -> None:
        """Our part in it is over: it is ended, unless the callee has it."""
        try:
            now = await read_consultation(self._engine, leg.transfer_id)
            if now.is_joined:
                return
            if now.ended_at is None:
                is_machine = is_machine or now.answer is Answer.NONE
                outcome = TransferOutcome.VOICEMAIL if is_machine else TransferOutcome.DECLINED
                now = await drop(self._engine, leg.transfer_id, outcome)
            await end_leg(self._engine, self._open_carrier, now)
        except Exception as error:
            tell_trouble(self._engine, logger, "Second leg not ended; trying again", error, attempt_id=leg.attempt_id)


class _Unwritten:
    """A journal that keeps nothing (see conversation.transcript.Journal)."""

    def turn(self, turn: Turn) -> None:
        pass

    def event(self, type_: str, data: dict[str, Any]) -> None:
        pass


class _NoControl:
    """Of a carrier that is asked nothing (see conversation.call_facts.CarrierControl): who is briefed is neither
    transferred nor called back."""

    async def transfer(self, to: str, *, failed: str | None) -> None:
        raise TransferFailed(NOT_FOR_THEM)

    async def can_consult(self) -> bool:
        return False

    async def consult(self, to: str, warm: Warm, joining: Callable[[], None]) -> None:
        raise TransferFailed(NOT_FOR_THEM)

    async def call_back(self, at: datetime, noted: Mapping[str, Any], *, promised: bool) -> None:
        raise CallBackRefused(NOT_FOR_THEM.message)
