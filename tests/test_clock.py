"""What time it is for a process whose computer's clock is right, wrong, or jumps."""

from outdial.clock import AGREES_WITHIN_S, Clock

HOUR_S = 3600.0


class Times:
    """Both clocks of a computer."""

    def __init__(self) -> None:
        self.true = 1_800_000_000.0
        self.wall_ahead_s = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.true + self.wall_ahead_s, lambda: self.true - 1_799_000_000.0)


def test_a_wall_clock_that_is_right_is_read():
    times = Times()
    clock = times.clock()
    times.true += 10 * HOUR_S
    times.wall_ahead_s = AGREES_WITHIN_S - 0.1
    assert clock.time() == times.true + times.wall_ahead_s
    assert clock.wall_is_off_s == 0


def test_a_wall_clock_that_jumps_is_not_believed_until_it_is_right_again():
    times = Times()
    clock = times.clock()
    for ahead_s in (HOUR_S, -HOUR_S):
        times.true += 60
        times.wall_ahead_s = ahead_s
        assert clock.time() == times.true
        assert clock.wall_is_off_s == ahead_s
    times.wall_ahead_s = 0.0
    assert clock.wall_is_off_s == 0


def test_one_that_was_wrong_from_the_beginning_is_put_right_by_who_knows_better():
    times = Times()
    times.wall_ahead_s = HOUR_S
    clock = times.clock()
    assert clock.time() == times.true + HOUR_S
    clock.set(times.true, times.true - 1_799_000_000.0)
    times.true += 60
    assert clock.time() == times.true


def test_one_that_somebody_puts_right_is_believed_once_the_database_says_the_same():
    times = Times()
    times.wall_ahead_s = -HOUR_S
    clock = times.clock()
    times.wall_ahead_s = 0.0
    assert clock.wall_is_off_s == HOUR_S
    clock.set(times.true, times.true - 1_799_000_000.0)
    assert (clock.time(), clock.wall_is_off_s) == (times.true, 0)
