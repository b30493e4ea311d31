"""What a conversation shows of itself while it goes on, written down at once: its carrier may end the call before the
conversation's result is here, and would know less."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.advance import begin_audio, note_ending
from outdial.calls.do_not_call import enter_wish_at_once
from outdial.calls.results import note_response
from outdial.conversation.session import Session
from outdial.conversation.session_end import AUDIO_LOST
from outdial.db.trouble import tell_trouble
from outdial.repeating import UNTIL_WRITTEN, repeat
from outdial.telephony.state import EndedBy, Ending, EndReason

logger = logging.getLogger(__name__)


async def write_beginning(engine: AsyncEngine, attempt_id: str, at: datetime, *, check_in_s: float) -> None:
    """The audio has begun, so the call is in progress. With the database away, written whenever it can be."""
    await _until_written(
        engine,
        lambda: begin_audio(engine, attempt_id, at=at, check_in_s=check_in_s),
        "Beginning of audio not written; trying again",
        attempt_id=attempt_id,
    )


async def write_loss(engine: AsyncEngine, attempt_id: str, session: Session) -> None:
    """The audio broke. The conversation still winds up when the carrier says "completed", which would be all that is
    known."""
    await session.lost.wait()
    ending = Ending(end_reason=EndReason.FAILED, error=AUDIO_LOST, ended_by=EndedBy.CARRIER)
    try:
        await note_ending(engine, attempt_id, ending)
    except Exception as error:  # it is part of the result, too
        tell_trouble(engine, logger, "Loss of audio not noted at once", error, attempt_id=attempt_id)


async def write_response(engine: AsyncEngine, attempt_id: str, session: Session) -> None:
    """The callee spoke, or pressed a key, for the first time. With the database away, written whenever it can be:
    who is not known to have responded may be dialled again for their silence."""
    await session.responded.wait()
    await _until_written(
        engine,
        lambda: note_response(engine, attempt_id),
        "Callee's response not written; trying again",
        attempt_id=attempt_id,
    )


async def write_wish(engine: AsyncEngine, call_id: str, session: Session) -> None:
    """The callee asked not to be called again: on the list at once, for what dies with the process is noted only in its
    memory."""
    await session.noted.wish.wait()
    await _until_written(
        engine,
        lambda: enter_wish_at_once(engine, call_id),
        "Wish not to be called not written; trying again",
        call_id=call_id,
    )


async def _until_written(
    engine: AsyncEngine, write: Callable[[], Awaitable[None]], otherwise: str, **fields: str
) -> None:
    """`otherwise`: what the log says of each try that failed."""

    def failed(error: Exception) -> None:
        tell_trouble(engine, logger, otherwise, error, **fields)

    await repeat(write, on=Exception, pauses=UNTIL_WRITTEN, failed=failed)
