"""Events told to receivers on this machine, in the order in which they happened."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from outdial.calls.do_not_call import list_number
from outdial.calls.events import add_event
from outdial.calls.results import Result, save_result
from outdial.db.notify import Notifications
from outdial.policy.do_not_call import Source
from outdial.repeating import Pauses
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason
from outdial.webhooks import emptying, outbox, retry, slots
from outdial.webhooks import sender as sending
from outdial.webhooks.attempt import WebhookClient
from outdial.webhooks.deliveries import take, take_back
from outdial.webhooks.endpoints import Wanted, change_webhook, get_webhook, requests_secret, rotate_secret
from outdial.webhooks.event_type import EventType
from outdial.webhooks.outbox import empty
from outdial.webhooks.sender import Sender
from outdial.workspaces.audit import COMMAND_LINE
from webhooks.conftest import LOCAL, telling
from webhooks.receiver import Answer, receiving
from workspace import until


async def whole_call(workspace, **columns) -> str:
    claim = await workspace.dialed(**columns)
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    return claim.call_id


def received(receiver, count: int):
    async def enough() -> bool:
        return len(receiver.received) >= count

    return enough


async def holds(condition) -> bool:
    return condition()


async def test_a_call_is_told_in_order_and_signed(workspace, receiver, add_webhook, tells):
    webhook = await add_webhook(receiver.url)
    call_id = await whole_call(workspace, metadata={"order": 17})
    await until(received(receiver, 4))
    types = [body["type"] for body in receiver.bodies]
    assert types == ["call.dialing", "call.ringing", "call.answered", "call.ended"]
    assert [body["sequence"] for body in receiver.bodies] == [1, 2, 3, 4]
    assert {body["data"]["call"]["id"] for body in receiver.bodies} == {call_id}
    assert receiver.bodies[0]["data"]["call"]["metadata"] == {"order": 17}
    assert receiver.bodies[3]["data"]["call"]["end_reason"] == "completed"
    receiver.verify(webhook["secret"])


async def test_only_what_an_endpoint_wants_is_sent_and_numbered(workspace, receiver, add_webhook, tells):
    await add_webhook(receiver.url, events=[EventType.ANSWERED, EventType.ENDED])
    await whole_call(workspace)
    await until(received(receiver, 2))
    assert [(body["type"], body["sequence"]) for body in receiver.bodies] == [("call.answered", 1), ("call.ended", 2)]


async def test_the_url_of_a_request_is_told_without_any_endpoint(
    workspace, receiver, tells, engine, secret_box
):
    await whole_call(workspace, webhook_url=f"{receiver.url}/mine")
    await whole_call(workspace)
    await until(received(receiver, 4))
    await asyncio.sleep(0.3)
    assert [body["sequence"] for body in receiver.bodies] == [1, 2, 3, 4]
    assert {got.path for got in receiver.received} == {"/hook/mine"}
    receiver.verify((await requests_secret(engine, secret_box, workspace.id, by=COMMAND_LINE))["secret"])


async def test_a_call_that_was_turned_down_at_the_carrier_is_told_to_its_end(workspace, receiver, add_webhook, tells):
    await add_webhook(receiver.url, events=[EventType.ENDED])
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    await until(received(receiver, 1))
    (body,) = receiver.bodies
    assert (body["data"]["call"]["end_reason"], body["data"]["complete"]) == ("busy", True)


async def test_the_end_waits_for_what_the_conversation_brought(workspace, receiver, add_webhook, tells):
    await add_webhook(receiver.url, events=[EventType.ENDED])
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=datetime.now(UTC))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await asyncio.sleep(0.5)
    assert receiver.received == []
    brought = Result(
        noted={"outcome": "confirmed"}, recording="a.wav", message_delivered=None, transferred=False, ended_by=None
    )
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, brought)
    await until(received(receiver, 1))
    call = receiver.bodies[0]["data"]["call"]
    assert (call["noted"], call["outcome"]) == ({"outcome": "confirmed"}, "confirmed")
    assert call["recording_url"].endswith(f"/v1/calls/{claim.call_id}/recording")


async def test_an_end_whose_conversation_is_lost_is_told_all_the_same(
    workspace, receiver, add_webhook, tells, monkeypatch
):
    monkeypatch.setattr(outbox, "LOOK_AGAIN", ((timedelta(seconds=0.5), 0.1),))
    await add_webhook(receiver.url, events=[EventType.ENDED])
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=datetime.now(UTC))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await until(received(receiver, 1))
    assert receiver.bodies[0]["data"]["complete"] is False


async def test_an_event_of_a_late_commit_is_told_though_later_ids_were(workspace, receiver, add_webhook, tells):
    await add_webhook(receiver.url)
    late, early = await workspace.queue(), await workspace.queue()
    async with workspace.engine.connect() as slow, slow.begin() as transaction:
        await add_event(slow, late, "state", {"state": "queued"})
        async with workspace.engine.begin() as conn:
            await add_event(conn, early, "state", {"state": "queued"})
        await until(received(receiver, 1))
        await transaction.commit()
    await until(received(receiver, 2))
    assert [body["data"]["call"]["id"] for body in receiver.bodies] == [early, late]


async def test_what_was_rolled_back_is_never_told(workspace, receiver, add_webhook, tells):
    await add_webhook(receiver.url)
    call_id = await workspace.queue()
    async with workspace.engine.connect() as conn, conn.begin() as transaction:
        await add_event(conn, call_id, "state", {"state": "queued"})
        await transaction.rollback()
    await asyncio.sleep(0.3)
    assert receiver.received == []


async def test_later_events_of_a_call_wait_for_the_one_that_fails_and_other_calls_do_not(
    workspace, receiver, add_webhook, tells, monkeypatch
):
    monkeypatch.setattr(retry, "DELAYS_S", (0.3,) * 9)
    await add_webhook(receiver.url)
    failing = iter([503, 500])
    stubborn = []

    def answers(got):
        stubborn.append(got.json["data"]["call"]["id"])
        if stubborn[0] == stubborn[-1] and got.json["sequence"] == 1:
            return Answer(status=next(failing, 200))
        return Answer()

    receiver.answers = answers
    first = await whole_call(workspace)
    second = await whole_call(workspace)
    await until(received(receiver, 10))
    told = [body["sequence"] for body in receiver.of_call(first)]
    assert told == [1, 1, 1, 2, 3, 4]
    assert [body["sequence"] for body in receiver.of_call(second)] == [1, 2, 3, 4]
    ids = [got.id for got in receiver.received if got.json["data"]["call"]["id"] == first]
    assert len(set(ids[:3])) == 1
    stamps = {got.headers["webhook-signature"] for got in receiver.received}
    assert len(stamps) >= 8


async def test_an_event_that_is_given_up_leaves_a_gap(
    workspace, receiver, add_webhook, tells, monkeypatch, deliveries
):
    monkeypatch.setattr(retry, "DELAYS_S", (0.05, 0.05))
    await add_webhook(receiver.url)
    receiver.answers = lambda got: Answer(status=500 if got.json["sequence"] == 2 else 200)
    call_id = await whole_call(workspace)
    await until(received(receiver, 6))
    assert [body["sequence"] for body in receiver.of_call(call_id)] == [1, 2, 2, 2, 3, 4]
    (given_up,) = await deliveries(state="given_up")
    assert [each["status"] for each in given_up.tries] == [500, 500, 500]


async def test_a_slow_endpoint_delays_no_other(workspace, receiver, add_webhook, tells):
    async with receiving() as slow:
        slow.answers = lambda got: Answer(after_s=60)
        await add_webhook(slow.url)
        await add_webhook(receiver.url)
        for _ in range(12):
            await whole_call(workspace)
        await until(received(receiver, 48), within_s=60)
        assert len(slow.received) <= 12


async def test_two_processes_share_the_work_and_none_is_told_twice(
    workspace, receiver, add_webhook, tells, engine, database_url, secret_box
):
    await add_webhook(receiver.url)
    async with telling(engine, database_url, secret_box, owner="sender_2"):
        called = [await whole_call(workspace) for _ in range(15)]
        await until(received(receiver, 60), within_s=60)
        await asyncio.sleep(0.3)
    assert len({got.id for got in receiver.received}) == len(receiver.received) == 60
    for call_id in called:
        assert [body["sequence"] for body in receiver.of_call(call_id)] == [1, 2, 3, 4]


async def test_what_a_dead_sender_had_taken_is_sent_by_another(
    workspace, receiver, add_webhook, engine, database_url, secret_box, deliveries
):
    webhook = await add_webhook(receiver.url)
    call_id = await whole_call(workspace)
    await empty(engine, secret_box, base_url="")
    (taken,) = await take(engine, "sender_dead", {webhook["id"]: 10})
    assert taken.call_id == call_id
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhook_deliveries SET lease_until = now() WHERE state = 'sending'"))
    async with telling(engine, database_url, secret_box):
        await until(received(receiver, 4))
    assert [body["sequence"] for body in receiver.bodies] == [1, 2, 3, 4]
    assert [len(row.tries) for row in await deliveries()] == [1, 1, 1, 1]


async def test_a_sender_survives_that_its_connections_are_cut(
    workspace, receiver, add_webhook, tells, engine, postgres
):
    await add_webhook(receiver.url)
    first = await whole_call(workspace)
    with psycopg.connect(postgres.url("migrated"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for _ in range(20):
        try:
            second = await whole_call(workspace)
            break
        except DBAPIError:
            await asyncio.sleep(0.1)
    await until(received(receiver, 8), within_s=60)
    for call_id in (first, second):
        assert sorted({body["sequence"] for body in receiver.of_call(call_id)}) == [1, 2, 3, 4]


async def test_what_waits_for_a_paused_endpoint_goes_when_it_is_resumed(
    workspace, receiver, add_webhook, tells, engine, secret_box
):
    webhook = await add_webhook(receiver.url, paused=True)
    await whole_call(workspace)
    await asyncio.sleep(0.3)
    assert receiver.received == []
    resumed = Wanted(given=(), paused=False)
    await change_webhook(engine, secret_box, workspace.id, webhook["id"], resumed, by=COMMAND_LINE)
    await until(received(receiver, 4))


async def test_an_endpoint_that_says_it_is_gone_is_switched_off_until_somebody_wants_it(
    workspace, receiver, add_webhook, tells, engine, secret_box, monkeypatch
):
    monkeypatch.setattr(retry, "DELAYS_S", (0.05,) * 9)
    webhook = await add_webhook(receiver.url)
    receiver.answers = lambda got: Answer(status=410)
    await whole_call(workspace)
    await until(received(receiver, 1))
    await asyncio.sleep(0.5)
    async with engine.connect() as conn:
        view = await get_webhook(conn, secret_box, workspace.id, webhook["id"])
    assert (view["status"], view["off_reason"], view["waiting"]) == ("off", "gone", 4)
    before = len(receiver.received)
    await asyncio.sleep(0.3)
    assert len(receiver.received) == before
    receiver.answers = lambda got: Answer()
    on = Wanted(given=(), paused=False)
    await change_webhook(engine, secret_box, workspace.id, webhook["id"], on, by=COMMAND_LINE)
    await until(received(receiver, before + 4))


async def test_the_url_of_a_request_that_is_gone_is_left_alone(workspace, receiver, tells, deliveries):
    receiver.answers = lambda got: Answer(status=410)
    await whole_call(workspace, webhook_url=receiver.url)

    async def all_given_up() -> bool:
        rows = await deliveries()
        return len(rows) == 4 and {row.state for row in rows} == {"given_up"}

    await until(all_given_up)
    assert len(receiver.received) <= 4


async def test_an_endpoint_that_fails_for_days_is_switched_off(
    workspace, receiver, add_webhook, tells, engine, secret_box
):
    webhook = await add_webhook(receiver.url)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhooks SET failing_since = now() - interval '5 days 1 minute'"))
    receiver.answers = lambda got: Answer(status=500)
    await whole_call(workspace)

    async def off() -> bool:
        async with engine.connect() as conn:
            return (await get_webhook(conn, secret_box, workspace.id, webhook["id"]))["off_reason"] == "failing"

    await until(off)


async def test_a_receiver_that_wants_fewer_requests_is_left_alone_so_long(
    workspace, receiver, add_webhook, tells, engine
):
    await add_webhook(receiver.url)
    receiver.answers = lambda got: Answer(status=429, headers={"Retry-After": "600"})
    await whole_call(workspace)
    await until(received(receiver, 1))
    await asyncio.sleep(0.3)
    await whole_call(workspace)
    await asyncio.sleep(0.5)
    assert len(receiver.received) == 1
    async with engine.connect() as conn:
        due = await conn.scalar(text("SELECT min(next_at) - now() FROM webhook_deliveries WHERE attempts = 1"))
    assert timedelta(seconds=590) < due <= timedelta(seconds=600)


async def test_both_secrets_sign_while_one_takes_the_others_place(
    workspace, receiver, add_webhook, tells, engine, secret_box
):
    webhook = await add_webhook(receiver.url, events=[EventType.ENDED])
    new = await rotate_secret(engine, secret_box, workspace.id, webhook["id"], force=False, by=COMMAND_LINE)
    await whole_call(workspace)
    await until(received(receiver, 1))
    receiver.verify(webhook["secret"])
    receiver.verify(new["secret"])


async def test_a_number_that_comes_onto_the_list_is_told(workspace, receiver, add_webhook, tells, engine):
    await add_webhook(receiver.url, events=[EventType.DO_NOT_CALL_ADDED])
    await list_number(
        engine, workspace.id, "+15551230001", reason="Asked by mail", source=Source.API, by=COMMAND_LINE
    )
    await until(received(receiver, 1))
    (body,) = receiver.bodies
    assert body["data"]["entry"]["number"] == "+15551230001"
    assert "sequence" not in body


async def test_a_number_in_trouble_is_told_once(workspace, receiver, add_webhook, tells):
    await add_webhook(receiver.url, events=[EventType.NUMBER_UNHEALTHY, EventType.ENDED])
    error = CallError(code=FailureCode.NO_FUNDS, message="No funds.", carrier_code=None)
    for _ in range(2):
        claim = await workspace.dialed()
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED, error=error)
    await until(received(receiver, 3))
    await asyncio.sleep(0.3)
    types = sorted(body["type"] for body in receiver.bodies)
    assert types == ["call.ended", "call.ended", "number.unhealthy"]
    (told,) = [body["data"]["number"] for body in receiver.bodies if body["type"] == "number.unhealthy"]
    assert (told["number_id"], told["trouble"]) == (workspace.number_id, "no_funds")


async def test_one_event_that_cannot_be_told_holds_up_no_other(
    workspace, receiver, add_webhook, tells, monkeypatch, engine, caplog
):
    monkeypatch.setattr(emptying, "AGAIN", Pauses(first_s=0.01, longest_s=0.01))
    await add_webhook(receiver.url)
    broken, sound = await workspace.queue(), await workspace.queue()
    async with engine.begin() as conn:
        await add_event(conn, broken, "answered_by", {"no": "category"})
        await add_event(conn, sound, "state", {"state": "queued"})
    await until(received(receiver, 1))
    assert receiver.bodies[0]["data"]["call"]["id"] == sound
    async with engine.connect() as conn:
        assert await conn.scalar(text("SELECT count(*) FROM webhook_outbox")) == 1


async def test_what_fails_unexpectedly_is_a_failed_try_and_holds_no_place(
    workspace, receiver, add_webhook, tells, monkeypatch, caplog, deliveries
):
    async def attempt(outgoing):
        raise RuntimeError("nobody expected that")

    monkeypatch.setattr(tells._client, "attempt", attempt)
    await add_webhook(receiver.url)
    await workspace.dialed()

    async def tried() -> bool:
        return [[each["problem"] for each in row.tries] for row in await deliveries()] == [["connection"]]

    await until(tried)
    await until(lambda: holds(lambda: len(tells._slots) == 0))
    assert [record.getMessage() for record in caplog.records].count("Webhook could not be sent") == 1


async def test_what_is_still_under_way_when_its_lease_runs_out_is_not_sent_twice(
    workspace, receiver, add_webhook, tells, engine, deliveries
):
    answered = asyncio.Event()
    attempt = tells._client.attempt

    async def slow(outgoing):
        await answered.wait()
        return await attempt(outgoing)

    tells._client.attempt = slow
    webhook = await add_webhook(receiver.url)
    await workspace.dialed()
    await until(lambda: holds(lambda: len(tells._slots) == 1))
    (before,) = await deliveries()
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhook_deliveries SET lease_until = now() WHERE state = 'sending'"))
    assert await take_back(engine) == 1
    tells.wake([webhook["id"]])

    async def taken_again() -> bool:
        (now,) = await deliveries()
        return now.state == "sending" and now.lease_until > before.lease_until

    await until(taken_again)
    answered.set()
    await until(lambda: holds(lambda: len(tells._slots) == 0))
    await whole_call(workspace)

    async def all_delivered() -> bool:
        return len(await deliveries(state="delivered")) == 5

    await until(all_delivered)
    assert len({got.id for got in receiver.received}) == len(receiver.received) == 5


async def test_a_sender_fails_when_outcomes_are_written_no_more(
    engine, database_url, secret_box, workspace, receiver, add_webhook, monkeypatch
):
    async def broken(self, batch):
        raise RuntimeError("nobody expected that")

    monkeypatch.setattr(Sender, "_write", broken)
    await add_webhook(receiver.url)
    await workspace.dialed()
    await empty(engine, secret_box, base_url="")
    client = WebhookClient(LOCAL)
    async with Notifications(database_url) as notifications:
        sender = Sender(engine, notifications, secret_box, client, owner="sender_1")
        with pytest.raises(RuntimeError, match="nobody expected"):
            async with asyncio.timeout(30):
                await sender.run()
        await sender.aclose()
    await client.aclose()


async def test_where_there_is_not_room_for_all_each_lane_has_its_turn(monkeypatch, secret_box):
    first = []
    sender = Sender(None, None, secret_box, None, owner="sender_1")

    async def take_none(engine, owner, room):
        first.extend(room)
        sender._wanted.clear()
        return []

    monkeypatch.setattr(slots, "QUICK", 1)
    monkeypatch.setattr(sending, "take", take_none)
    lanes = {f"lane-{each}" for each in range(5)}
    for _ in range(200):
        sender._wanted |= lanes
        await sender._take_what_fits()
    assert len(first) == 200
    assert set(first) == lanes
