"""Workers as they are shown."""

from datetime import timedelta

import pytest
from sqlalchemy import func

from outdial.history.workers import WorkerState, list_workers
from outdial.lines.seats import take_seat
from seats import give_seats


@pytest.mark.parametrize(
    ("columns", "state", "free"),
    [
        ({}, WorkerState.SERVES, 2),
        ({"draining": True}, WorkerState.DRAINS, 0),
        ({"drain_requested_at": func.now()}, WorkerState.DRAINS, 0),
        ({"seen_at": None}, WorkerState.AWAY, 0),
        ({"seen_at": func.now() - timedelta(seconds=20), "lease_s": 15.0}, WorkerState.AWAY, 0),
    ],
)
async def test_what_a_worker_does_and_how_many_of_its_seats_can_be_had(engine, columns, state, free):
    await give_seats(engine, 3)
    async with engine.begin() as conn:
        await take_seat(conn, "att_1")
    await give_seats(engine, 3, worker_id="worker_2", stream_url="wss://2.example", **columns)
    async with engine.connect() as conn:
        one, two = await list_workers(conn)
    assert (one.seats, one.taken, one.free, one.state) == (3, 1, 2, WorkerState.SERVES)
    assert (two.id, two.seats, two.state, two.free) == ("worker_2", 3, state, free + 1 if free else 0)
