"""Which calls may be dialled now, and what the gate looks at."""

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import sql
from sqlalchemy import text, update
from sqlalchemy.dialects import postgresql

from outdial.calls import claim, due
from outdial.calls.due import due_calls, next_look
from outdial.calls.refused import end_expired
from outdial.db.tables import carrier_accounts
from outdial.policy.do_not_call import NewEntry, Source, insert_entries
from outdial.policy.pauses import pause
from outdial.workspaces.audit import COMMAND_LINE

NOW = datetime.now(UTC)
LISTED = "+12025550115"


async def test_due_calls_are_read_page_by_page_also_those_due_at_the_same_instant(workspace):
    queued = [await workspace.queue(id=f"call_{n:02}", due_at=NOW - timedelta(seconds=n % 2)) for n in range(10)]
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=LISTED)], Source.CLI, by=None)
    seen = []
    async with workspace.engine.begin() as conn:
        while page := await due_calls(conn, workspace.id, 3, datetime.now(UTC), but_for=seen):
            seen += [each.call.id for each in page]
    assert seen == queued[1::2] + queued[::2]


async def test_a_due_call_tells_whether_its_callee_is_on_the_list(workspace):
    queued = [await workspace.queue(to=LISTED), await workspace.queue()]
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=LISTED)], Source.CLI, by=None)
        found = await due_calls(conn, workspace.id, 10, datetime.now(UTC))
    assert {each.call.id: each.facts.listed for each in found} == {queued[0]: True, queued[1]: False}


async def test_the_next_look_is_when_the_next_call_is_due(workspace):
    at = datetime.now(UTC) + timedelta(seconds=30)
    await workspace.queue(due_at=at)
    async with workspace.engine.begin() as conn:
        assert await next_look(conn, workspace.id, datetime.now(UTC)) == at


# -- what a look costs beside a long queue -------------------------------------------------------------------

MANY = 20_000


async def queue_many(workspace, **columns):
    """MANY calls of the workspace's number."""
    await workspace.queue_many(MANY, **columns)
    async with workspace.engine.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text("VACUUM ANALYZE calls, numbers"))  # as autovacuum does in the end


async def calls_read(workspace, query, values):
    """How many rows of `calls` a query looks at: in the plan for these values, or in the one for any that is kept once
    it was run a few times; whichever are more."""
    compiled = query.compile(dialect=postgresql.dialect(paramstyle="numeric_dollar"))
    given = [(compiled.params | values)[name] for name in compiled.positiontup or ()]
    read = []
    async with workspace.engine.begin() as conn:
        connection = (await conn.get_raw_connection()).driver_connection
        arguments = sql.SQL(", ").join(sql.Literal(value) for value in given)
        await connection.execute(f"PREPARE look AS {compiled}")
        execute = sql.SQL("look({})").format(arguments) if given else sql.SQL("look")
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            explained = await connection.execute(sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {}").format(execute))
            (plan,) = await explained.fetchone()
            read.append(sum(_read(plan[0]["Plan"])))
        await connection.execute("DEALLOCATE look")
    return max(read)


def _read(node):
    if node.get("Relation Name") == "calls":
        yield node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    for each in node.get("Plans", ()):
        yield from _read(each)


LONG_QUEUES = {
    "of an account behind its pace": {},
    "for later": {"due_at": "now() + interval '1 hour' + n * interval '1 ms'"},
    "for one instant later": {"due_at": "date_trunc('day', now()) + interval '2 days'"},
    "of a number that is paused": {},
    "due at one instant": {"due_at": "date_trunc('day', now()) - interval '1 day'"},
    "due": {},
}


@pytest.mark.parametrize("queue", LONG_QUEUES)
async def test_a_look_at_the_queue_costs_no_more_where_it_is_long(workspace, queue):
    _, other_number = await workspace.add_account(e164="+15551230009")
    if queue == "of an account behind its pace":
        async with workspace.engine.begin() as conn:
            behind = datetime.now(UTC) + timedelta(hours=1)
            the_account = carrier_accounts.c.id == workspace.account_id
            await conn.execute(update(carrier_accounts).where(the_account).values(next_dial_at=behind))
    if queue == "of a number that is paused":
        await pause(workspace.engine, workspace.id, workspace.number_id, reason=None, by=COMMAND_LINE)
    await queue_many(workspace, **LONG_QUEUES[queue])
    mine = await workspace.queue(number_id=other_number)
    now = datetime.now(UTC)
    values = {"workspace": workspace.id, "now": now, "soon": now + due.SOON, "limit": 1}
    values |= {"found": [], "accounts": [], "aside": []}
    assert await calls_read(workspace, due._DUE.statement, values) <= 4 * (due.BATCH + due.SPARE)
    assert await calls_read(workspace, due._NEXT_LOOK.statement, values) <= 10
    assert await calls_read(workspace, claim._WITH_QUEUED, {}) <= 10
    if not queue.startswith("due"):
        async with workspace.engine.begin() as conn:
            assert [each.call.id for each in await due_calls(conn, workspace.id, 1, datetime.now(UTC))] == [mine]


async def test_what_has_expired_is_found_without_a_look_at_all_that_waits(workspace):
    await queue_many(workspace)
    late = await workspace.queue(expires_at=NOW - timedelta(seconds=1))
    query = text("SELECT id FROM calls WHERE state = 'queued' AND expires_at <= now() ORDER BY expires_at LIMIT 100")
    assert await calls_read(workspace, query, {}) <= 2
    async with workspace.engine.begin() as conn:
        assert await end_expired(conn, at_most=100) == 1
    assert (await workspace.call(late)).end_reason == "expired"


async def test_calls_that_are_due_at_one_instant_are_all_found_in_the_end(workspace):
    """More of them than a look finds."""
    many = due.BATCH + due.SPARE + 20
    queued = {await workspace.queue(due_at=NOW - timedelta(seconds=9)) for _ in range(many)}
    seen = set()
    async with workspace.engine.begin() as conn:
        while page := await due_calls(conn, workspace.id, due.BATCH, datetime.now(UTC), but_for=seen):
            seen |= {each.call.id for each in page}
    assert seen == queued


async def test_an_account_that_has_dialled_enough_is_passed_over(workspace):
    account_id, other_number = await workspace.add_account(e164="+15551230009")
    ours, _ = await workspace.queue(), await workspace.queue(number_id=other_number)
    async with workspace.engine.begin() as conn:
        found = await due_calls(conn, workspace.id, 10, datetime.now(UTC), accounts_but_for=[account_id])
    assert [each.call.id for each in found] == [ours]
