import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.calls.search import CallFilter, Cursor
from outdial.calls.views import get_call, list_calls
from outdial.refusals import Invalid, NotFound


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_=-]{0,60}", fullmatch=True))
def test_a_cursor_from_anywhere_else_is_refused(text):
    with pytest.raises(Invalid):
        Cursor.parse(text)


async def test_a_call_that_isn_t_there_is_not_found(engine):
    async with engine.connect() as conn:
        with pytest.raises(NotFound):
            await get_call(conn, "ws_none", "call_none", base_url="")
        assert await list_calls(conn, "ws_none", CallFilter(), base_url="") == {
            "calls": [],
            "next_cursor": None,
            "previous_cursor": None,
        }
