import pytest

from outdial.history.call_filter import CallFilter
from outdial.history.views import calls_by_id, get_call, list_calls
from outdial.refusals import NotFound


async def test_a_call_that_isn_t_there_is_not_found(engine):
    async with engine.connect() as conn:
        with pytest.raises(NotFound):
            await get_call(conn, "ws_none", "call_none", base_url="")
        nothing = {"calls": [], "next_cursor": None, "previous_cursor": None}
        assert await list_calls(conn, "ws_none", CallFilter(), base_url="") == nothing
        assert await calls_by_id(conn, "ws_none", ["call_none"], base_url="") == []
