"""Lines, waiting, hanging up, giving up, trying again."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx

from end_to_end.world import CALLEE, HUMAN, SHORT, TALKATIVE, Customer, Story, World
from workspace import until

BUSY = CALLEE + "03"
RINGS_OUT = CALLEE + "04"


class Calls:
    queued: list[Story]
    most_at_once: int
    queued_dials: list[datetime]
    refused: httpx.Response
    refused_dials: int
    hung_up: dict[str, tuple[Story, float]]  # by the state it was hung up in; seconds until it ended
    hang_up_twice: int
    expired: Story
    expired_dials: int
    later: Story
    retried: Story
    retried_dials: list[datetime]
    retries_kept_waiting: timedelta  # by what else this computer had to do
    gave_up: Story
    used_lines: int


async def play(world: World) -> Calls:
    calls = Calls()
    customers: list[Customer] = []

    async def customer(script: str = SHORT, lines: int = 2) -> Customer:
        customers.append(await world.customer(script, lines=lines))
        return customers[-1]

    await asyncio.gather(
        _more_calls_than_lines(world, calls, await customer()),
        _refused(world, calls, await customer(TALKATIVE, lines=1)),
        _hung_up(world, calls, await customer(TALKATIVE, lines=3)),
        _expired(world, calls, await customer(lines=0)),
        _later(calls, await customer()),
        _retried(world, calls, await customer()),
    )
    calls.used_lines = sum([await each.used_lines() for each in customers])
    return calls


async def _more_calls_than_lines(world: World, calls: Calls, customer: Customer) -> None:
    ids = [await customer.place(HUMAN) for _ in range(6)]
    calls.queued = await asyncio.gather(*(customer.follow(call_id) for call_id in ids))
    dials = world.dials(customer)
    calls.queued_dials = [call.created_at for call in dials]
    spans = [(call.created_at, call.ended_at) for call in dials]
    calls.most_at_once = max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


async def _refused(world: World, calls: Calls, customer: Customer) -> None:
    call_id = await customer.place(HUMAN)
    await customer.until(call_id, "in_progress")  # hung up before, it may never be dialled
    calls.refused = await customer.ask(HUMAN, on_limit="reject")
    await customer.hang_up(call_id)
    await customer.follow(call_id)
    calls.refused_dials = len(world.dials(customer))


async def _hung_up(world: World, calls: Calls, customer: Customer) -> None:
    calls.hung_up = {}
    clock = asyncio.get_running_loop().time

    async def hang_up(call_id: str, state: str) -> None:
        await customer.until(call_id, state)
        if state == "in_progress":
            await customer.until_something_is_said(call_id)
        began = clock()
        response = await customer.hang_up(call_id)
        assert response.status_code == 200
        await customer.until(call_id, "ended")
        seconds = clock() - began
        story = await customer.follow(call_id)
        if state == "in_progress":

            async def is_written() -> bool:
                return bool((await customer.get(call_id))["transcript"])

            await until(is_written)  # what a conversation brings may come a moment after the carrier tells its end
            story = Story(events=story.events, call=await customer.get(call_id))
        calls.hung_up[state] = story, seconds

    talking, ringing, dialing = [await customer.place(to, ring_timeout_s=600) for to in (HUMAN, RINGS_OUT, RINGS_OUT)]
    waiting = await customer.place(HUMAN)
    await asyncio.gather(hang_up(waiting, "queued"), hang_up(dialing, "dialing"))
    await asyncio.gather(hang_up(ringing, "ringing"), hang_up(talking, "in_progress"))
    calls.hang_up_twice = (await customer.hang_up(talking)).status_code


async def _expired(world: World, calls: Calls, customer: Customer) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=5)
    calls.expired = await customer.call(HUMAN, expires_at=expires_at.isoformat())
    calls.expired_dials = len(world.dials(customer))


async def _later(calls: Calls, customer: Customer) -> None:
    not_before = datetime.now(UTC) + timedelta(seconds=5)
    calls.later = await customer.call(BUSY, not_before=not_before.isoformat())


async def _retried(world: World, calls: Calls, customer: Customer) -> None:
    retry = {"max_attempts": 3, "on": ["busy"], "delays_s": [1, 2]}
    kept_waiting_s = world.own_time.kept_waiting_s
    calls.retried = await customer.call(BUSY, retry=retry)
    calls.retried_dials = [call.created_at for call in world.dials(customer)]
    calls.retries_kept_waiting = timedelta(seconds=world.own_time.kept_waiting_s - kept_waiting_s)
    soon = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
    calls.gave_up = await customer.call(BUSY, retry=retry | {"delays_s": [60]}, expires_at=soon)


def test_calls_wait_for_a_line(outcome: Calls):
    assert outcome.most_at_once == 2
    assert [story.end for story in outcome.queued] == ["completed"] * 6


def test_calls_are_dialled_in_the_order_in_which_they_were_placed(outcome: Calls):
    begun = [story.call["attempts"][0]["created_at"] for story in outcome.queued]
    assert begun == sorted(begun)
    assert len(outcome.queued_dials) == 6


def test_a_customer_who_wont_wait_is_refused(outcome: Calls):
    assert outcome.refused.status_code == 429
    assert outcome.refused.json()["code"] == "pool_full"
    assert int(outcome.refused.headers["retry-after"]) >= 1
    assert outcome.refused_dials == 1


def test_a_waiting_call_is_taken_back(outcome: Calls):
    story, seconds = outcome.hung_up["queued"]
    assert (story.end, story.call["attempts"]) == ("canceled", [])
    assert seconds < 4


def test_a_call_is_hung_up_before_it_is_answered(outcome: Calls):
    for state in ("dialing", "ringing"):
        story, seconds = outcome.hung_up[state]
        assert (story.end, story.call["answered_at"]) == ("canceled", None), state
        assert seconds < 8, state


def test_a_conversation_is_hung_up(outcome: Calls):
    story, seconds = outcome.hung_up["in_progress"]
    assert story.end == "completed"
    assert story.call["transcript"]
    assert seconds < 8


def test_an_ended_call_can_not_be_hung_up(outcome: Calls):
    assert outcome.hang_up_twice == 409


def test_a_call_that_finds_no_line_in_time_expires(outcome: Calls):
    assert (outcome.expired.end, outcome.expired.states) == ("expired", ["queued", "ended"])
    assert outcome.expired_dials == 0


def test_a_call_is_not_dialled_before_its_time(outcome: Calls):
    call = outcome.later.call
    assert call["attempts"][0]["created_at"] >= call["due_at"] > call["created_at"]


def test_a_busy_callee_is_called_again_after_the_delays(outcome: Calls):
    assert outcome.retried.end == "busy"
    assert [attempt["end_reason"] for attempt in outcome.retried.call["attempts"]] == ["busy"] * 3
    first, second, third = outcome.retried_dials
    kept_waiting = outcome.retries_kept_waiting
    assert timedelta(seconds=1) < second - first < timedelta(seconds=8) + kept_waiting
    assert timedelta(seconds=2) < third - second < timedelta(seconds=9) + kept_waiting


def test_no_attempt_is_planned_after_a_call_has_expired(outcome: Calls):
    assert outcome.gave_up.end == "busy"
    assert len(outcome.gave_up.call["attempts"]) == 1


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0
