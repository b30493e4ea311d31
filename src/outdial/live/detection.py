"""Answering machine detection of a live call: what to do with a machine, and the deadline of the verdict."""

import asyncio
import logging
from datetime import UTC, datetime

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.ready_agents import ReadyAgent
from outdial.calls.advance import apply_event
from outdial.calls.records import DetectionWanted
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.session import Session
from outdial.db.trouble import tell_trouble
from outdial.repeating import UNTIL_WRITTEN, repeat
from outdial.telephony.verdict import DEADLINE, AnsweredBy, Verdict

logger = logging.getLogger(__name__)


def machine_policy(wanted: DetectionWanted | None, agent: ReadyAgent) -> MachinePolicy:
    """What to do with a machine: the request's word, else the agent's, else hang up. Without detection: nothing."""
    if wanted is None:
        return MachinePolicy(action="continue")
    message = wanted.message or agent.machine_message
    return MachinePolicy(
        action=wanted.on_machine or agent.machine_action,
        message=lambda call: agent.word(message, call) if message else "",
        max_wait_s=wanted.max_wait_s,
    )


async def await_verdict(engine: AsyncEngine, attempt_id: str, session: Session, max_wait_s: float) -> None:
    """Where detection has come to no result by then, that is the result. What finds a machine later is only noted."""
    await asyncio.sleep(max_wait_s)
    if not session.is_judged:
        await note_too_late(engine, attempt_id, DEADLINE)


async def note_too_late(engine: AsyncEngine, attempt_id: str, evidence: str) -> None:
    """It is too late to find a machine: until the database knows, a verdict would still be obeyed."""
    unknown = Verdict(answered_by=AnsweredBy.UNKNOWN, at=datetime.now(UTC), evidence=(evidence,))
    await repeat(
        lambda: apply_event(engine, attempt_id, unknown),
        on=(OperationalError, InterfaceError, PoolTimeoutError),
        pauses=UNTIL_WRITTEN,
        failed=lambda error: tell_trouble(engine, logger, "Verdict not recorded", error, attempt_id=attempt_id),
    )
