"""Answering machine detection of a live call: what to do with a machine, and the deadline of the verdict."""

import asyncio
import logging

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.agents.ready_agents import ReadyAgent
from outdial.calls.advance import apply_event
from outdial.calls.records import DetectionWanted
from outdial.conversation.answering import Answering
from outdial.conversation.call_facts import MachinePolicy
from outdial.db.trouble import tell_trouble
from outdial.repeating import UNTIL_WRITTEN, repeat
from outdial.telephony.verdict import DEADLINE, AnsweredBy, Verdict

logger = logging.getLogger(__name__)

NOT_ASKED = MachinePolicy(action="continue")  # who answered is known, or doesn't matter any more


def machine_policy(wanted: DetectionWanted | None, agent: ReadyAgent) -> MachinePolicy:
    """What to do with a machine: the request's word, else the agent's, else hang up. Without detection (None) that goes
    for a machine that its words give away."""
    message = (wanted and wanted.message) or agent.machine_message
    return MachinePolicy(
        action=(wanted and wanted.on_machine) or agent.machine_action,
        message=lambda call: agent.word(message, call) if message else "",
        max_wait_s=wanted.max_wait_s if wanted else None,
        gates=agent.gates,
    )


async def await_verdict(engine: AsyncEngine, attempt_id: str, answering: Answering, max_wait_s: float) -> None:
    """Where detection has come to no result by then, that is the result. What finds a machine later is only noted."""
    await asyncio.sleep(max_wait_s)
    if not answering.is_judged:
        await note_too_late(engine, attempt_id, DEADLINE)


async def note_too_late(engine: AsyncEngine, attempt_id: str, evidence: str) -> None:
    """It is too late to find a machine: until the database knows, a verdict would still be obeyed."""
    await write_verdict(
        engine, attempt_id, Verdict(answered_by=AnsweredBy.UNKNOWN, at=clock.now(), evidence=(evidence,))
    )


async def write_verdict(engine: AsyncEngine, attempt_id: str, verdict: Verdict) -> None:
    """Who answered, as we have found out; until the database takes it."""
    await repeat(
        lambda: apply_event(engine, attempt_id, verdict),
        on=(OperationalError, InterfaceError, PoolTimeoutError),
        pauses=UNTIL_WRITTEN,
        failed=lambda error: tell_trouble(engine, logger, "Verdict not recorded", error, attempt_id=attempt_id),
    )
