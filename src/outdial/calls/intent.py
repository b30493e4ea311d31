"""The intent to dial, written down: attempts, calls, lines, seats, pace and events in one statement.

One round trip, however many claims, and the pool's row is locked for as long as that and the commit take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db import hot
from outdial.db.hot import Hot
from outdial.lines.pool import taking_outbound
from outdial.lines.seats import Seat, sitting, taking_seats


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The seats of the calls that there were lines and seats for, by call id; how many lines are free now, None where
    that isn't known; and whether there were fewer seats than calls."""

    seats: Mapping[str, Seat]
    free: int | None
    without_seat: bool


async def write_intent(conn: AsyncConnection, values: Mapping[str, Any]) -> Intent:
    """`values` of the claims come as arrays. Raises what a lock that isn't to be had in time raises."""
    rows = (await hot.execute(conn, _INTENT, values)).all()
    first = rows[0]
    return Intent(
        seats={row.call_id: Seat(worker_id=row.worker_id, stream_url=row.stream_url) for row in rows if row.call_id},
        free=None if first.free is None else first.free - first.taken,
        without_seat=first.seated < first.wanted,
    )


# The claims come as arrays, so that the statement is the same for any number of them. Accounts are locked before
# seats and pool, in the order of their ids; an account that somebody else has dialled by meanwhile isn't dialled by.
_INTENT = Hot(text(f"""
    WITH wanted AS (
        SELECT * FROM unnest(
            CAST(:attempt_ids AS text[]), CAST(:call_ids AS text[]), CAST(:attempt_numbers AS integer[]),
            CAST(:carriers AS text[]), CAST(:account_ids AS text[]), CAST(:token_hashes AS bytea[]),
            CAST(:slots AS timestamptz[])
        ) WITH ORDINALITY AS wanted (attempt_id, call_id, attempt_number, carrier, account_id, token_hash, slot, place)
    ), accounts AS (
        SELECT id, next_dial_at FROM carrier_accounts
        WHERE id = ANY(CAST(:account_ids AS text[])) ORDER BY id FOR NO KEY UPDATE
    ), in_pace AS (
        SELECT wanted.*, row_number() OVER (ORDER BY place) AS number
        FROM wanted JOIN accounts ON accounts.id = account_id
        WHERE accounts.next_dial_at <= CAST(:soon AS timestamptz)
    ), {taking_seats("SELECT count(*) FROM in_pace")}, {taking_outbound("SELECT count(*) FROM seated")}, claimed AS (
        SELECT in_pace.*, seated.worker_id, seated.stream_url, seated.number AS seat
        FROM in_pace, seated, pool WHERE seated.place = in_pace.number AND in_pace.number <= pool.taken
    ), {sitting("claimed")}, intent AS (
        INSERT INTO attempts (
            id, call_id, number, carrier, carrier_account_id, state, stream_token_hash, owner, lease_until, check_at
        )
        SELECT attempt_id, call_id, attempt_number, carrier, account_id, 'dialing', token_hash,
            :owner, CAST(:lease_until AS timestamptz), CAST(:lease_until AS timestamptz)
        FROM claimed
    ), dialing AS (
        UPDATE calls SET state = 'dialing', holds_line = true FROM claimed WHERE calls.id = claimed.call_id
    ), pace AS (
        UPDATE carrier_accounts SET next_dial_at = used.slot
        FROM (SELECT account_id, max(slot) AS slot FROM claimed GROUP BY account_id) AS used
        WHERE carrier_accounts.id = used.account_id
    ), told AS (
        INSERT INTO call_events (call_id, type, data)
        SELECT call_id, 'state', jsonb_build_object('state', 'dialing', 'attempt', attempt_number) FROM claimed
        RETURNING call_id, pg_notify('outdial_call', call_id)
    )
    SELECT pool.taken, pool.free, claimed.call_id, claimed.worker_id, claimed.stream_url,
        (SELECT count(*) FROM in_pace) AS wanted, (SELECT count(*) FROM seated) AS seated
    FROM (SELECT) AS one LEFT JOIN pool ON true LEFT JOIN (claimed JOIN told USING (call_id)) ON true
"""))  # noqa: S608 - put together of constants
