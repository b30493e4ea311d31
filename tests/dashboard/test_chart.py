"""Calls over time as bars, and in words."""

from datetime import UTC, datetime

import pytest

from outdial.dashboard.chart import HEIGHT, KINDS, STEP, chart_of, even_top
from outdial.history.periods import Days, last_days
from outdial.instants import to_json

NOTHING = dict.fromkeys(KINDS, 0)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def period(days=Days.WEEK, zone="Europe/Vienna", **by_place):
    """`_3={"failed": 2}`: of the fourth interval."""
    shown = last_days(days, zone, now=NOW)
    ends = [NOTHING | by_place.get(f"_{place}", {}) for place in range(len(shown.starts))]
    return {
        "days": days,
        "time_zone": zone,
        "until": to_json(shown.until),
        "ends": {kind.value: sum(each[kind] for each in ends) for kind in KINDS},
        "intervals": [{"since": to_json(at), **each} for at, each in zip(shown.starts, ends, strict=True)],
    }


def test_a_bar_is_as_high_as_it_has_calls_and_its_pieces_stand_upon_each_other():
    chart = chart_of(period(_0={"completed": 50, "no_answer": 30, "failed": 20}, _6={"machine": 25}))
    first, last = chart.bars[0], chart.bars[-1]
    assert (chart.top, chart.width, chart.calls) == (100, 7 * STEP, 125)
    assert [piece.kind for piece in first.pieces] == ["completed", "no_answer", "failed"]
    assert [piece.y for piece in first.pieces] == [50, 20, 0]
    assert last.pieces[0].y == 75
    floor = HEIGHT
    for piece in first.pieces:
        assert piece.y < piece.y + piece.height < floor + 0.01
        floor = piece.y


def test_a_kind_of_one_call_beside_thousands_can_be_seen():
    chart = chart_of(period(_2={"completed": 9999, "failed": 1}))
    assert min(piece.height for piece in chart.bars[2].pieces) > 0


def test_bars_say_in_words_what_they_show_and_lead_to_their_calls():
    chart = chart_of(period(_6={"completed": 1204, "busy_or_declined": 3}))
    assert chart.bars[6].in_words == "Mon 30 Nov: Completed 1,204, Busy or declined 3"
    assert chart.bars[5].in_words == "Sun 29 Nov: no calls"
    made = "created_after=2026-11-29T23%3A00%3A00Z&created_before=2026-11-30T23%3A00%3A00Z"  # midnights in Vienna
    assert chart.bars[6].url == f"/calls?{made}"
    assert {name: calls for _, name, calls in chart.totals}["Completed"] == 1204


def test_hours_are_told_by_the_readers_clock():
    chart = chart_of(period(Days.ONE, "Asia/Kolkata", _9={"machine": 1}))
    assert [bar.label for bar in chart.bars][:7] == ["00:00", "", "", "03:00", "", "", "06:00"]
    assert chart.bars[9].in_words == "09:00: Machine 1"


def test_of_a_month_the_last_day_has_a_label_and_every_fifth_before_it():
    labels = [bar.label for bar in chart_of(period(Days.MONTH)).bars]
    assert [label for label in labels if label] == ["5 Nov", "10 Nov", "15 Nov", "20 Nov", "25 Nov", "30 Nov"]
    assert labels[-1] == "30 Nov"


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (3, 4), (9, 10), (13, 16), (17, 20), (100, 100), (101, 120), (161_000, 200_000)]
)
def test_the_scale_ends_at_an_even_number_that_everything_fits_under(most, top):
    assert even_top(most) == top
