"""What a conversation brought: variables, recording, whether a message was left. Written when it is over."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.request import check_json_object
from outdial.db.notify import notify
from outdial.db.tables import attempts, calls

logger = logging.getLogger(__name__)

AFTER_STREAM_CHECK_S = 3.0  # the carrier's "completed" should be here by then; else it is asked

# For whoever changes a call's variables: those it was asked for are kept, once.
_AS_SENT = func.coalesce(calls.c.sent_variables, calls.c.variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`recording` is its path under the data directory; `transferred`: the callee talks to somebody else now."""

    variables: Mapping[str, Any]
    recording: str | None
    message_delivered: bool | None
    transferred: bool


async def save_result(engine: AsyncEngine, attempt_id: str, call_id: str, result: Result) -> None:
    """Enter what the conversation of an attempt brought into its call; the sweep looks at the attempt soon."""
    values: dict[str, Any] = {"check_at": datetime.now(UTC) + timedelta(seconds=AFTER_STREAM_CHECK_S)}
    if result.transferred:
        values["owner"] = None  # nobody here is needed for it any more
    async with engine.begin() as conn:  # the attempt first, as in calls.advance
        await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(**values))
        await conn.execute(
            update(calls)
            .where(calls.c.id == call_id)
            .values(
                recording=result.recording,
                message_delivered=result.message_delivered,
                **_variables(call_id, result.variables),
            )
        )
        await notify(conn, "outdial_call", call_id)  # the call may have ended already; who looks at it wants these


def _variables(call_id: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables as the agent leaves them, where they can be stored: an agent may put anything into them."""
    try:
        left = check_json_object(json.loads(json.dumps(dict(variables))))
        return {"variables": left, "sent_variables": _AS_SENT}
    except (TypeError, ValueError, RecursionError) as error:
        logger.warning("Variables not stored", extra={"call_id": call_id, "reason": type(error).__name__})
        return {}


async def set_variables(conn: AsyncConnection, call_id: str, values: Mapping[str, Any]) -> None:
    """Change some of a live call's variables."""
    changed = calls.c.variables.concat(dict(values))
    await conn.execute(
        update(calls).where(calls.c.id == call_id).values(variables=changed, sent_variables=_AS_SENT)
    )
    await notify(conn, "outdial_call", call_id)


async def enter_recording(engine: AsyncEngine, call_id: str, recording: str) -> None:
    """Enter a recording that was finished later. A call of several attempts keeps its newest; the names sort by age."""
    async with engine.begin() as conn:
        known = await conn.scalar(select(calls.c.recording).where(calls.c.id == call_id).with_for_update())
        if known is None or _age(known) <= _age(recording):
            await conn.execute(update(calls).where(calls.c.id == call_id).values(recording=recording))


def _age(recording: str) -> int:
    """The number of turns before it, which is in the name when there were any."""
    turns = Path(recording).stem.partition("-")[2]
    return int(turns) if turns.isdecimal() else 0
