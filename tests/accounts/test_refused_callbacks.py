import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from outdial.accounts.refused_callbacks import RefusalCounter, _OfAnAccount, count_refused, refused_lately
from outdial.db.tables import refused_callbacks
from outdial.logs import Seldom


async def lately(workspace, workspace_id=None):
    async with workspace.engine.connect() as conn:
        return [each["refused"] for each in await refused_lately(conn, workspace_id or workspace.id)]


async def earlier(workspace, refused, **ago):
    async with workspace.engine.begin() as conn:
        row = {"carrier_account_id": workspace.account_id, "hour": datetime.now(UTC) - timedelta(**ago)}
        await conn.execute(insert(refused_callbacks).values(row | {"refused": refused}))


async def rows(workspace):
    async with workspace.engine.connect() as conn:
        return await conn.scalar(select(func.count()).select_from(refused_callbacks))


async def test_however_many_come_an_hour_is_a_row(workspace):
    await asyncio.gather(*(count_refused(workspace.engine, workspace.account_id) for _ in range(8)))
    assert await lately(workspace) == [8]
    assert await rows(workspace) in (1, 2), "the hour may have struck"


@pytest.mark.parametrize(("hours", "counted"), [(22, [4]), (26, [])])
async def test_lately_is_a_day(workspace, hours, counted):
    await earlier(workspace, 4, hours=hours)
    assert await lately(workspace) == counted


async def test_what_is_older_than_a_week_is_forgotten(workspace):
    await earlier(workspace, 4, days=8)
    await count_refused(workspace.engine, workspace.account_id)
    assert (await rows(workspace), await lately(workspace)) == (1, [1])


async def test_an_account_that_was_just_removed_is_no_error(workspace):
    await count_refused(workspace.engine, "acct_removed")
    assert await rows(workspace) == 0


async def test_those_of_other_workspaces_are_theirs(workspace, make_workspace):
    await count_refused(workspace.engine, workspace.account_id)
    assert await lately(workspace, (await make_workspace()).id) == []


# -- many at once --------------------------------------------------------------------------------------------


@pytest.fixture
def statements(workspace):
    """Those that touched the counts."""
    seen = []

    def watch(conn, cursor, statement, parameters, context, executemany):
        if "refused_callbacks" in statement and statement.startswith("INSERT"):
            seen.append(statement)

    event.listen(workspace.engine.sync_engine, "before_cursor_execute", watch)
    yield seen
    event.remove(workspace.engine.sync_engine, "before_cursor_execute", watch)


async def test_a_flood_is_a_line_and_a_statement_and_none_of_it_is_lost(workspace, statements, caplog):
    counter = RefusalCounter(workspace.engine)
    for _ in range(200):
        await counter.count(workspace.account_id)
    assert len(statements) == 1
    assert [record.getMessage() for record in caplog.records] == ["Callback refused: no valid signature"]
    await counter.aclose()
    assert len(statements) == 2
    assert await lately(workspace) == [200]


async def test_what_came_meanwhile_is_written_by_itself(workspace, statements, monkeypatch):
    monkeypatch.setattr("outdial.accounts.refused_callbacks.WRITTEN_EVERY_S", 0.05)
    counter = RefusalCounter(workspace.engine)
    for _ in range(50):
        await counter.count(workspace.account_id)
    async with asyncio.timeout(5):
        while await lately(workspace) != [50]:  # noqa: ASYNC110 - the database sets no event
            await asyncio.sleep(0.01)
    assert len(statements) <= 3


async def test_a_minute_later_the_log_tells_how_many_there_were(workspace, caplog):
    now = [0.0]
    counter = RefusalCounter(workspace.engine, clock=lambda: now[0])
    counter._accounts[workspace.account_id] = account = _OfAnAccount(told=Seldom(clock=lambda: now[0]))
    for _ in range(30):
        await counter.count(workspace.account_id)
    now[0] = 61.0
    await counter.count(workspace.account_id)
    assert [record.times for record in caplog.records] == [1, 30]
    assert account.unwritten == 0
    await counter.aclose()


async def test_a_database_that_is_away_is_no_fault_of_who_asks(workspace, caplog):
    gone = create_async_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    await RefusalCounter(gone).count("acct_1")
    assert "Refused callbacks not counted" in [record.getMessage() for record in caplog.records]
