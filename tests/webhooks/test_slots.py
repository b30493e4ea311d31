"""How much of whom is under way at once."""

from outdial.webhooks.slots import QUICK, QUICK_OF_LANE, SLOW, SLOW_OF_LANE, Slots


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
