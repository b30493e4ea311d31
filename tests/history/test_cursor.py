"""Cursors come back as they were given, and from nowhere else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.history.call_filter import CallFilter
from outdial.history.cursor import Cursor, Order
from outdial.ids import new_id
from outdial.refusals import Invalid

NINE = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_=-]{0,60}", fullmatch=True))
def test_a_cursor_from_anywhere_else_is_refused(text):
    with pytest.raises(Invalid):
        Cursor.parse(text)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)), st.booleans(), st.sampled_from(Order))
def test_a_cursor_is_read_as_it_was_written(at, newer, order):
    cursor = Cursor(at=at, call_id=new_id("call"), order=order, newer=newer)
    assert Cursor.parse(cursor.text()) == cursor


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("field", ["ended_after", "ended_before"])
def test_a_cursor_holds_for_lists_in_its_order(order, field):
    cursor = Cursor(at=NINE, call_id=new_id("call"), order=order)
    by_end = CallFilter.model_validate({field: "2026-01-31T09:00:00Z", "cursor": cursor.text()})
    by_start = CallFilter(cursor=cursor.text())
    right, wrong = (by_start, by_end) if order is Order.CREATED else (by_end, by_start)
    assert Cursor.of(right) == cursor
    with pytest.raises(Invalid) as refused:
        Cursor.of(wrong)
    assert "ended_after" in refused.value.message
