"""What came of a call, decided from what is stored of it: when it ends, and again when something is heard later."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Select, Text, bindparam, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.call_log import tell_stored_end
from outdial.calls.events import event, with_event
from outdial.calls.records import AttemptRecord, CallRecord
from outdial.db import hot
from outdial.db.call_back_tables import call_backs
from outdial.db.hot import Hot
from outdial.db.tables import agent_versions, attempts, call_events, calls, transfers
from outdial.db.wrap_up_tables import wrap_ups
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.outcome import NAMED, WISH, Facts, Outcome, outcome_of, own_word
from outdial.telephony.retry import RetryOn
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason
from outdial.telephony.transfer import TransferOutcome
from outdial.telephony.verdict import REPLY, AnsweredBy, WhoAnswered

logger = logging.getLogger(__name__)

_LOST = (FailureCode.INTERRUPTED, FailureCode.INTERNAL_ERROR)  # conversations

RINGS = "rings"  # of a transfer whose result isn't known yet

NOTES = (NAMED, WISH)  # what is noted that the outcome depends on


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Of a call that ends. `wants_wrap_up`: it was answered, and its agent's version asks for one."""

    facts: Facts
    wants_wrap_up: bool = False


async def known_of(
    conn: AsyncConnection, call: CallRecord, ending: Ending, attempt: AttemptRecord | None
) -> Known:
    """Of a call that ends so, with this attempt. Whatever was never answered has no more to read than that."""
    known = Facts(
        answered=_was_answered(ending.end_reason, None if attempt is None else attempt.answered_at),
        end_reason=ending.end_reason,
        ended_by=ending.by,
        error=ending.error,
        answered_by=None if call.answered_by is None else call.answered_by.category,
        noted={},
    )
    if attempt is None or not known.answered:
        return Known(facts=known)
    found = await hot.execute(conn, _WHAT_IS_STORED, {"the_call": call.id, "since": attempt.created_at})
    row = found.mappings().one()
    return Known(facts=_with_stored(known, row), wants_wrap_up=bool(row["wants_wrap_up"]))


async def retry_words(
    conn: AsyncConnection, call: CallRecord, ending: Ending, attempt: AttemptRecord
) -> Collection[str]:
    """What is true of an attempt that is over, in the words of a request for another one.

    Nobody is dialled again for a failure who was talked to. Where it isn't known yet what the conversation brought,
    the callee would have made themselves known by now: that is written down at once (`note_response`).
    """
    words: set[str] = {ending.end_reason}
    if ending.end_reason is EndReason.FAILED:
        return set() if await _was_talked_on(conn, ending, attempt) else words
    is_screening = call.answered_by is not None and call.answered_by.category is AnsweredBy.SCREENING
    if ending.end_reason is EndReason.MACHINE and is_screening:
        words.add(RetryOn.SCREENING)
    if ending.end_reason is EndReason.COMPLETED and attempt.audio_started_at is not None:
        facts = (await known_of(conn, call, ending, attempt)).facts
        if outcome_of(replace(facts, callee_responded=bool(facts.callee_responded))) is Outcome.SILENT:
            words.add(RetryOn.SILENT)
        if await _stayed_at_menu(conn, call, attempt):
            words.add(RetryOn.MENU)
    return words


async def _stayed_at_menu(conn: AsyncConnection, call: CallRecord, attempt: AttemptRecord) -> bool:
    """Whether a menu answered that nobody pressed a key for, and nobody behind it has answered us."""
    who = call.answered_by
    if who is None or who.category is not AnsweredBy.MENU or REPLY in who.evidence:
        return False
    values = {"the_call": attempt.call_id, "since": attempt.created_at}
    return not (await conn.execute(_WAS_PRESSED, values)).scalar_one()


async def _was_talked_on(conn: AsyncConnection, ending: Ending, attempt: AttemptRecord) -> bool:
    """Whether either side said anything. Of a conversation that was lost not everything may have been written down:
    there it is taken for granted."""
    if attempt.audio_started_at is None:
        return _died_with_its_stream(ending, attempt)
    if ending.error is not None and ending.error.code in _LOST:
        return True
    values = {"the_call": attempt.call_id, "since": attempt.created_at}
    return bool((await conn.execute(_WAS_TALKED_ON, values)).scalar_one())


def _died_with_its_stream(ending: Ending, attempt: AttemptRecord) -> bool:
    """Whether the process died that had taken the stream: it may have talked before it could write that down. Where it
    told itself that it was interrupted, it knew of no audio."""
    if ending.error is None or ending.error.code is not FailureCode.INTERRUPTED or attempt.stream_opened_at is None:
        return False
    return attempt.taken_over_at is not None or attempt.ending is None


async def reconsider(
    conn: AsyncConnection, call_id: str, ended_by: EndedBy | None = None, *, tell: bool = True
) -> bool:
    """Decide again what came of a call that has ended, now that more is known; whether that is something else. Its
    history tells so, and the log where it has told of the end (unless who asks has more to `tell`). The call is locked.

    `ended_by`: who left first, as the conversation saw it. That counts where the end came without a word of ours and
    was taken for the callee's.
    """
    row = (await hot.execute(conn, _ENDED, {"the_call": call_id})).mappings().one_or_none()
    if row is None:
        return False
    stored = _facts_stored(row)
    is_presumed = stored.end_reason is EndReason.COMPLETED and stored.ended_by is EndedBy.CALLEE
    if ended_by is not None and is_presumed:
        stored = replace(stored, ended_by=ended_by)
    outcome = outcome_of(replace(_with_stored(stored, row), judged=row["judged"]))
    if (outcome, stored.ended_by) == (row[calls.c.outcome], row[calls.c.ended_by]):
        return False
    now = {"outcome": outcome, "ended_by": stored.ended_by}
    new = {"the_call": call_id, "new_outcome": outcome, "new_ended_by": stored.ended_by}
    await hot.execute(conn, _RECONSIDERED, new | event(call_id, "outcome", now))
    if tell and row[attempts.c.log_due_at] is None:
        await tell_stored_end(conn, row[attempts.c.id], corrected=True)
    return True


