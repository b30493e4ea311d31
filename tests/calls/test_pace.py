"""Which accounts may be claimed for soon."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update

from outdial.calls.pace import LATE_S, accounts_in_turn, apart_s
from outdial.db.tables import carrier_accounts, paces


@pytest.mark.parametrize(
    ("pace", "seconds"), [(5, (1 + LATE_S) / 5), (1, 1 + LATE_S), (0.5, 2 + LATE_S), (1000, (1 + LATE_S) / 1000)]
)
async def test_as_many_departures_as_the_pace_have_no_room_in_less_than_a_second(engine, pace, seconds):
    """Of one more, the last leaves a second after the first, even if the first was late and the last in time."""
    async with engine.connect() as conn:
        apart = await conn.scalar(text(f"SELECT CAST({apart_s(f'CAST({pace} AS float8)', str(LATE_S))} AS float8)"))
    assert apart == pytest.approx(seconds)
    assert apart * max(pace, 1) - LATE_S >= 1 / min(pace, 1) - 1e-9


async def in_turn(workspace, full=()):
    values = {"workspace": workspace.id, "accounts": list(full)}
    async with workspace.engine.connect() as conn:
        rows = (await conn.execute(select(accounts_in_turn()), values)).all()
    return {row.id: row for row in rows}


async def departed(workspace, account_ref, at):
    row = {"carrier": "twilio", "account_ref": account_ref, "slot_at": at, "late_s": 0.1, "attempt_id": "att_1"}
    async with workspace.engine.begin() as conn:
        await conn.execute(insert(paces).values(row))


async def test_an_account_that_has_dialled_comes_again_after_a_pause(make_workspace):
    """Whichever workspace dialled by it, and at the lowest pace that was set for it."""
    workspace, other = await make_workspace(calls_per_second=5), await make_workspace(calls_per_second=2)
    async with workspace.engine.begin() as conn:
        shared = carrier_accounts.c.id.in_([workspace.account_id, other.account_id])
        await conn.execute(update(carrier_accounts).where(shared).values(account_ref="AC1"))
    now = datetime.now(UTC)
    await departed(workspace, "AC1", now)
    for each in (workspace, other):
        (account,) = (await in_turn(each)).values()
        assert account.apart_s == pytest.approx(0.55)
        assert account.next_dial_at == pytest.approx(now + timedelta(seconds=0.55), abs=_US)


_US = timedelta(microseconds=2)


async def test_an_account_that_never_dialled_and_those_with_too_many_dials_under_way(workspace):
    other_id, _ = await workspace.add_account(e164="+15551230009")
    assert (await in_turn(workspace)).keys() == {workspace.account_id, other_id}
    assert (await in_turn(workspace, [other_id])).keys() == {workspace.account_id}
