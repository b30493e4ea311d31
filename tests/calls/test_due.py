"""Which calls may be dialled now, and what the gate looks at."""

from datetime import UTC, datetime, timedelta

from outdial.calls.due import due_calls, next_look
from outdial.policy.do_not_call import NewEntry, Source, insert_entries

NOW = datetime.now(UTC)
LISTED = "+12025550115"


async def test_due_calls_are_read_page_by_page_also_those_due_at_the_same_instant(workspace):
    queued = [await workspace.queue(id=f"call_{n:02}", due_at=NOW - timedelta(seconds=n % 2)) for n in range(10)]
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=LISTED)], Source.CLI, by=None)
    seen = []
    async with workspace.engine.begin() as conn:
        while page := await due_calls(conn, workspace.id, 3, datetime.now(UTC), but_for=seen):
            seen += [due.call.id for due in page]
    assert seen == queued[1::2] + queued[::2]


async def test_a_due_call_tells_whether_its_callee_is_on_the_list(workspace):
    queued = [await workspace.queue(to=LISTED), await workspace.queue()]
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=LISTED)], Source.CLI, by=None)
        due = await due_calls(conn, workspace.id, 10, datetime.now(UTC))
    assert {each.call.id: each.facts.listed for each in due} == {queued[0]: True, queued[1]: False}


async def test_the_next_look_is_when_the_next_call_is_due(workspace):
    at = datetime.now(UTC) + timedelta(seconds=30)
    await workspace.queue(due_at=at)
    async with workspace.engine.begin() as conn:
        assert await next_look(conn, workspace.id, datetime.now(UTC)) == at
