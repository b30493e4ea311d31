"""What was told of calls, and is to be told, erased with what is personal in them: events, deliveries and their log."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LATE_S = 60.0  # an event may have been put together just before that of which it tells was erased, and stored after


async def forget_told(conn: AsyncConnection, call_ids: Sequence[str]) -> int:
    """Delete what endpoints were told of these calls so far, with the deliveries: also those that wait, for they hold
    it, too. What is still in the outbox is told of the call as it is now. How many events."""
    return (await conn.execute(_FORGET, {"call_ids": list(call_ids)})).rowcount


async def forget_told_late(conn: AsyncConnection, call_ids: Sequence[str]) -> int:
    """The same, of what was put together before the calls were erased. LATE_S after that."""
    return (await conn.execute(_FORGET_LATE, {"call_ids": list(call_ids)})).rowcount


async def forget_listing(conn: AsyncConnection, workspace_id: str, number: str, *, untold: bool = True) -> None:
    """What was told of a number that came onto the do-not-call list is forgotten; and what wasn't yet, where it is no
    longer to be told (`untold`)."""
    if untold:
        await conn.execute(_FORGET_LEFT, {"workspace": workspace_id, "number": number})
    await conn.execute(_FORGET_LISTING, {"workspace": workspace_id, "quoted": f'"{number}"'})


_FORGET = text("DELETE FROM webhook_events WHERE call_id = ANY(CAST(:call_ids AS text[]))")
_FORGET_LATE = text("""
    DELETE FROM webhook_events USING calls
    WHERE webhook_events.call_id = ANY(CAST(:call_ids AS text[])) AND calls.id = webhook_events.call_id
        AND webhook_events.created_at < calls.transcript_erased_at + interval '10 seconds'
""")
_FORGET_LEFT = text("DELETE FROM webhook_outbox WHERE workspace_id = :workspace AND listed_number = :number")
_FORGET_LISTING = text("""
    DELETE FROM webhook_events
    WHERE workspace_id = :workspace AND type = 'do_not_call.added' AND strpos(data, :quoted) > 0
""")
