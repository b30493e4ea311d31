"""How many calls a process may claim."""

import asyncio
from dataclasses import dataclass

from outdial.calls.due import BATCH
from outdial.dispatch.under_way import MOST_TO_SEND, REST, UnderWay
from virtual_time import run


@dataclass(frozen=True, slots=True)
class Claimed:
    attempt_id: str
    carrier_account_id: str = "acct_1"


CLAIMS = [Claimed(f"att_{number}") for number in range(MOST_TO_SEND)]


def with_dials(claims=CLAIMS):
    dials = UnderWay()
    for claim in claims:
        dials.claimed(claim)
    return dials


def room(dials):
    with dials.claiming() as room:
        return room


def test_a_process_claims_no_more_until_it_has_sent_what_it_claimed():
    async def main():
        dials = with_dials()
        assert room(dials) == 0
        dials.sent(CLAIMS[0])
        assert (room(dials), dials.by_account["acct_1"]) == (1, MOST_TO_SEND)
        dials.over(CLAIMS[1])  # never sent
        assert (room(dials), dials.by_account["acct_1"]) == (1, MOST_TO_SEND - 1)

    run(main())


def test_claims_at_the_same_time_share_the_room_there_is():
    async def main():
        dials = UnderWay()
        with dials.claiming() as first, dials.claiming() as second, dials.claiming() as third:
            assert (first, second, third) == (BATCH, 25, 13)
        assert room(dials) == BATCH

    run(main())


def test_an_account_whose_dials_are_over_is_forgotten():
    async def main():
        dials = with_dials()
        for claim in CLAIMS:
            dials.over(claim)
        assert (room(dials), dict(dials.by_account)) == (BATCH, {})

    run(main())


def test_a_process_that_was_too_late_rests_longer_and_longer_until_it_is_in_time():
    async def main():
        dials, rests = with_dials(CLAIMS[:3]), []
        for _ in range(6):
            for _ in CLAIMS[:3]:
                dials.was_too_late()  # all that it had claimed: that is one time
            assert room(dials) == 0
            rests.append(dials.rest_s)
            await asyncio.sleep(dials.rest_s)
            assert room(dials) > 0
        longest = [1, 2, 4, 8, 15, 15]
        assert all(most / 2 <= rest_s <= most for rest_s, most in zip(rests, longest, strict=True)), rests
        dials.sent(CLAIMS[0])
        dials.was_too_late()
        assert dials.rest_s <= REST.first_s

    run(main())
