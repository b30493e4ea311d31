"""Answering machine detection of a live call: what to do with a machine, and the deadline of the verdict."""

import asyncio
import logging
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.ready_agents import ReadyAgent
from outdial.calls.advance import apply_event
from outdial.calls.records import DetectionWanted
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.session import Session
from outdial.telephony.verdict import AnsweredBy, Verdict

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
    """Where detection has come to no result by then, that is the result. A later one still changes the course."""
    await asyncio.sleep(max_wait_s)
    if session.is_judged:
        return
    unknown = Verdict(answered_by=AnsweredBy.UNKNOWN, at=datetime.now(UTC), evidence=("deadline",))
    try:
        await apply_event(engine, attempt_id, unknown)
    except Exception:
        logger.exception("Verdict deadline not recorded", extra={"attempt_id": attempt_id})
