"""Answering machine detection of a live call: what to do with a machine, and the deadline of the verdict."""

import asyncio
import logging

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.agents.ready_agents import ReadyAgent
from outdial.background import Background
from outdial.calls.advance import apply_event
from outdial.calls.ownership import Answered
from outdial.calls.records import DetectionWanted
from outdial.conversation.answering import Answering
from outdial.conversation.call_facts import CallFacts, Engines, MachinePolicy
from outdial.conversation.detection.detector import Detector
from outdial.conversation.detection.live_detection import Followed, LiveDetection
from outdial.conversation.session import Session
from outdial.conversation.understanding.language import is_known, language_of
from outdial.db.trouble import tell_trouble
from outdial.repeating import UNTIL_WRITTEN, repeat
from outdial.speech.base import StreamingSpeechToText
from outdial.speech.engines import OFFLINE_LANGUAGE
from outdial.telephony.verdict import DEADLINE, AnsweredBy, DetectedBy, Verdict, waited_ms

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
        by=wanted.by if wanted else DetectedBy.CARRIER,
    )


def detection_of(
    answered: Answered, agent: ReadyAgent, facts: CallFacts, shared: Engines, session: Session
) -> LiveDetection | None:
    """Our own detector of a call whose stream has opened, which it follows then; None where nobody asked for it, and
    where its audio began before: that was judged by who held it then.

    Words are recognised by the server's own recogniser, where it knows the language and costs nothing. They count where
    there are phrases of the language: English ones say nothing of Portuguese words.
    """
    policy = facts.machine
    begins = facts.is_beginning and answered.attempt.audio_started_at is None
    if policy.max_wait_s is None or not policy.by.is_ours or not begins:
        return None
    language = facts.reading.language
    is_offline = language.partition("-")[0].lower() == OFFLINE_LANGUAGE
    hears = shared.speech_to_text
    recogniser = hears if is_offline and not isinstance(hears, StreamingSpeechToText) else None
    has_words = is_known(language) and (recogniser is not None or agent.speech.to_text is not None)
    detector = Detector(language_of(language) if has_words else None)
    followed = Followed(
        recogniser=recogniser, to_message_end=policy.action == "leave_message", late_ms=facts.late_ms
    )
    line = session.media_line
    detection = LiveDetection(detector, line, shared.voice_activity, session.answering, followed)
    line.follow(detection)
    return detection


def late_ms_of(answered: Answered) -> int:
    """How long ago the call was answered, as far as that is known by now."""
    answered_at = answered.attempt.answered_at
    by_carrier_ms = None if answered_at is None else round((clock.now() - answered_at).total_seconds() * 1000)
    return waited_ms(by_carrier_ms, answered.told_ago_ms)


async def note_verdicts(engine: AsyncEngine, attempt_id: str, answering: Answering, tasks: Background) -> None:
    """What we find ourselves is written down even if the conversation ends at that moment: a machine is hung up on at
    once. In the order in which it was found."""
    written: asyncio.Task[None] | None = None
    while True:
        verdict = await answering.own.get()
        written = tasks.start(_after(written, engine, attempt_id, verdict), name=f"verdict on {attempt_id}")


async def _after(
    before: asyncio.Task[None] | None, engine: AsyncEngine, attempt_id: str, verdict: Verdict
) -> None:
    if before is not None:
        await asyncio.wait({before})
    await write_verdict(engine, attempt_id, verdict)


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
