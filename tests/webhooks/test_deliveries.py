"""What the database says of deliveries, without anybody who sends them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from outdial.telephony.state import CallState
from outdial.webhooks.deliveries import note_failure, take
from outdial.webhooks.outbox import empty
from outdial.webhooks.upkeep import look_after

HOLDS = {1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 5: 10.0}


async def held_for(engine) -> timedelta:
    async with engine.connect() as conn:
        return await conn.scalar(text("SELECT hold_until - clock_timestamp() FROM webhook_lanes"))


async def test_a_failure_makes_no_hold_shorter(workspace, add_webhook, engine, secret_box):
    webhook = await add_webhook("http://127.0.0.1:9/hook")
    await workspace.dialed()
    await empty(engine, secret_box, base_url="")
    asked = datetime.now(UTC) + timedelta(minutes=10)
    assert await note_failure(engine, webhook["id"], hold=HOLDS, until=asked) == 1
    for failures in range(2, 8):
        assert await note_failure(engine, webhook["id"], hold=HOLDS, until=None) == failures
    assert timedelta(minutes=9) < await held_for(engine) < timedelta(minutes=10)


async def test_the_one_that_asks_whether_its_lane_is_back_holds_it_only_until_its_answer(
    workspace, add_webhook, engine, secret_box
):
    webhook = await add_webhook("http://127.0.0.1:9/hook")
    await workspace.dialed()
    await empty(engine, secret_box, base_url="")
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhook_lanes SET failures = 5"))
    (_,) = await take(engine, "sender_1", {webhook["id"]: 10})
    assert await held_for(engine) > timedelta(seconds=20)
    await note_failure(engine, webhook["id"], hold=HOLDS, until=None)
    assert await held_for(engine) < timedelta(seconds=11)


async def test_what_waits_behind_one_that_waited_too_long_goes(workspace, add_webhook, engine, secret_box, deliveries):
    await add_webhook("http://127.0.0.1:9/hook")
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await empty(engine, secret_box, base_url="")
    assert [row.state for row in await deliveries()] == ["waiting", "blocked", "blocked"]
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhook_deliveries SET since = now() - interval '4 days' WHERE sequence = 1"))
    assert await look_after(engine) == 1
    assert [row.state for row in await deliveries()] == ["given_up", "waiting", "blocked"]
