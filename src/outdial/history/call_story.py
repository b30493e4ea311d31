"""What a call's trace is made of, read when the call has ended. What was said, asked for and answered isn't read."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Text, bindparam, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.events import ENTRIES
from outdial.calls.records import ATTEMPT_COLUMNS, CALL_COLUMNS, AttemptRecord, CallRecord
from outdial.calls.transfers import TransferRecord, transfers_of
from outdial.db.engine import reading
from outdial.db.tables import attempts, call_events, calls
from outdial.telephony.outcome import closed_word
from outdial.telephony.state import CallState
from outdial.tracing.story import Dial, Happening, Story, Transferred

TYPES = (
    "state", "answered_by", "transcript", "turn_times", "model", "tool", "model_failed", "tools_missing",
    "recognition_late", "agent_limit", "brain_lost", "brain_failed", "sound_failed",
)  # fmt: skip
AT_MOST = 5_000  # of a call's events: an hour's talk; then its trace is cut


async def read_story(engine: AsyncEngine, call_id: str) -> Story | None:
    """None where it hasn't ended, or is gone."""
    async with reading(engine) as conn:
        row = (await conn.execute(_CALL, {"the_call": call_id})).mappings().one_or_none()
        if row is None or row[calls.c.state] != CallState.ENDED:
            return None
        dials = [AttemptRecord.of(each) for each in (await conn.execute(_ATTEMPTS, {"the_call": call_id})).mappings()]
        transfers = (await transfers_of(conn, [call_id])).get(call_id, [])
        happenings = await _happenings(conn, call_id)
    call = CallRecord.of(row)
    error = row[calls.c.error] or {}
    return Story(
        call_id=call.id,
        workspace_id=call.workspace_id,
        number_id=call.number_id,
        direction=call.direction,
        agent_id=call.agent_id,
        agent_version=call.agent_version,
        traceparent=call.traceparent,
        created_at=call.created_at,
        ended_at=row[calls.c.ended_at],
        end_reason=row[calls.c.end_reason],
        ended_by=row[calls.c.ended_by],
        outcome=closed_word(row[calls.c.outcome]),
        error=error.get("code"),
        is_recorded=row[calls.c.recording] is not None,
        dials=[_dial(each) for each in dials],
        transfers=[_transferred(each) for each in transfers],
        happenings=happenings,
    )


async def _happenings(conn: AsyncConnection, call_id: str) -> Sequence[Happening]:
    """The entries of an attempt's journal say whose they are; everything else follows the state it was in."""
    told, attempt = [], 0
    for row in await conn.execute(_EVENTS, {"the_call": call_id}):
        data: Mapping[str, Any] = row.data
        if row.type == "state":
            attempt = data.get("attempt") or attempt
        of = attempt if row.entry is None else row.entry // ENTRIES
        told.append(Happening(type=row.type, data=data, at=row.at, attempt=of))
    return told


def _dial(attempt: AttemptRecord) -> Dial:
    return Dial(
        id=attempt.id,
        number=attempt.number,
        carrier=attempt.carrier,
        carrier_call_id=None if attempt.carrier_call is None else attempt.carrier_call.id,
        created_at=attempt.created_at,
        accepted_at=attempt.accepted_at,
        ringing_at=attempt.ringing_at,
        answered_at=attempt.answered_at,
        audio_started_at=attempt.audio_started_at,
        ended_at=attempt.ended_at,
        result_at=attempt.result_at,
        end_reason=attempt.end_reason,
        error=None if attempt.error is None else attempt.error.code,
    )


def _transferred(transfer: TransferRecord) -> Transferred:
    return Transferred(
        attempt_id=transfer.attempt_id,
        at=transfer.at,
        answered_at=transfer.answered_at,
        ended_at=transfer.ended_at,
        returned_at=transfer.returned_at,
        result=transfer.result,
        error=None if transfer.error is None else transfer.error.code,
    )


# -- statements, built once ------------------------------------------------------------------------------------

_THE_CALL = bindparam("the_call", type_=Text)
_MORE = (calls.c.error, calls.c.end_reason, calls.c.ended_by, calls.c.outcome, calls.c.ended_at, calls.c.recording)
_CALL = select(*CALL_COLUMNS, *_MORE).where(calls.c.id == _THE_CALL)
_ATTEMPTS = select(*ATTEMPT_COLUMNS).where(attempts.c.call_id == _THE_CALL).order_by(attempts.c.number)
_SAID = array(["text", "arguments", "answer"], type_=Text)
_EVENTS = (
    select(call_events.c.type, call_events.c.at, call_events.c.entry, call_events.c.data.op("-")(_SAID).label("data"))
    .where(call_events.c.call_id == _THE_CALL, call_events.c.type.in_(TYPES))
    .order_by(call_events.c.id)
    .limit(AT_MOST)
)
