"""The last question before a dial is sent, answered by the database in one statement: may it go, and when is its turn?

It may go while it is the asking worker's by the database's clock (the clock of a machine that was paused stands still),
nobody has asked for its end, the callee isn't on the do-not-call list, and neither its number nor its workspace is
paused. No answer: nothing is sent.

With the answer comes its slot in the pace of its account (`calls/pace.py`). One that it has keeps, unless it has missed
it; another one is the next that is free. The row of the pace is locked for this statement, and nothing else.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Double, bindparam, literal_column, text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.claim import Claim
from outdial.calls.pace import LATE_S, LONGEST_WAIT_S, REMEMBERED_S, apart_s, is_of_our_clock
from outdial.db import hot
from outdial.db.hot import Hot
from outdial.policy.do_not_call import is_listed
from outdial.policy.pauses import holds_back


class Hold(StrEnum):
    """Why a dial isn't sent that was claimed. Nothing of it has left."""

    TOO_LATE = "too_late"  # its lease has run out, or it isn't this worker's any more, or the database is away
    BEHIND = "behind"      # its account has so many departures before it that it had better not wait with a line
    LISTED = "listed"      # the number has come onto the do-not-call list
    UNWANTED = "unwanted"  # somebody has asked for the call's end
    PAUSED = "paused"      # somebody has paused dialling for its number or its workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The dial may leave in `wait_s` (negative: since then), until `late_s` after that, as long as its lease lasts."""

    wait_s: float
    late_s: float
    lease_left_s: float


async def ask_to_depart(engine: AsyncEngine, claim: Claim, held: Slot | None, *, late_s: float = LATE_S) -> Slot | Hold:
    """The dial's slot: the one it `held`, unless that is over; else one of which it may be `late_s` late.

    Raises what the database raises.
    """
    values = {
        "attempt": claim.attempt_id,
        "owner": claim.owner,
        "held_late_s": 0.0 if held is None else held.late_s,
        "late_s": late_s,
    }
    row = (await hot.alone(engine, _ASK, values)).one_or_none()
    if row is None:
        return Hold.TOO_LATE
    if row.listed:  # first: whoever lists a number asks for the end of the calls on their way to it, too
        return Hold.LISTED
    if row.unwanted:
        return Hold.UNWANTED
    if row.paused:
        return Hold.PAUSED
    if row.wait_s is None:
        return Hold.BEHIND
    late_s = held.late_s if held is not None and row.kept else late_s
    return Slot(wait_s=row.wait_s, late_s=late_s, lease_left_s=row.lease_left_s)


_LISTED = is_listed(literal_column("calls.workspace_id"), literal_column('calls."to"')).compile()
_PAUSED = holds_back(literal_column("calls.workspace_id"), literal_column("calls.number_id")).compile()
_APART = apart_s("(SELECT calls_per_second FROM ours)", "pace.late_s")
_LAST = f"""CASE WHEN {is_of_our_clock("pace.slot_at")}
    THEN pace.slot_at ELSE clock_timestamp() - make_interval(secs => {_APART}) END"""
_NEXT = f"({_LAST}) + make_interval(secs => {_APART})"
# Whoever has missed the last slot that was given moves it.
_SLOT = f"""greatest(
    clock_timestamp(), CASE WHEN pace.attempt_id = excluded.attempt_id THEN {_LAST} ELSE {_NEXT} END
)"""
# What is lost of it should the server crash at once does no harm, so its commit doesn't wait for the disk.
_ASK = Hot(text(f"""
    WITH ours AS MATERIALIZED (
        SELECT attempts.id, attempts.departs_at, account.carrier, account.account_ref, lowest.calls_per_second,
            CAST(extract(epoch FROM attempts.lease_until - clock_timestamp()) AS float8) AS lease_left_s,
            calls.hang_up_requested_at IS NOT NULL AS unwanted,
            {_LISTED} AS listed,
            {_PAUSED} AS paused,
            coalesce(
                attempts.departs_at + make_interval(secs => CAST(:held_late_s AS float8)) >= clock_timestamp(), false
            ) AS kept
        FROM attempts
        JOIN calls ON calls.id = attempts.call_id
        JOIN carrier_accounts AS account ON account.id = attempts.carrier_account_id
        CROSS JOIN LATERAL (
            SELECT min(same.calls_per_second) AS calls_per_second FROM carrier_accounts AS same
            WHERE same.account_ref = account.account_ref AND same.carrier = account.carrier
        ) AS lowest
        WHERE attempts.id = :attempt AND attempts.owner = :owner AND attempts.state = 'dialing'
            AND attempts.carrier_call_id IS NULL AND attempts.unknown_since IS NULL
            AND attempts.lease_until > clock_timestamp()
        FOR NO KEY UPDATE OF attempts
    ), slot AS (
        INSERT INTO paces AS pace (carrier, account_ref, slot_at, late_s, late_until, attempt_id)
        SELECT carrier, account_ref, clock_timestamp(), CAST(:late_s AS float8),
            CASE WHEN CAST(:late_s AS float8) > {LATE_S}
                THEN clock_timestamp() + make_interval(secs => {REMEMBERED_S} + CAST(:late_s AS float8)) END,
            id
        FROM ours
        WHERE NOT (unwanted OR listed OR paused OR kept)
        ON CONFLICT (carrier, account_ref) DO UPDATE SET
            slot_at = {_SLOT},
            late_s = CASE WHEN pace.late_until >= {_SLOT} THEN greatest(pace.late_s, excluded.late_s)
                ELSE excluded.late_s END,
            late_until = greatest(pace.late_until, CASE WHEN excluded.late_until IS NOT NULL
                THEN {_SLOT} + make_interval(secs => {REMEMBERED_S} + excluded.late_s) END),
            attempt_id = excluded.attempt_id
        WHERE pace.attempt_id = excluded.attempt_id
            OR {_NEXT} <= clock_timestamp() + make_interval(secs => {LONGEST_WAIT_S})
        RETURNING slot_at
    ), departing AS (
        UPDATE attempts SET departs_at = slot.slot_at FROM slot WHERE attempts.id = :attempt
    )
    SELECT ours.unwanted, ours.listed, ours.paused, ours.kept, ours.lease_left_s,
        CAST(extract(
            epoch FROM coalesce(slot.slot_at, CASE WHEN ours.kept THEN ours.departs_at END) - clock_timestamp()
        ) AS float8) AS wait_s,
        set_config('synchronous_commit', 'off', true)
    FROM ours LEFT JOIN slot ON true
""").bindparams(bindparam("late_s", type_=Double), bindparam("held_late_s", type_=Double)))  # noqa: S608 - constants
