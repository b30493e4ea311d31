"""The do-not-call list of a workspace: kept, shown, locked."""

import asyncio

import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from outdial.db.tables import audit_log, pools
from outdial.policy import do_not_call
from outdial.policy.do_not_call import NewEntry, Source, insert_entries, list_entries, lock_list, remove_entry
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.workspaces.audit import COMMAND_LINE

ONE, TWO, OTHER = "+12025550115", "+12025550116", "+442071838750"


async def enter(workspace, *numbers, source=Source.CLI, by=COMMAND_LINE, **facts):
    async with workspace.engine.begin() as conn:
        entries = [NewEntry(number=number, **facts) for number in numbers]
        return await insert_entries(conn, workspace.id, entries, source, by=by)


async def listed(workspace, **wanted):
    async with workspace.engine.connect() as conn:
        return await list_entries(conn, workspace.id, **wanted)


async def test_an_entry_says_who_entered_it_why_and_when(workspace):
    await enter(workspace, ONE, reason="Moved away")
    (entry,) = (await listed(workspace))["entries"]
    assert entry.pop("created_at").endswith("Z")
    by = {"kind": "command_line", "id": "command_line", "name": "Command line"}
    assert entry == {"number": ONE, "reason": "Moved away", "source": "cli", "call_id": None, "by": by}


async def test_the_first_entry_of_a_number_stays(workspace):
    assert await enter(workspace, ONE, source=Source.CALLEE, by=None, call_id="call_1") == {ONE}
    assert await enter(workspace, ONE, TWO, reason="Again") == {TWO}
    async with workspace.engine.connect() as conn:
        entry = await do_not_call.get_entry(conn, workspace.id, ONE)
    assert (entry["source"], entry["call_id"], entry["reason"], entry["by"]) == ("callee", "call_1", None, None)


async def test_a_list_is_its_workspaces_own(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    await enter(ours, ONE)
    async with ours.engine.connect() as conn:
        assert await do_not_call.listed_now(conn, ours.id, ONE)
        assert not await do_not_call.listed_now(conn, theirs.id, ONE)
    assert (await listed(theirs))["entries"] == []
    with pytest.raises(NotFound):
        await remove_entry(theirs.engine, theirs.id, ONE, by=COMMAND_LINE)


async def test_who_is_taken_off_may_be_called_again_and_the_audit_log_says_who_did_it_without_the_number(workspace):
    await enter(workspace, ONE)
    await remove_entry(workspace.engine, workspace.id, ONE, by=COMMAND_LINE)
    assert (await listed(workspace))["entries"] == []
    async with workspace.engine.connect() as conn:
        entry = (await conn.execute(select(audit_log))).one()
    assert (entry.act, entry.actor_kind, entry.subject_name) == ("do_not_call.removed", "command_line", "+120…15")
    assert ONE not in str(entry)
    with pytest.raises(NotFound):
        await remove_entry(workspace.engine, workspace.id, ONE, by=COMMAND_LINE)


async def test_the_list_is_read_page_by_page_also_what_was_entered_at_once(workspace):
    numbers = [f"+1202555{n:04}" for n in range(25)]
    await enter(workspace, *numbers[:20])
    await enter(workspace, *numbers[20:])
    seen, cursor = [], None
    while True:
        page = await listed(workspace, limit=7, cursor=cursor)
        seen += [entry["number"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen[:5] == sorted(numbers[20:], reverse=True)
    assert sorted(seen) == numbers


@pytest.mark.parametrize("cursor", ["x", "2026-01-01T00:00:00/", "/", "9999-99-99/+1", "2026-01-01/+1"])
async def test_a_cursor_that_is_none_of_ours_is_refused(workspace, cursor):
    with pytest.raises(Invalid):
        await listed(workspace, cursor=cursor)


@pytest.mark.parametrize(
    ("searched", "found"),
    [
        ("+1 202", [TWO, ONE]),
        ("+12025550115", [ONE]),
        ("555-0116", [TWO]),
        ("207", [OTHER]),
        ("+20", []),
        ("%", [OTHER, TWO, ONE]),
        ("", [OTHER, TWO, ONE]),
    ],
)
async def test_numbers_are_searched_by_how_they_begin_or_by_some_of_their_digits(workspace, searched, found):
    await enter(workspace, ONE)
    await enter(workspace, TWO)
    await enter(workspace, OTHER)
    assert [entry["number"] for entry in (await listed(workspace, number=searched))["entries"]] == found


async def test_entries_are_searched_by_how_they_came(workspace):
    await enter(workspace, ONE)
    await enter(workspace, TWO, source=Source.CALLEE, by=None)
    assert [entry["number"] for entry in (await listed(workspace, source=Source.CALLEE))["entries"]] == [TWO]


async def test_one_number_in_a_long_list_is_found_by_the_primary_key(workspace):
    async with workspace.engine.begin() as conn:
        await conn.execute(
            text(
                "INSERT INTO do_not_call (workspace_id, number, source)"
                " SELECT :workspace, '+1' || (2000000000 + n), 'csv' FROM generate_series(1, 50000) AS n"
            ),
            {"workspace": workspace.id},
        )
        await conn.execute(text("ANALYZE do_not_call"))
        values = {"workspace": workspace.id, "number": ONE}
        lookup = str(do_not_call._LISTED.compile(workspace.engine.sync_engine, compile_kwargs={"literal_binds": False}))
        plan = (await conn.exec_driver_sql(f"EXPLAIN {lookup}", values)).scalars().all()
    assert any("Index Only Scan using pk_do_not_call" in line for line in plan), plan


# -- its lock --------------------------------------------------------------------------------------------------


async def at_rest(conn, workspace):
    query = select(do_not_call.list_at_rest(pools.c.workspace_id)).where(pools.c.workspace_id == workspace.id)
    return await conn.scalar(query)


async def test_the_list_is_not_at_rest_while_somebody_adds_to_it(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    async with ours.engine.begin() as adding, ours.engine.begin() as claiming:
        await lock_list(adding, ours.id)
        assert not await at_rest(claiming, ours)
        assert await at_rest(claiming, theirs)


async def test_who_adds_waits_for_claims_under_way(workspace):
    async with workspace.engine.begin() as adding:
        async with workspace.engine.begin() as claiming:
            assert await at_rest(claiming, workspace)
            waiting = asyncio.create_task(lock_list(adding, workspace.id))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
        await asyncio.wait_for(waiting, 30)


async def test_a_claim_waits_for_an_addition_but_not_long(workspace):
    async with workspace.engine.begin() as adding:
        await lock_list(adding, workspace.id)
        with pytest.raises(OperationalError) as refused:
            async with workspace.engine.begin() as claiming:
                await do_not_call.await_additions(claiming, workspace.id)
        assert isinstance(refused.value.orig, LockNotAvailable)


async def test_one_import_at_a_time(workspace):
    async with workspace.engine.begin() as first:
        await do_not_call.begin_import(first, workspace.id)
        async with workspace.engine.begin() as second:
            with pytest.raises(Conflict):
                await do_not_call.begin_import(second, workspace.id)
