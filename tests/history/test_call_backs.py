"""Which call was promised in which, as both of them show it."""

from datetime import UTC, datetime

from sqlalchemy import insert

from outdial.db.call_back_tables import call_backs
from outdial.history.call_backs import call_backs_of
from outdial.history.views import get_call


async def test_a_call_and_the_one_that_was_promised_in_it_name_each_other(workspace):
    first, second, third, other = [await workspace.queue() for _ in range(4)]
    pairs = ((first, second), (second, third))
    async with workspace.engine.begin() as conn:
        for old, new in pairs:
            row = {"call_id": old, "new_call_id": new, "promised_for": datetime.now(UTC)}
            await conn.execute(insert(call_backs).values(row))
        found = await call_backs_of(conn, [first, second, other])
        shown = await get_call(conn, workspace.id, second, base_url="")
    assert found == {
        first: {"call_back_of": None, "call_back": second},
        second: {"call_back_of": first, "call_back": third},
        other: {"call_back_of": None, "call_back": None},
    }
    assert (shown["call_back_of"], shown["call_back"]) == (first, third)
