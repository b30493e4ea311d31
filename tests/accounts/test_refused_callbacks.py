import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from outdial.accounts.refused_callbacks import count_refused, refused_lately
from outdial.db.tables import refused_callbacks


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
