import pytest
from sqlalchemy import select, update

from outdial.db.tables import pools
from outdial.lines.workspace_pools import change_plan, create_workspace, get_workspace, list_workspaces
from outdial.refusals import Invalid, NotFound
from outdial.workspaces.audit import COMMAND_LINE, list_audit


async def test_workspaces_are_listed_with_their_pools_the_oldest_first(engine):
    made = [
        await create_workspace(engine, name="Clinic", plan="pro"),
        await create_workspace(engine, name="Shop", lines=3),
    ]
    async with engine.connect() as conn:
        assert await list_workspaces(conn) == made
    assert [(one["plan"], one["pool"]["lines"]) for one in made] == [("pro", 5), ("custom", 3)]


async def test_fewer_lines_than_are_in_use_end_nothing_and_leave_none_free(engine):
    workspace_id = (await create_workspace(engine, name="Clinic", plan="team"))["id"]
    async with engine.begin() as conn:
        await conn.execute(update(pools).values(used_outbound=7, used_inbound=2))
    pool = (await change_plan(engine, workspace_id, lines=4, by=COMMAND_LINE))["pool"]
    assert (pool["lines"], pool["used_outbound"], pool["used_inbound"]) == (4, 7, 2)
    assert (pool["free_outbound"], pool["free_inbound"]) == (0, 0)


async def test_a_change_that_is_refused_changes_neither_plan_nor_pool(engine):
    before = await create_workspace(engine, name="Clinic", plan="team")
    with pytest.raises(Invalid):
        await change_plan(engine, before["id"], plan="pro", reserved_inbound=6, by=COMMAND_LINE)
    async with engine.connect() as conn:
        assert await get_workspace(conn, before["id"]) == before
        assert (await list_audit(conn, before["id"]))["entries"] == []


async def test_a_workspace_that_is_not_there_is_not_found(engine):
    with pytest.raises(NotFound):
        await change_plan(engine, "ws_none", lines=3, by=COMMAND_LINE)
    async with engine.connect() as conn:
        with pytest.raises(NotFound):
            await get_workspace(conn, "ws_none")
        assert (await conn.execute(select(pools))).all() == []