def warn_of_odd_word(call_id: str, noted: Mapping[str, Any]) -> None:
    """Say so where an agent names an outcome that can't be one."""
    if noted.get(NAMED) not in (None, "") and own_word(noted) is None:
        logger.warning("Outcome named by agent ignored", extra={"call_id": call_id})


def _facts_stored(row: Mapping[Any, Any]) -> Facts:
    call = calls.c
    who, error, ended_by = row[call.answered_by], row[call.error], row[call.ended_by]
    reason, reported = EndReason(row[call.end_reason]), None if error is None else CallError.from_json(error)
    return Facts(
        answered=_was_answered(reason, row["attempt_answered_at"]),
        end_reason=reason,
        ended_by=Ending(
            end_reason=reason, error=reported, ended_by=None if ended_by is None else EndedBy(ended_by)
        ).by,
        error=reported,
        answered_by=None if who is None else WhoAnswered.from_json(who).category,
        noted={},
    )


def _was_answered(end_reason: EndReason, answered_at: datetime | None) -> bool:
    """Also where no carrier told of the answer itself."""
    return answered_at is not None or end_reason is EndReason.COMPLETED


def _with_stored(known: Facts, row: Mapping[Any, Any]) -> Facts:
    """With what only the row tells: what a conversation brought."""
    transfer = row["transfer"]
    return replace(
        known,
        callee_responded=row[calls.c.callee_responded],
        transferred=None if transfer in (None, RINGS) else transfer == TransferOutcome.ANSWERED,
        transfer_rings=transfer == RINGS,
        message_delivered=bool(row[calls.c.message_delivered]),
        called_back=row["called_back"],
        noted=_noted(row),
    )


def _noted(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What was noted, of NOTES."""
    return {name: row[f"noted_{name}"] for name in NOTES}


# -- statements, built once ------------------------------------------------------------------------------------


def _stored() -> list[Any]:
    """What a conversation brought, for a call of the statement around it."""
    return [
        calls.c.callee_responded,
        calls.c.message_delivered,
        select(call_backs.c.call_id).where(call_backs.c.call_id == calls.c.id).exists().label("called_back"),
        *(calls.c.noted[name].label(f"noted_{name}") for name in NOTES),
    ]


def _transfer(since: Any) -> Any:
    """The result of the last transfer since then, or RINGS; None without one."""
    known = transfers.c
    query = select(func.coalesce(known.result, RINGS)).where(known.call_id == calls.c.id, known.at >= since)
    return query.order_by(known.id.desc()).limit(1).scalar_subquery().label("transfer")


def _told_since(*types: str) -> Any:
    told = call_events.c
    return exists().where(
        told.call_id == bindparam("the_call", type_=Text),
        told.type.in_(types),
        told.at >= bindparam("since", type_=DateTime(timezone=True)),
    )


def _was_talked() -> Select[Any]:
    said = _told_since("transcript", "digit")
    return select(or_(calls.c.callee_responded.is_(True), said)).where(calls.c.id == bindparam("the_call", type_=Text))


def _what_is_stored() -> Select[Any]:
    since = bindparam("since", type_=DateTime(timezone=True))
    version = agent_versions.c
    asks = select(version.after).where(version.agent_id == calls.c.agent_id, version.version == calls.c.agent_version)
    columns = (*_stored(), _transfer(since), asks.scalar_subquery().label("wants_wrap_up"))
    return select(*columns).where(calls.c.id == bindparam("the_call", type_=Text))


def _ended() -> Select[Any]:
    last = attempts.alias("last")
    newest = select(func.max(last.c.number)).where(last.c.call_id == calls.c.id).scalar_subquery()
    call = calls.c
    return (
        select(
            call.end_reason,
            call.ended_by,
            call.error,
            call.answered_by,
            call.outcome,
            *_stored(),
            wrap_ups.c.outcome.label("judged"),
            attempts.c.id,
            attempts.c.log_due_at,
            attempts.c.answered_at.label("attempt_answered_at"),
            _transfer(attempts.c.created_at),
        )
        .join(attempts, attempts.c.call_id == call.id)
        .outerjoin(wrap_ups, wrap_ups.c.call_id == call.id)
        .where(
            call.id == bindparam("the_call", type_=Text),
            call.state == CallState.ENDED,
            attempts.c.number == newest,
        )
    )


_WHAT_IS_STORED, _ENDED, _WAS_TALKED_ON = Hot(_what_is_stored()), Hot(_ended()), _was_talked()
_WAS_PRESSED = select(_told_since("digits_sent"))
_RECONSIDERED = Hot(
    with_event(
        update(calls)
        .where(calls.c.id == bindparam("the_call", type_=Text))
        .values(outcome=bindparam("new_outcome", type_=Text), ended_by=bindparam("new_ended_by", type_=Text))
        .cte("changed_call")
    )
)
