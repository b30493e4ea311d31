"""Calls and their attempts as they are in the books: a row leaves a query as a record, its JSON parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from sqlalchemy import Executable, Select, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db import hot
from outdial.db.hot import Hot
from outdial.db.tables import attempts, calls
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError
from outdial.telephony.retry import Retry
from outdial.telephony.state import Attempt, CallDirection, CallState, Ending, EndReason
from outdial.telephony.verdict import DetectedBy, WhoAnswered


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionWanted:
    """What a request wants of answering machine detection. None: the agent's own word. `max_wait_s`: for a verdict.
    `by`: who finds it; the carrier on calls from before that could be chosen."""

    on_machine: str | None = None
    message: str | None = None
    max_wait_s: int = 30
    by: DetectedBy = DetectedBy.CARRIER

    def to_json(self) -> dict[str, Any]:
        return {
            "on_machine": self.on_machine, "message": self.message, "max_wait_s": self.max_wait_s, "by": self.by,
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            on_machine=stored.get("on_machine"),
            message=stored.get("message"),
            max_wait_s=stored.get("max_wait_s") or 30,
            by=DetectedBy(stored.get("by") or DetectedBy.CARRIER),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call but for its variables and metadata, which may be large. `hang_up_requested_at`: somebody wants its end;
    `traceparent`: the trace of the request that placed it; `recording_erased_at`, `transcript_erased_at`, `erased_at`:
    nothing of that kind is written into it any more."""

    id: str
    workspace_id: str
    number_id: str | None
    direction: CallDirection
    state: CallState
    from_: str
    to: str
    agent_id: str | None
    agent_version: int | None
    detection: DetectionWanted | None
    retry: Retry | None
    ring_timeout_s: int
    max_duration_s: int
    expires_at: datetime | None
    deferrals: int
    never_placed: int
    throttled_since: datetime | None
    holds_line: bool
    hang_up_requested_at: datetime | None
    answered_by: WhoAnswered | None
    answered_at: datetime | None
    created_at: datetime
    traceparent: str | None = None
    recording_erased_at: datetime | None = None
    transcript_erased_at: datetime | None = None
    erased_at: datetime | None = None

    @property
    def is_outbound(self) -> bool:
        return self.direction is CallDirection.OUTBOUND

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        call = calls.c
        return cls(
            id=row[call.id],
            workspace_id=row[call.workspace_id],
            number_id=row[call.number_id],
            direction=CallDirection(row[call.direction]),
            state=CallState(row[call.state]),
            from_=row[call.from_],
            to=row[call.to],
            agent_id=row[call.agent_id],
            agent_version=row[call.agent_version],
            detection=None if row[call.detection] is None else DetectionWanted.from_json(row[call.detection]),
            retry=None if row[call.retry] is None else Retry.from_json(row[call.retry]),
            ring_timeout_s=row[call.ring_timeout_s],
            max_duration_s=row[call.max_duration_s],
            expires_at=row[call.expires_at],
            deferrals=row[call.deferrals],
            never_placed=row[call.never_placed],
            throttled_since=row[call.throttled_since],
            holds_line=row[call.holds_line],
            hang_up_requested_at=row[call.hang_up_requested_at],
            answered_by=None if row[call.answered_by] is None else WhoAnswered.from_json(row[call.answered_by]),
            answered_at=row[call.answered_at],
            created_at=row[call.created_at],
            traceparent=row[call.traceparent],
            recording_erased_at=row[call.recording_erased_at],
            transcript_erased_at=row[call.transcript_erased_at],
            erased_at=row[call.erased_at],
        )


