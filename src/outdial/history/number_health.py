"""How numbers are doing: whether the last call from one failed because of its account or of how this server is set up.

Such a failure repeats with every call until somebody does something about it; a callee that is busy says nothing.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import KnownCarrier
from outdial.db.tables import DIALLED, calls, carrier_accounts, numbers
from outdial.instants import to_json
from outdial.telephony.advice import AFTER_FAILURE
from outdial.telephony.failures import FailureCode

# They come again with every call, until somebody does what is said of each.
TROUBLES = {
    code: AFTER_FAILURE[code]
    for code in (
        FailureCode.BAD_CREDENTIALS,
        FailureCode.NOT_PERMITTED,
        FailureCode.NO_FUNDS,
        FailureCode.ACCOUNT_INACTIVE,
        FailureCode.ACCOUNT_RESTRICTED,
        FailureCode.ACCOUNT_NOT_SET_UP,
        FailureCode.ACCOUNT_REMOVED,
        FailureCode.CALLER_ID_NOT_ALLOWED,
        FailureCode.PUBLIC_URL_NOT_REACHABLE,
    )
}


class NumberHealth(TypedDict):
    """`trouble` is the error of the last call from the number, if it is one that comes again; null: none known.
    `at` is the end of that last call, null where there was none."""

    number_id: str
    e164: str
    name: str
    carrier: KnownCarrier
    trouble: FailureCode | None
    message: str | None
    advice: str | None
    call_id: str | None
    at: str | None


async def number_health(conn: AsyncConnection, workspace_id: str) -> list[NumberHealth]:
    """Of each number, in the order they were connected."""
    last = (
        select(
            calls.c.id,
            calls.c.ended_at,
            calls.c.error["code"].astext.label("code"),
            calls.c.error["message"].astext.label("message"),
        )
        .where(calls.c.number_id == numbers.c.id, text(DIALLED))
        .order_by(calls.c.ended_at.desc())
        .limit(1)
        .lateral("last_call")
    )
    query: Select[Any] = (
        select(
            numbers.c.id,
            numbers.c.e164,
            numbers.c.name,
            carrier_accounts.c.carrier,
            last.c.id.label("call_id"),
            last.c.ended_at,
            last.c.code,
            last.c.message,
        )
        .join(carrier_accounts, carrier_accounts.c.id == numbers.c.carrier_account_id)
        .outerjoin(last, true())
        .where(numbers.c.workspace_id == workspace_id)
        .order_by(numbers.c.created_at, numbers.c.id)
    )
    return [
        NumberHealth(
            number_id=row.id,
            e164=row.e164,
            name=row.name,
            carrier=CarrierName(row.carrier),
            trouble=FailureCode(row.code) if row.code in TROUBLES else None,
            message=row.message if row.code in TROUBLES else None,
            advice=TROUBLES.get(row.code),
            call_id=row.call_id,
            at=to_json(row.ended_at),
        )
        for row in await conn.execute(query)
    ]


async def fallen_ill(conn: AsyncConnection, workspace_id: str, call_ids: Collection[str]) -> dict[str, NumberHealth]:
    """By call id, the numbers that these calls, which have ended, have shown to be in trouble: those whose call before
    was in none, or in another."""
    query = text(f"""
        SELECT numbers.id, numbers.e164, numbers.name, carrier_accounts.carrier, calls.id AS call_id, calls.ended_at,
            calls.error ->> 'code' AS code, calls.error ->> 'message' AS message
        FROM calls
        JOIN numbers ON numbers.id = calls.number_id
        JOIN carrier_accounts ON carrier_accounts.id = numbers.carrier_account_id
        LEFT JOIN LATERAL (
            SELECT before.error ->> 'code' AS code FROM calls AS before
            WHERE before.number_id = calls.number_id AND {DIALLED}
                AND (before.ended_at, before.id) < (calls.ended_at, calls.id)
            ORDER BY before.ended_at DESC, before.id DESC LIMIT 1
        ) AS before ON true
        WHERE calls.id = ANY(:call_ids) AND numbers.workspace_id = :workspace
            AND calls.error ->> 'code' = ANY(:troubles) AND calls.error ->> 'code' IS DISTINCT FROM before.code
    """)  # noqa: S608 - put together of constants
    found = {"call_ids": list(call_ids), "workspace": workspace_id, "troubles": [str(code) for code in TROUBLES]}
    return {
        row.call_id: NumberHealth(
            number_id=row.id,
            e164=row.e164,
            name=row.name,
            carrier=CarrierName(row.carrier),
            trouble=FailureCode(row.code),
            message=row.message,
            advice=TROUBLES[row.code],
            call_id=row.call_id,
            at=to_json(row.ended_at),
        )
        for row in await conn.execute(query, found)
    }
