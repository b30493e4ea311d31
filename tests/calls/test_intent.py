"""The intent to dial: what one statement writes, and what of it there is no room for."""

from datetime import UTC, datetime, timedelta

from outdial.calls.intent import write_intent
from outdial.lines.seats import Seat
from seats import give_seats, seats_taken, set_worker


async def intend(workspace, *call_ids):
    now = datetime.now(UTC)
    values = {
        "workspace": workspace.id,
        "soon": now + timedelta(seconds=1),
        "owner": "worker_1",
        "lease_until": now + timedelta(seconds=15),
        "attempt_ids": [f"att_{call_id}" for call_id in call_ids],
        "call_ids": list(call_ids),
        "attempt_numbers": [1 for _ in call_ids],
        "carriers": ["twilio" for _ in call_ids],
        "account_ids": [workspace.account_id for _ in call_ids],
        "token_hashes": [call_id.encode() for call_id in call_ids],
        "slots": [now for _ in call_ids],
    }
    async with workspace.engine.begin() as conn:
        return await write_intent(conn, values)


async def test_each_call_gets_a_line_and_a_seat(workspace):
    call_ids = [await workspace.queue() for _ in range(2)]
    intent = await intend(workspace, *call_ids)
    seat = Seat(worker_id="worker_seats", stream_url="wss://voice.example")
    assert (intent.seats, intent.free, intent.without_seat) == (dict.fromkeys(call_ids, seat), 3, False)
    assert await seats_taken(workspace.engine) == {f"att_{call_id}": "worker_seats" for call_id in call_ids}


async def test_the_first_ones_go_where_there_are_fewer_seats_than_calls(workspace):
    await set_worker(workspace.engine, "worker_seats", draining=True)
    await give_seats(workspace.engine, 1, worker_id="worker_small")
    first, second = await workspace.queue(), await workspace.queue()
    intent = await intend(workspace, first, second)
    assert (list(intent.seats), intent.free, intent.without_seat) == ([first], 4, True)
    assert [(await workspace.call(call_id)).state for call_id in (first, second)] == ["dialing", "queued"]
    assert (await workspace.pool()).used_outbound == 1


async def test_no_seat_is_kept_for_a_call_without_a_line(make_workspace):
    workspace = await make_workspace(lines=1)
    first, second = await workspace.queue(), await workspace.queue()
    intent = await intend(workspace, first, second)
    assert (list(intent.seats), intent.free, intent.without_seat) == ([first], 0, False)
    assert list(await seats_taken(workspace.engine)) == [f"att_{first}"]


async def test_nothing_is_written_where_the_account_may_not_dial_or_no_seat_is_free(workspace):
    await set_worker(workspace.engine, "worker_seats", seen_at=None)
    intent = await intend(workspace, await workspace.queue())
    assert (intent.seats, intent.free, intent.without_seat) == ({}, None, True)
    assert (await workspace.pool()).used_outbound == 0