CALL_COLUMNS = tuple(
    calls.c[name] for name in CallRecord.__dataclass_fields__ if name in calls.c
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord(Attempt):
    """One dial. `stream_opened_at`: its stream's token was used; `audio_started_at`: its audio began;
    `unknown_since`: the carrier's reply was lost; `ending`: why we are ending it; `look_ups`: that brought nothing
    since its last sign of life; `hang_up_at`: when its carrier is asked to end it, `hang_ups`: how often it did not.
    `taken_over_at`: its worker had died by then; `result_at`: what its conversation brought was written; `turns`, and
    the median of their latency: what it counted; `log_due_at`: when the log tells of its call without that."""

    id: str
    call_id: str
    number: int
    carrier: str
    carrier_account_id: str | None
    stream_opened_at: datetime | None
    audio_started_at: datetime | None
    owner: str | None
    unknown_since: datetime | None
    created_at: datetime
    accepted_at: datetime | None
    ending: Ending | None
    price: Decimal | None
    look_ups: int
    hang_up_at: datetime | None
    hang_ups: int
    taken_over_at: datetime | None = None
    result_at: datetime | None = None
    price_currency: str | None = None
    turns: int | None = None
    turn_latency_ms: int | None = None
    log_due_at: datetime | None = None

    @property
    def holds_conversation(self) -> bool:
        """A worker has taken its stream, and nothing says that the conversation is over. Its audio may have begun
        without being written yet."""
        return self.stream_opened_at is not None and self.owner is not None and self.ending is None

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        attempt = attempts.c
        carrier_call_id, error, ending = row[attempt.carrier_call_id], row[attempt.error], row[attempt.ending]
        return cls(
            id=row[attempt.id],
            call_id=row[attempt.call_id],
            number=row[attempt.number],
            carrier=row[attempt.carrier],
            carrier_account_id=row[attempt.carrier_account_id],
            carrier_call=(
                None
                if carrier_call_id is None
                else CarrierCall(id=carrier_call_id, refs=row[attempt.carrier_refs])
            ),
            state=CallState(row[attempt.state]),
            end_reason=None if row[attempt.end_reason] is None else EndReason(row[attempt.end_reason]),
            error=None if error is None else CallError.from_json(error),
            stream_opened_at=row[attempt.stream_opened_at],
            audio_started_at=row[attempt.audio_started_at],
            owner=row[attempt.owner],
            unknown_since=row[attempt.unknown_since],
            created_at=row[attempt.created_at],
            accepted_at=row[attempt.accepted_at],
            ringing_at=row[attempt.ringing_at],
            answered_at=row[attempt.answered_at],
            ended_at=row[attempt.ended_at],
            ending=None if ending is None else Ending.from_json(ending),
            price=row[attempt.price],
            look_ups=row[attempt.look_ups],
            hang_up_at=row[attempt.hang_up_at],
            hang_ups=row[attempt.hang_ups],
            taken_over_at=row[attempt.taken_over_at],
            result_at=row[attempt.result_at],
            price_currency=row[attempt.price_currency],
            turns=row[attempt.turns],
            turn_latency_ms=row[attempt.turn_latency_ms],
            log_due_at=row[attempt.log_due_at],
        )


ATTEMPT_COLUMNS = (
    *(attempts.c[name] for name in AttemptRecord.__dataclass_fields__ if name in attempts.c),
    attempts.c.carrier_call_id,
    attempts.c.carrier_refs,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An attempt and its call. From `lock_attempt`: nobody else changes them before the transaction ends."""

    attempt: AttemptRecord
    call: CallRecord
    last_number: int   # of the call's attempts
    now: datetime      # on the database's clock

    @property
    def is_newest(self) -> bool:
        """Whether no other attempt follows this one yet."""
        return self.attempt.number == self.last_number

    @property
    def is_last(self) -> bool:
        """Whether the call is about this attempt: no other follows it, nor is to."""
        return self.is_newest and self.call.state is not CallState.QUEUED

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        return cls(
            attempt=AttemptRecord.of(row), call=CallRecord.of(row), last_number=row["last_number"], now=row["now"]
        )


async def read_attempt(engine: AsyncEngine, attempt_id: str) -> AttemptRecord:
    """The attempt as it is now, not locked. Raises sqlalchemy.exc.NoResultFound when there is none."""
    return AttemptRecord.of((await hot.alone(engine, _ATTEMPT, {"attempt": attempt_id})).mappings().one())


async def read_held(engine: AsyncEngine, attempt_id: str) -> Held:
    """The attempt and its call as they are now, not locked. Raises as `read_attempt`."""
    return Held.of((await hot.alone(engine, _HELD, {"attempt": attempt_id})).mappings().one())


async def lock_attempt(conn: AsyncConnection, attempt_id: str) -> Held | None:
    """The attempt and its call, both locked until the transaction ends; None when there is none.

    In this order of tables everywhere. NO KEY UPDATE: who only adds rows that refer to the call need not wait.
    """
    row = (await hot.execute(conn, _LOCKED, {"attempt": attempt_id})).mappings().one_or_none()
    return None if row is None else Held.of(row)


def with_call(*, labelled: bool = False) -> Select[Any]:
    """Attempts with their calls; each row is a `Held`. `labelled`: for a statement around it, no two columns have one
    name; they are HELD_COLUMNS, in that order."""
    every = attempts.alias("every")
    last = select(func.max(every.c.number)).where(every.c.call_id == calls.c.id).scalar_subquery()
    more = (last.label("last_number"), func.now().label("now"))
    columns = (*ATTEMPT_COLUMNS, *CALL_COLUMNS)
    given = [each.label(f"{each.table.name}_{each.name}") for each in columns] if labelled else columns
    return select(*given, *more).select_from(attempts).join(calls, calls.c.id == attempts.c.call_id)


HELD_COLUMNS: tuple[Any, ...] = (*ATTEMPT_COLUMNS, *CALL_COLUMNS, "last_number", "now")


# Built once: putting them together takes longer than running them.
_THE_ATTEMPT = attempts.c.id == bindparam("attempt", type_=Text)
_ATTEMPT = Hot(select(*ATTEMPT_COLUMNS).where(_THE_ATTEMPT))
_HELD = Hot(with_call().where(_THE_ATTEMPT))
_LOCKED = Hot(with_call().where(_THE_ATTEMPT).with_for_update(of=[attempts, calls], key_share=True))


async def held(conn: AsyncConnection, query: Executable) -> list[Held]:
    """What a query made of `with_call` finds."""
    return [Held.of(row) for row in (await conn.execute(query)).mappings()]


def error_json(error: CallError | None) -> dict[str, str | None] | None:
    """As it is stored."""
    return error.to_json() if error else None
