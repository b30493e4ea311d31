import asyncio

import virtual_time
from outdial.media.pacer import Pacer


class Ticked:
    def __init__(self, then=lambda: None):
        self.at_ms = []
        self._then = then

    def tick(self, now):
        self.at_ms.append(round(now * 1000, 3))
        self._then()


def test_everything_paced_is_ticked_every_5_ms():
    async def main():
        pacer, one, other = Pacer(), Ticked(), Ticked()
        pacer.add(one)
        pacer.add(other)
        pacer.add(one)
        await asyncio.sleep(0.021)
        return one.at_ms, other.at_ms

    assert virtual_time.run(main()) == ([5, 10, 15, 20], [5, 10, 15, 20])


def test_a_pacer_with_nothing_to_do_sets_no_timer_and_starts_again():
    async def main():
        pacer, one = Pacer(), Ticked()
        pacer.add(one)
        await asyncio.sleep(0.012)
        pacer.remove(one)
        pacer.remove(one)
        await asyncio.sleep(0.1)
        assert not asyncio.get_running_loop()._scheduled
        pacer.add(one)
        await asyncio.sleep(0.012)
        return one.at_ms

    assert virtual_time.run(main()) == [5, 10, 117, 122]


def test_ticks_keep_their_rhythm_after_a_stall_without_making_up_for_it():
    async def main():
        pacer, one = Pacer(), Ticked()
        pacer.add(one)
        await asyncio.sleep(0.007)
        asyncio.get_running_loop().pass_time(0.05)  # something blocks the loop
        await asyncio.sleep(0.0151)
        return one.at_ms

    assert virtual_time.run(main()) == [5, 57, 57, 62, 67, 72]


def test_ticks_do_not_drift():
    async def main():
        pacer, loop = Pacer(), asyncio.get_running_loop()
        one = Ticked(lambda: loop.pass_time(0.001))  # the work of a tick takes time
        pacer.add(one)
        await asyncio.sleep(1.0001)
        return one.at_ms

    assert virtual_time.run(main()) == [5 * number for number in range(1, 201)]


def test_one_that_fails_falls_out_and_the_others_go_on(caplog):
    async def main():
        pacer, well = Pacer(), Ticked()
        ill = Ticked(lambda: 1 / 0)
        pacer.add(ill)
        pacer.add(well)
        await asyncio.sleep(0.021)
        return ill.at_ms, well.at_ms

    assert virtual_time.run(main()) == ([5], [5, 10, 15, 20])
    assert [record.message for record in caplog.records] == ["Call dropped from the pacer"]


def test_one_may_leave_or_bring_another_during_a_tick():
    async def main():
        pacer, guest = Pacer(), Ticked()
        one = Ticked(lambda: (pacer.remove(one), pacer.add(guest)))
        pacer.add(one)
        await asyncio.sleep(0.016)
        return one.at_ms, guest.at_ms

    assert virtual_time.run(main()) == ([5], [10, 15])
