"""How much of whom is under way at once."""

from outdial.webhooks.attempt import AT_ONCE
from outdial.webhooks.slots import MOST, QUICK, QUICK_OF_LANE, SLOW, SLOW_OF_LANE, Slots


def test_a_lane_has_so_many_and_no_more():
    slots = Slots()
    assert slots.room(["a"], now=0) == {"a": QUICK_OF_LANE}
    for number in range(QUICK_OF_LANE):
        slots.begin(number, "a", now=0)
    assert slots.room(["a", "b"], now=0) == {"b": QUICK_OF_LANE}


def test_whatever_is_slow_leaves_its_room_to_the_quick():
    slots, number = Slots(), 0
    lanes = [f"slow-{each}" for each in range(QUICK // QUICK_OF_LANE)]
    for lane in lanes:
        for _ in range(QUICK_OF_LANE):
            slots.begin(number := number + 1, lane, now=0)
    assert slots.room(["quick"], now=0.5) == {}
    assert slots.room(["quick"], now=1.5) == {"quick": QUICK_OF_LANE}


def test_a_lane_that_was_slow_or_failed_begins_among_the_slow():
    slots = Slots()
    for number, (answered_in_s, failed) in enumerate([(5.0, False), (0.1, True)]):
        slots.begin(number, "a", now=0)
        slots.end(number, answered_in_s=answered_in_s, failed=failed)
        assert slots.room(["a"], now=0) == {"a": SLOW_OF_LANE}
    slots.begin(3, "a", now=0)
    slots.end(3, answered_in_s=0.1, failed=False)
    assert slots.room(["a"], now=0) == {"a": QUICK_OF_LANE}


def test_many_lanes_share_evenly():
    slots = Slots()
    room = slots.room([str(each) for each in range(QUICK * 2)], now=0)
    assert sum(room.values()) == QUICK
    assert set(room.values()) == {1}
    assert len(slots) == 0 <= SLOW


def fill(slots: Slots, lanes: list[str], *, now: float) -> None:
    """Take all there is room for; none of it is ever answered."""
    while room := slots.room(lanes, now=now):
        for lane, places in room.items():
            for _ in range(places):
                slots.begin(len(slots), lane, now=now)


def test_lanes_that_turn_slow_have_no_more_of_the_room_of_the_quick():
    slots = Slots()
    hanging = [f"hanging-{each}" for each in range(50)]
    for second in range(15):
        fill(slots, hanging, now=second * 1.1)
    assert len(slots) == QUICK
    assert slots.room([*hanging, "quick"], now=20) == {"quick": QUICK_OF_LANE}


def test_there_are_never_more_under_way_than_connections():
    slots = Slots()
    for second in range(15):
        fill(slots, [f"hanging-{second}-{each}" for each in range(50)], now=second * 1.1)
    assert len(slots) == MOST < AT_ONCE
