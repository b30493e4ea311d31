"""Calls counted by when they ended, and replies by how long they took."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, insert, select

from outdial.calls.ended_counts import KEPT, count_replies, fold_ended_counts
from outdial.calls.prices import record_price
from outdial.db.alert_tables import ended_counts
from outdial.telephony.price import Price
from outdial.telephony.state import CallError, CallState, EndReason

COUNT = ended_counts.c


async def counted(engine):
    query = select(COUNT.kind, COUNT.key, func.sum(COUNT.count)).group_by(COUNT.kind, COUNT.key)
    async with engine.connect() as conn:
        return {(kind, key): int(many) for kind, key, many in await conn.execute(query) if many}


async def test_a_dialled_call_counts_with_its_end_by_whether_it_was_answered_and_why_it_failed(engine, workspace):
    busy, talked, failed = await workspace.dialed(), await workspace.dialed(), await workspace.dialed()
    assert await counted(engine) == {}
    await workspace.hears(busy.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.hears(talked.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(talked.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    error = CallError(code="unreachable", message="No.")
    await workspace.hears(failed.attempt_id, CallState.ENDED, EndReason.FAILED, error=error)
    assert await counted(engine) == {("unanswered", ""): 1, ("answered", ""): 1, ("unanswered", "unreachable"): 1}


async def test_a_reply_counts_by_the_bound_it_is_within_and_a_slower_one_by_the_last(engine, workspace):
    call_id = await workspace.queue()
    async with engine.begin() as conn:
        await count_replies(conn, call_id, [250, 251, 99_000])
        await count_replies(conn, call_id, [])
    expected = {("timed", ""): 1, ("reply", "250"): 1, ("reply", "500"): 1, ("reply", "30000"): 1}
    assert await counted(engine) == expected


async def test_folding_leaves_one_row_a_kind_and_the_same_sums_and_forgets_the_old(engine, workspace):
    now = datetime.now(UTC)
    row = {"workspace_id": workspace.id, "kind": "answered", "key": "", "ended_at": now}
    rows = [row | {"count": many} for many in (1, 1, 1, -1)] + [row | {"count": 1, "ended_at": now - 2 * KEPT}]
    for _ in range(2):
        async with engine.begin() as conn:
            await conn.execute(insert(ended_counts), rows)
            await fold_ended_counts(conn, now=now)
    async with engine.connect() as conn:
        left = (await conn.execute(select(COUNT.count, COUNT.folded))).all()
        assert left == [(4, True)]
        await fold_ended_counts(conn, now=now + KEPT + timedelta(minutes=5))
        assert (await conn.execute(select(COUNT.count))).all() == []


async def test_what_a_carrier_charges_counts_once_in_its_currency_however_often_it_is_told(engine, workspace):
    first, second = await workspace.dialed(), await workspace.dialed()
    for amount, currency in (("0.0070", "USD"), ("0.0070", "USD"), ("0.0140", "USD")):
        await record_price(engine, first.attempt_id, Price(amount=amount, currency=currency))
    assert await counted(engine) == {("charge", "USD"): 14_000}
    await record_price(engine, second.attempt_id, Price(amount="0.02", currency="EUR"))
    await record_price(engine, first.attempt_id, Price(amount="0.5", currency="EUR"))
    assert await counted(engine) == {("charge", "EUR"): 520_000}


async def test_a_price_beyond_all_reason_is_kept_and_can_be_put_right(engine, workspace):
    call = await workspace.dialed()
    await record_price(engine, call.attempt_id, Price(amount="1E+40", currency="USD"))
    assert await counted(engine) == {("charge", "USD"): 10**15}
    await record_price(engine, call.attempt_id, Price(amount="0.01", currency="USD"))
    assert await counted(engine) == {("charge", "USD"): 10_000}
