import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from outdial.calls.events import add_event
from outdial.db.tables import call_events, calls


def parse(text):
    """Server-sent events as (id, type, data)."""
    events = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            events.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return events


@pytest.fixture
async def call_id(client, tenant):
    answer = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551234567"})
    return answer.json()["call_id"]


@pytest.fixture
def happens(engine, call_id):
    async def happens(*events):
        async with engine.begin() as conn:
            for type_, data in events:
                await add_event(conn, call_id, type_, data)
                if data.get("state") == "ended":
                    ended = {"state": "ended", "end_reason": "completed", "ended_at": datetime.now(UTC)}
                    await conn.execute(update(calls).values(ended))

    return happens


async def test_a_follower_hears_what_was_and_what_comes_until_the_end(client, call_id, happens, engine):
    following = asyncio.create_task(client.get(f"/v1/calls/{call_id}/events"))
    await happens(("state", {"state": "dialing"}))
    await asyncio.sleep(0.05)
    await happens(("transcript", {"seq": 0, "text": "Hello", "state": "not a state"}))
    await happens(("state", {"state": "ended", "end_reason": "completed"}))
    await happens(("transcript", {"seq": 1, "text": "the last words, written beside the end"}))
    answer = await asyncio.wait_for(following, 30)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = parse(answer.text)
    assert [type_ for _, type_, _ in events] == ["state", "state", "transcript", "state", "transcript"]
    assert [data.get("state") for _, type_, data in events if type_ == "state"] == ["queued", "dialing", "ended"]
    assert all(data["at"].endswith("Z") for _, _, data in events)


async def test_a_follower_goes_on_after_the_last_id_it_saw(client, call_id, happens, engine):
    await happens(("state", {"state": "dialing"}), ("state", {"state": "ended"}))
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    async with engine.begin() as conn:
        await conn.execute(update(calls).values(ended_at=long_ago))
    url = f"/v1/calls/{call_id}/events"
    everything = parse((await client.get(url)).text)
    assert len(everything) == 3
    rest = await client.get(url, headers={"Last-Event-ID": str(everything[0][0])})
    assert parse(rest.text) == everything[1:]
    nothing = await client.get(url, headers={"Last-Event-ID": str(everything[-1][0])})
    assert (nothing.status_code, nothing.text) == (204, "")
    for wrong in ("x", "-1", "9" * 30):
        answer = await client.get(url, headers={"Last-Event-ID": wrong})
        assert answer.status_code == 422


async def test_an_event_stored_late_with_a_lower_id_is_not_missed(client, call_id, happens, engine):
    following = asyncio.create_task(client.get(f"/v1/calls/{call_id}/events"))
    async with engine.begin() as slow:
        await slow.execute(insert(call_events).values(call_id=call_id, type="digit", data={}))
        await happens(("state", {"state": "dialing"}))
        await asyncio.sleep(0.2)  # the follower has been told of the second by now
    await happens(("state", {"state": "ended"}))
    events = parse((await asyncio.wait_for(following, 30)).text)
    assert sorted(type_ for _, type_, _ in events) == ["digit", "state", "state", "state"]
    assert len({event_id for event_id, _, _ in events}) == 4


async def test_a_long_history_is_told_whole(client, call_id, happens, engine):
    await happens(*(("note", {"n": n}) for n in range(1200)), ("state", {"state": "ended"}))
    async with engine.begin() as conn:
        await conn.execute(update(calls).values(ended_at=datetime.now(UTC) - timedelta(minutes=1)))
    events = parse((await asyncio.wait_for(client.get(f"/v1/calls/{call_id}/events"), 20)).text)
    assert [data["n"] for _, type_, data in events if type_ == "note"] == list(range(1200))


async def test_a_key_that_follows_too_many_is_told_so(app, client, call_id):
    app.state.event_streams._most_of_one = 0
    answer = await client.get(f"/v1/calls/{call_id}/events")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
    assert answer.headers["retry-after"] == "5"
